package slo

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

// TestAsSloth compares every rule with what Sloth's own library makes of the same objective, which internal/slothtest keeps in
// testdata/sloth. Three differences are meant: the guard, the ratio of the whole period, and who made it.
func TestAsSloth(t *testing.T) {
	for _, period := range []string{"30d", "28d", "7d"} {
		d, err := model.ParseDuration(period)
		if err != nil {
			t.Fatal(err)
		}
		o := options(t, names.Options{}, time.Duration(d))
		groups, err := Groups(o, SLO{
			Name: "availability", Target: 99.9,
			Bad:    func(w string) string { return "sum(rate(bad_total[" + w + "]))" },
			Total:  func(w string) string { return "sum(rate(all_total[" + w + "]))" },
			Series: func(...Phase) []rules.Series { return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		records, pages := map[string]rules.Record{}, groups[0].Alerts
		for _, r := range append(groups[0].Records, groups[1].Records...) {
			records[r.Name] = r
		}
		compared := 0
		for _, want := range slothRules(t, period) {
			expr, err := tidy(want.Expr)
			if err != nil {
				t.Fatal(err)
			}
			switch got := records[want.Record]; {
			case want.Alert != "":
				whole, err := tidy("(" + want.Expr + ") and on (sloth_id) slo:bad_events")
				if err != nil {
					t.Fatal(err)
				}
				prefix := strings.TrimSuffix(whole, "slo:bad_events")
				if !strings.HasPrefix(strings.Join(strings.Fields(pages[0].Expr), " "), strings.Join(strings.Fields(prefix), " ")) ||
					pages[0].Labels["sloth_severity"] != want.Labels["sloth_severity"] {
					t.Errorf("%s: %s:\n got %s\nwant %s", period, pages[0].Name, pages[0].Expr, whole)
				}
				pages = pages[1:]
			case want.Record == "sloth_slo_info":
				if got.Labels["sloth_objective"] != want.Labels["sloth_objective"] {
					t.Errorf("%s: %s: labels %v; want %v", period, want.Record, got.Labels, want.Labels)
				}
			case want.Record == ratioIn(o.Period):
				if !maps.Equal(got.Labels, want.Labels) {
					t.Errorf("%s: %s: labels %v; want %v", period, want.Record, got.Labels, want.Labels)
				}
			case got.Expr != expr || !maps.Equal(got.Labels, want.Labels):
				t.Errorf("%s: %s:\n got %s %v\nwant %s %v", period, want.Record, got.Expr, got.Labels, expr, want.Labels)
			}
			compared++
		}
		if compared != 17 || len(pages) != 0 {
			t.Errorf("%s: %d rules compared, and %d alerts are not Sloth's; want 17 and none", period, compared, len(pages))
		}
	}
}

func slothRules(t *testing.T, period string) (out []rulefmt.Rule) {
	t.Helper()
	file, errs := rulefmt.ParseFile(filepath.Join("testdata", "sloth", period+".yaml"), false, model.UTF8Validation,
		parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, g := range file.Groups {
		out = append(out, g.Rules...)
	}
	return out
}

// TestNothingYet: a ratio is 0 before the first failure, and absent without traffic and before there is any series.
func TestNothingYet(t *testing.T) {
	group := groupsOf(t, options(t, names.Options{}, 0), "availability=99.9%", "latency=99% < 1s")
	for _, c := range []struct {
		what, values string
		want         []float64
	}{
		{"traffic and no failure", "0+60x90", []float64{0}},
		{"no traffic", "60x90", nil},
		{"no series", "_x90", nil},
	} {
		var series []rulestest.Series
		for _, selector := range []string{
			`http_server_request_duration_seconds_count{job="shop",http_route="/"}`,
			`http_server_request_duration_seconds_bucket{job="shop",http_route="/",le="1.0"}`,
		} {
			series = append(series, rulestest.Series{Series: selector, Values: c.values})
		}
		for _, g := range group {
			for _, r := range g.Records {
				if !strings.Contains(r.Name, "ratio_rate") || r.Name == ratioIn(30*24*time.Hour) {
					continue
				}
				got := valuesAt(t, series, r.Expr)
				if !slices.Equal(got, c.want) {
					t.Errorf("%s: %s: %s = %v; want %v", c.what, g.Name, r.Name, got, c.want)
				}
			}
		}
	}
}
