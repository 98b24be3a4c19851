package discovery

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds   = flag.Int("sim.seeds", 5, "how many worlds are run")
	first   = flag.Uint64("sim.first", 1, "the seed of the first world; 0 draws one")
	lasting = flag.Duration("sim.duration", time.Hour, "how long a world lasts, of its own time")
	budget  = flag.Duration("sim.budget", 0, "stop after this time although there are seeds left; 0 for none")

	// What the worlds of the service have besides, so that one command line is good for both.
	_ = flag.Bool("sim.shrink", false, "no effect here")
	_ = flag.Bool("sim.progress", false, "no effect here")
	_ = flag.String("sim.faults", "", "no effect here")
)

// TestSeeds runs worlds, and fails with the story of the first in which a law breaks.
func TestSeeds(t *testing.T) {
	began := time.Now()
	from := *first
	if from == 0 {
		from = rand.Uint64N(1 << 40)
	}
	fmt.Fprintf(os.Stderr, "sim: seeds from %d\n", from)
	done := 0
	for seed := from; seed < from+uint64(*seeds) && !t.Failed() && (*budget == 0 || time.Since(began) < *budget); seed++ {
		law, story := run(t, seed, *lasting)
		if done++; law != "" {
			t.Errorf("%s\n\nlaw: %s\nrun it again: make sim WORLD=discovery SEED=%d DURATION=%v", story, law, seed, *lasting)
		}
	}
	fmt.Fprintf(os.Stderr, "sim: %d worlds of %v in %.0f s\n", done, *lasting, time.Since(began).Seconds())
}
