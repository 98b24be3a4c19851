package dashboards

import (
	"maps"
	"slices"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/cmd/duotel/internal/slo"
)

// TestAlerts shows that every alert that a panel leads to is in the catalogue of rules, and that every one of these can be
// looked at in some panel.
func TestAlerts(t *testing.T) {
	n := mustNames(t, names.Options{})
	groups, err := rules.Groups(rules.Options{Names: n, Job: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{slo.BurnFast: true, slo.BurnSlow: true}
	for _, g := range groups {
		for _, a := range g.Alerts {
			known[a.Name] = true
		}
	}
	linked := map[string]bool{}
	for _, q := range Queries(mustDashboards(t, Options{Names: n})) {
		for _, a := range q.Alerts {
			linked[a] = true
			if !known[a] {
				t.Errorf("%s, %q leads to the alert %s, and there is none; allowed are %q", q.File, q.Title, a, slices.Sorted(maps.Keys(known)))
			}
		}
	}
	for a := range known {
		if !linked[a] {
			t.Errorf("no panel shows what the alert %s is about", a)
		}
	}
}
