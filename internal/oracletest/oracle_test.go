package oracletest_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

const (
	rounds  = 150
	scrapes = 3 // of one pair of exits, with other data each time
)

// The pull exit's text is the official exporter's, but for the differences in the table.
func TestOracle(t *testing.T) {
	for seed := range uint64(rounds) {
		if err := compare(t, seed, "wörd.1", differences); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// A row that nothing needs would hide what it was not meant to.
func TestEveryDifferenceIsSeen(t *testing.T) {
	for i, d := range differences {
		rest := slices.Delete(slices.Clone(differences), i, i+1)
		var seen error
		for seed := uint64(0); seed < rounds && seen == nil; seed++ {
			seen = compare(t, seed, "", rest)
		}
		if seen == nil {
			t.Errorf("%s: the two agree without this row (%s)", d.what, d.reason)
		}
	}
}

func FuzzOracle(f *testing.F) {
	for i, word := range []string{"", "a", "le", "_", "é", "count", "a\nb", `"\`, "# EOF", "total", "9", ";", "__name__"} {
		f.Add(uint64(i), word)
	}
	f.Fuzz(func(t *testing.T, seed uint64, word string) {
		if err := compare(t, seed, word, differences); err != nil {
			t.Fatal(err)
		}
	})
}

// compare scrapes both exits and says where they differ beyond the differences that are even.
func compare(t *testing.T, seed uint64, word string, even []difference) error {
	t.Helper()
	g := newGenerator(seed, word)
	s := newSides(t, g.setup())
	for range scrapes {
		s.data = g.scopes()
		for format, accept := range accepts {
			ours, theirs := scrape(t, s.ours, accept), scrape(t, s.theirs, accept)
			for _, d := range even {
				if err := d.even(ours, theirs, float64(g.began.UnixNano())/1e9); err != nil {
					return fmt.Errorf("%s: %s: %w", format, d.what, err)
				}
			}
			if diff := disagreement(ours, theirs); diff != "" {
				return fmt.Errorf("%s: %s", format, diff)
			}
		}
	}
	if len(s.left) > 0 {
		return errors.New("ours has left out: " + s.left[0])
	}
	return nil
}
