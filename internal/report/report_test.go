package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/internal/report"
)

// heard keeps what a handler was told.
type heard struct {
	mu   sync.Mutex
	told []string
}

func (h *heard) handle(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, err.Error())
}

// TestRounds has rounds of failures, and what is told of each.
func TestRounds(t *testing.T) {
	for name, c := range map[string]struct{ rounds, want []string }{
		"lasts":            {[]string{"a", "a", "a"}, []string{"a"}},
		"begins again":     {[]string{"a", "", "a", "", "", "a"}, []string{"a", "a", "a"}},
		"a second begins":  {[]string{"a", "a b", "a b", "b", "a b"}, []string{"a", "b", "a"}},
		"twice in a round": {[]string{"a a", "a a"}, []string{"a"}},
		"none":             {[]string{"", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(heard)
			r := report.NewRounds(h.handle)
			for _, round := range c.rounds {
				for _, what := range strings.Fields(round) {
					r.Failed(what, errors.New(what))
				}
				r.End()
			}
			if !slices.Equal(h.told, c.want) {
				t.Errorf("told %q, want %q", h.told, c.want)
			}
		})
	}
}

// TestRoundsNobodyEnds end by themselves: a failure that is back after a long time is told of.
func TestRoundsNobodyEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(heard)
		r := report.NewRounds(h.handle)
		for range 100 {
			r.Failed("lasts", errors.New("lasts"))
			time.Sleep(time.Minute)
		}
		if len(h.told) != 1 {
			t.Errorf("a failure that lasts is told of %d times", len(h.told))
		}
		for range 25 {
			r.Failed("other", errors.New("other"))
			time.Sleep(time.Minute)
		}
		r.Failed("lasts", errors.New("lasts"))
		if len(h.told) != 3 {
			t.Errorf("told %q, want the failure that began again", h.told)
		}
	})
}

// TestNeverMute has a thousand failures at once, over and over, and then a new one.
func TestNeverMute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(heard)
		r := report.NewRounds(h.handle)
		for round := range 10 {
			for i := range 1000 {
				r.Failed(fmt.Sprint(round, i), fmt.Errorf("failure %d of round %d", i, round))
			}
			r.End()
		}
		if len(h.told) != 64 {
			t.Errorf("%d messages at once, want 64", len(h.told))
		}
		time.Sleep(11 * time.Second)
		r.Failed("new", errors.New("a new failure"))
		want := []string{"a new failure", "9936 failures more began since the last message, and are not named here: there were too many at once"}
		if got := h.told[64:]; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestMoreThanIsKnown has more failures at once than are known to last.
func TestMoreThanIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := new(heard)
		r := report.NewRounds(h.handle)
		for range 100 {
			for i := range 5000 {
				r.Failed(fmt.Sprint(i), fmt.Errorf("failure %d", i))
			}
			r.End()
			time.Sleep(15 * time.Second)
		}
		if len(h.told) > 64+2*150 {
			t.Errorf("%d messages in 25 minutes", len(h.told))
		}
	})
}

// TestNoHandler is told nothing.
func TestNoHandler(t *testing.T) {
	r := report.NewRounds(nil)
	r.Failed("a", errors.New("a"))
	r.End()
	report.Limit(nil).Handle(errors.New("a"))
}

// TestConcurrentRounds is for -race.
func TestConcurrentRounds(t *testing.T) {
	h := new(heard)
	r := report.NewRounds(h.handle)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 500 {
				r.Failed(fmt.Sprint(i, j%5), errors.New("x"))
				r.End()
			}
		})
	}
	all.Wait()
}
