package service

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	seeds    = flag.Int("sim.seeds", 12, "how many worlds are run")
	first    = flag.Uint64("sim.first", 1, "the seed of the first world; 0 draws one")
	lasting  = flag.Duration("sim.duration", time.Hour, "how long a world lasts, of its own time")
	budget   = flag.Duration("sim.budget", 0, "stop after this time although there are seeds left; 0 for none")
	only     = flag.String("sim.faults", "", "of a world's faults only these, separated by commas")
	progress = flag.Bool("sim.progress", false, "show progress, and what was covered")
	shorten  = flag.Bool("sim.shrink", true, "make the story of a failure short, which takes up to two minutes")
	told     = flag.Int("sim.told", 30, "how many events a story has")
	tableTo  = flag.String("sim.matrix", "", "write the matrix of faults and states to this file")
)

// regressions are seeds in which a law broke once.
var regressions = []uint64{2601, 105902}

// TestSeeds runs worlds, and fails with the story of the first in which a law breaks.
func TestSeeds(t *testing.T) {
	from := *first
	if from == 0 {
		from = rand.Uint64N(1 << 40)
	}
	fmt.Fprintf(os.Stderr, "sim: seeds from %d\n", from)
	began := time.Now()
	total := newMatrix()
	var mu sync.Mutex
	next, done, failed := 0, 0, false
	var lives, points, scrapes int64
	t.Run("worlds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for {
					mu.Lock()
					over := failed || next >= *seeds || *budget > 0 && time.Since(began) > *budget
					seed := from + uint64(next)
					next++
					mu.Unlock()
					if over {
						return
					}
					o := watched(t, planned(seed))
					mu.Lock()
					done++
					lives, points, scrapes = lives+o.lives, points+o.points, scrapes+o.scrapes
					total.merge(o.matrix)
					if *progress && done%100 == 0 {
						fmt.Fprintf(os.Stderr, "sim: %d worlds, %.1f a second, %d lives, %d points accepted, %d pages, %d of %d faults met\n",
							done, float64(done)/time.Since(began).Seconds(), lives, points, scrapes, len(total.met()), len(catalogue()))
					}
					stop := o.law != "" && !failed
					failed = failed || stop
					mu.Unlock()
					if stop {
						report(t, o)
					}
				}
			})
		}
	})
	seconds := time.Since(began).Seconds()
	fmt.Fprintf(os.Stderr, "sim: %d worlds of %v in %.0f s (%.2f a second), %d lives, %d points accepted, %d pages read, %d of %d faults met\n",
		done, *lasting, seconds, float64(done)/seconds, lives, points, scrapes, len(total.met()), len(catalogue()))
	if *tableTo != "" {
		if err := os.WriteFile(*tableTo, []byte(total.table()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// TestRegressions runs the seeds that failed once.
func TestRegressions(t *testing.T) {
	for _, seed := range regressions {
		if o := watched(t, draw(seed, time.Hour)); o.law != "" {
			report(t, o)
		}
	}
}

func planned(seed uint64) plan {
	p := draw(seed, *lasting)
	if *only != "" {
		for _, fault := range p.faults() {
			if !strings.Contains(","+*only+",", ","+fault+",") {
				p = p.without(fault)
			}
		}
	}
	return p
}

// watched is run, with somebody who looks at a real clock: a world that does not end shows what it hangs on.
func watched(t *testing.T, p plan) outcome {
	timer := time.AfterFunc(40*time.Second, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("a world does not end: %v\n%s", p, buf[:runtime.Stack(buf, true)]))
	})
	defer timer.Stop()
	return run(t, p, false)
}

// report makes the story of a failure short and tells it.
func report(t *testing.T, o outcome) {
	t.Helper()
	if !*shorten {
		t.Errorf("%s\n\n%s\n\nlaw: %s", o.plan, o.story, o.law)
		return
	}
	short, broke := shrink(t, o)
	t.Errorf("%s\n\n%s\n\nlaw: %s\nthe shortened world broke it in %d of %d runs; the first was: %v\nrun it again: make sim SEED=%d DURATION=%v FAULTS=%s",
		short.plan, short.story, short.law, broke, tries, o.plan, short.plan.seed, short.plan.duration, strings.Join(append(short.plan.faults(), "none"), ","))
}

// tries is how often a world is run to see whether a law breaks in it: goroutines do not always meet in the same order.
const tries = 3

// shrink takes away faults, scrapers, recorders and time as long as the same law breaks.
func shrink(t *testing.T, o outcome) (outcome, int) {
	until := time.Now().Add(90 * time.Second)
	again := func(p plan) (outcome, int) {
		var last outcome
		broke := 0
		for range tries {
			if time.Now().After(until) {
				break
			}
			if got := watched(t, p); got.law == o.law {
				last = got
				broke++
			}
		}
		return last, broke
	}
	_, often := again(o.plan)
	attempt := func(p plan) bool {
		for range tries {
			if time.Now().After(until) {
				return false
			}
			if got := watched(t, p); got.law == o.law {
				o = got
				return true
			}
		}
		return false
	}
	for _, fault := range o.plan.faults() {
		attempt(o.plan.without(fault))
	}
	if *only == "" {
		for _, change := range []func(*plan){
			func(p *plan) { p.scrapers = 0 }, func(p *plan) { p.recorders = 1 }, func(p *plan) { p.shards = 1 }, func(p *plan) { p.batch = 0 },
		} {
			p := o.plan
			change(&p)
			attempt(p)
		}
	}
	_, broke := again(o.plan)
	if broke == 0 {
		broke = often
	}
	return o, broke
}
