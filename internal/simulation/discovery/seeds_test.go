package discovery

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds   = flag.Int("sim.seeds", 20, "how many worlds are run")
	first   = flag.Uint64("sim.first", 1, "the seed of the first world")
	lasting = flag.Duration("sim.duration", time.Hour, "how long a world lasts, of its own time")
	_       = flag.Bool("sim.shrink", false, "for the other worlds")
)

// TestSeeds runs worlds, and fails with the story of the first in which a law breaks.
func TestSeeds(t *testing.T) {
	began := time.Now()
	done := 0
	for seed := *first; seed < *first+uint64(*seeds) && !t.Failed(); seed++ {
		law, story := run(t, seed, *lasting)
		if done++; law != "" {
			t.Errorf("%s\n\nlaw: %s\nrun it again: go test ./internal/simulation/discovery -args -sim.first=%d -sim.seeds=1 -sim.duration=%v", story, law, seed, *lasting)
		}
	}
	fmt.Fprintf(os.Stderr, "sim: %d worlds of %v in %.0f s\n", done, *lasting, time.Since(began).Seconds())
}
