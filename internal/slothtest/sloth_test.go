// Package slothtest runs Sloth's library, which cannot be in one program with the Prometheus library that cmd/duotel is
// built with: Sloth v0.16.0 needs one older than v0.311.0. What it makes of an objective is kept beside the
// package that makes the same, whose tests compare.
package slothtest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	sloth "github.com/slok/sloth/pkg/lib"
	spec "github.com/slok/sloth/pkg/prometheus/api/v1"
)

var update = flag.Bool("update", false, "write what Sloth makes")

// kept is where what Sloth makes is kept.
const kept = "../../cmd/duotel/internal/slo/testdata/sloth"

const day = 24 * time.Hour

// week are the windows of seven days, for which Sloth has none: the shares of the budget that Sloth has for 30 and 28 days, but
// never a burn rate of less than 1.
const week = `apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 2, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 14.285714285714286, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42.857142857142857, shortWindow: 6h, longWindow: 3d}
`

// generate lets Sloth make the rules of an objective.
func generate(t *testing.T, period time.Duration) []byte {
	t.Helper()
	cfg := sloth.PrometheusSLOGeneratorConfig{DefaultSLOPeriod: period}
	if period == 7*day {
		cfg.WindowsFS = fstest.MapFS{"7d.yaml": {Data: []byte(week)}}
	}
	g, err := sloth.NewPrometheusSLOGenerator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	result, err := g.GenerateFromSlothV1(t.Context(), spec.Spec{Service: "shop", SLOs: []spec.SLO{{
		Name: "availability", Objective: 99.9, Labels: map[string]string{"job": "shop"},
		SLI: spec.SLI{Events: &spec.SLIEvents{
			ErrorQuery: "sum(rate(bad_total[{{.window}}]))", TotalQuery: "(sum(rate(all_total[{{.window}}]))) > 0",
		}},
		Alerting: spec.Alerting{Name: "Burns"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := g.WriteResultAsPrometheusStd(t.Context(), *result, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// condition finds the windows and thresholds in an alert's expression.
var condition = regexp.MustCompile(`slo:sli_error:ratio_rate(\w+)\{[^}]*\} > \(([\d.]+) \* ([\d.]+)\)`)

// TestNumbers compares Sloth's conditions with the table: that of the Site Reliability Workbook for 30 days, and the same shares
// of the budget for others.
func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		period time.Duration
		want   []string // short window and factor, long window and factor, page first
	}{
		{30 * day, []string{"5m 14.4", "1h 14.4", "30m 6", "6h 6", "2h 3", "1d 3", "6h 1", "3d 1"}},
		{28 * day, []string{"5m 13.44", "1h 13.44", "30m 5.6", "6h 5.6", "2h 2.8", "1d 2.8", "6h 0.933333", "3d 0.933333"}},
		{7 * day, []string{"5m 3.36", "1h 3.36", "30m 1.4", "6h 1.4", "2h 1", "1d 1", "6h 1", "3d 1"}},
	} {
		var got []string
		for _, m := range condition.FindAllStringSubmatch(string(generate(t, c.period)), -1) {
			factor, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, m[1]+" "+strconv.FormatFloat(factor, 'g', 6, 64))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%v:\n got %s\nwant %s", c.period, strings.Join(got, ", "), strings.Join(c.want, ", "))
		}
	}
}

// TestKept holds what is kept to what Sloth makes.
func TestKept(t *testing.T) {
	for name, period := range map[string]time.Duration{"30d": 30 * day, "28d": 28 * day, "7d": 7 * day} {
		path, got := filepath.Join(kept, name+".yaml"), generate(t, period)
		if *update {
			if err := os.MkdirAll(kept, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what Sloth makes: cd internal/slothtest && go test -update", path)
		}
	}
}
