package slo

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

// The month begins on a Monday. On working days there are 600 requests a minute, at the weekend 30, and one night 1.
const (
	step     = 4 * time.Minute // between samples and evaluations
	day      = 24 * time.Hour
	working  = 600
	weekend  = 30
	night    = 1
	nineNine = 0.001 // the budget of 99.9 %
)

// incident is a time in which requests fail, burn times as many as the budget has room for.
type incident struct {
	name  string
	start time.Duration
	lasts time.Duration
	burn  float64
	// want are the pairs of windows that notice it, and when; the others must not.
	want map[string]time.Duration
}

// incidents: for each pair of windows one that this pair alone should tell of, an outage that is for both pages, and two that nobody should hear of.
// With a steady load everything that 1d/2h at 3 notices is noticed by 3d/6h at 1 too, and no later: they tell apart where the load is uneven, as on a Sunday.
var incidents = []incident{
	{"10 % fail for four minutes", 2*day + 12*time.Hour + past, 4 * time.Minute, 100, nil},
	{"4 % fail for half an hour", 3*day + 10*time.Hour + past, 32 * time.Minute, 40, map[string]time.Duration{"1h/5m": 24 * time.Minute}},
	{"3 failures in a night of few requests", 5*day + 4*time.Hour + past, 12 * time.Minute, 250, nil},
	{"0.8 % fail for six hours", 9*day + 8*time.Hour + past, 6 * time.Hour, 8, map[string]time.Duration{"6h/30m": 270 * time.Minute}},
	{"0.45 % fail on a Sunday", 13*day + past, 20 * time.Hour, 4.5, map[string]time.Duration{"1d/2h": 16 * time.Hour}},
	{"everything fails for four minutes", 17*day + 12*time.Hour + past, 4 * time.Minute, 1000, map[string]time.Duration{"1h/5m": 4 * time.Minute, "6h/30m": 4 * time.Minute}},
	{"0.15 % fail for sixty hours", 23*day + past, 60 * time.Hour, 1.5, map[string]time.Duration{"3d/6h": 48 * time.Hour}},
}

// past is how many minutes past the hour an incident begins.
const past = 20 * time.Minute

// loadAt is the number of requests a minute.
func loadAt(at time.Duration) float64 {
	switch {
	case at >= 5*day+2*time.Hour && at < 5*day+8*time.Hour:
		return night
	case int(at/day)%7 >= 5:
		return weekend
	default:
		return working
	}
}

// failing is the share of requests that fail.
func failing(at time.Duration) float64 {
	for _, i := range incidents {
		if at >= i.start && at < i.start+i.lasts {
			return i.burn * nineNine
		}
	}
	return 0
}

// month returns the series, and how many requests there were and how many failed. The series of failures begins with the first one, as it does
// in a service.
func month() (series []rulestest.Series, total, bad float64) {
	good := func(at time.Duration) float64 { return loadAt(at) * (1 - failing(at)) }
	failed := func(at time.Duration) float64 { return loadAt(at) * failing(at) }
	for at := time.Duration(0); at < 30*day; at += step {
		total += loadAt(at) * step.Minutes()
		bad += failed(at) * step.Minutes()
	}
	const count = `http_server_request_duration_seconds_count{job="shop",instance="10.0.0.7:9464",http_route="/checkout",`
	return []rulestest.Series{
		{Series: count + `http_response_status_code="200"}`, Values: monthly(good)},
		{Series: count + `http_response_status_code="500",error_type="500"}`, Values: monthly(failed)},
	}, total, bad
}

// monthly is a counter in promtool's notation.
func monthly(perMinute func(time.Duration) float64) string {
	var parts []string
	value, begun := 0.0, false
	for at := time.Duration(0); at < 30*day; {
		rate, steps := perMinute(at), 0
		for ; at < 30*day && perMinute(at) == rate; at += step {
			steps++
		}
		begun = begun || rate > 0
		if !begun {
			parts = append(parts, fmt.Sprintf("_x%d", steps))
			continue
		}
		parts = append(parts, fmt.Sprintf("%.6f+%.6fx%d", value, rate*step.Minutes(), steps-1))
		value += rate * step.Minutes() * float64(steps)
	}
	return strings.Join(parts, " ")
}

// watched returns the rules of the month: those of the objective, and alerts that tell the pairs of windows apart, and what guides show.
func watched(t *testing.T) (rules.Group, Options) {
	t.Helper()
	o := options(t, names.Options{}, 30*day)
	g := groupsOf(t, o, "availability=99.9%")[0]
	for _, w := range Windows(30 * day) {
		over := func(d time.Duration) string {
			return fmt.Sprintf(`max without (sloth_window) (%s > %g)`, ratioIn(d), w.Factor*nineNine)
		}
		g.Alerts = append(g.Alerts, rules.Alert{Name: text(w.Long) + "/" + text(w.Short), Severity: w.Severity, Expr: over(w.Short) + " and " + over(w.Long)})
	}
	for _, single := range []struct {
		window string
		factor float64
	}{{"2h", 14.4}, {"6h", 6}} {
		g.Alerts = append(g.Alerts, rules.Alert{
			Name: fmt.Sprintf("single %s/%g", single.window, single.factor), Severity: rules.Page,
			Expr: fmt.Sprintf("slo:sli_error:ratio_rate%s > %g", single.window, single.factor*nineNine),
		})
	}
	return g, o
}

// spell is a time in which an alert fires.
type spell struct {
	alert      string
	start, end time.Duration
	as         rulestest.Alert
}

// live evaluates the month and returns every spell, and the two ratios of the whole month: ours and Sloth's.
func live(t *testing.T, rulesFile string, g rules.Group, o Options) (spells []spell, ours, sloths float64) {
	t.Helper()
	series, _, _ := month()
	open := map[string]*spell{}
	s := rulestest.Simulation{Series: series, Interval: step, Every: step, RuleFiles: []string{rulesFile}, End: 30*day - step}
	err := rulestest.Simulate(s, func(at time.Duration, w *rulestest.World) error {
		for _, a := range g.Alerts {
			firing := w.Firing(a.Name)
			switch was := open[a.Name]; {
			case len(firing) > 0 && was == nil:
				open[a.Name] = &spell{alert: a.Name, start: at, as: firing[0]}
			case len(firing) == 0 && was != nil:
				was.end = at
				spells = append(spells, *was)
				delete(open, a.Name)
			}
		}
		if v, err := w.Query(ratioIn(5 * time.Minute)); err != nil {
			return err
		} else if len(v) == 1 {
			sloths += v[0].F / float64(30*day/step)
		}
		if at < s.End {
			return nil
		}
		v, err := w.Query(o.ratioOfPeriod(SLO{Name: "availability"}))
		if err != nil || len(v) != 1 {
			return fmt.Errorf("%v, %w", v, err)
		}
		ours = v[0].F
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(open) > 0 {
		t.Errorf("at the month's end these still fire: %v", open)
	}
	slices.SortFunc(spells, func(a, b spell) int { return int(a.start - b.start) })
	return spells, ours, sloths
}

// TestMonth simulates a month in which each pair of windows should tell of one incident and no other pair should, and prints when people
// heard of it, beside the rules with a single window that guides show.
func TestMonth(t *testing.T) {
	g, o := watched(t)
	dir := t.TempDir()
	file, err := rules.YAML([]rules.Group{g}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), file, 0o644); err != nil {
		t.Fatal(err)
	}
	spells, ours, sloths := live(t, filepath.Join(dir, "rules.yaml"), g, o)
	for _, i := range incidents {
		i.check(t, spells)
	}
	_, total, bad := month()
	t.Logf("the month: %.0f requests, %.0f failed: %.1f %% of the budget; recorded %.1f %%; the mean of five minutes' ratios, as Sloth has it: %.1f %%",
		total, bad, 100*bad/total/nineNine, 100*ours/nineNine, 100*sloths/nineNine)
	if truth := bad / total; math.Abs(ours-truth) > 0.05*truth {
		t.Errorf("%.3g of the requests failed, and %.3g is recorded", truth, ours)
	}
	keep(t, file, spells)
}

// check compares who told of an incident with who should have.
func (i incident) check(t *testing.T, spells []spell) {
	t.Helper()
	found := map[string]string{}
	of := func(alert string) (first *spell) {
		for n, s := range spells {
			if s.alert == alert && s.start >= i.start && s.start < i.start+i.lasts+12*time.Hour && first == nil {
				first = &spells[n]
			}
		}
		return first
	}
	for _, alert := range []string{"1h/5m", "6h/30m", "1d/2h", "3d/6h", "single 2h/14.4", "single 6h/6", BurnFast, BurnSlow} {
		found[alert] = "-"
		if s := of(alert); s != nil {
			found[alert] = fmt.Sprintf("%s, over %s after the end", text(s.start-i.start), ago(s.end-i.start-i.lasts))
		}
	}
	t.Logf("%-38s burn %6.1f for %s", i.name, i.burn, text(i.lasts))
	for _, alert := range []string{"1h/5m", "6h/30m", "1d/2h", "3d/6h", "single 2h/14.4", "single 6h/6"} {
		t.Logf("    %-15s %s", alert, found[alert])
	}
	for _, pair := range []string{"1h/5m", "6h/30m", "1d/2h", "3d/6h"} {
		got, want := of(pair), i.want[pair]
		switch {
		case i.want == nil: // the pairs do notice, and the guard is what keeps it from people
		case (got == nil) != (want == 0):
			t.Errorf("%s: %s: %s; want it after %s", i.name, pair, found[pair], want)
		case got != nil && (got.start-i.start-want).Abs() > max(3*step, want/20):
			t.Errorf("%s: %s: after %s; want it after %s", i.name, pair, got.start-i.start, want)
		}
	}
	page, ticket := i.want["1h/5m"] > 0 || i.want["6h/30m"] > 0, i.want["1d/2h"] > 0 || i.want["3d/6h"] > 0
	if (of(BurnFast) != nil) != page || (of(BurnSlow) != nil) != ticket {
		t.Errorf("%s: page %s, ticket %s; want a page: %t, a ticket: %t", i.name, found[BurnFast], found[BurnSlow], page, ticket)
	}
}

func ago(d time.Duration) string {
	if d < 0 {
		return "-" + text(-d)
	}
	return text(d)
}

// keep holds testdata/month to the month: promtool, in e2e, has to find every spell as it is here. Each alert is looked at when it begins and
// ends, and a step before.
func keep(t *testing.T, ruleFile []byte, spells []spell) {
	t.Helper()
	series, _, _ := month()
	group := rulestest.Group{Name: "a month", Interval: model.Duration(step), InputSeries: series}
	add := func(at time.Duration, name string, expected ...rulestest.Alert) {
		group.AlertRuleTests = append(group.AlertRuleTests, rulestest.AlertTest{EvalTime: model.Duration(at), AlertName: name, Expected: expected})
	}
	for _, s := range spells {
		delete(s.as.Labels, "alertname")
		add(s.start-step, s.alert)
		add(s.start, s.alert, s.as)
		add(s.end, s.alert)
	}
	var test bytes.Buffer
	e := yaml.NewEncoder(&test)
	e.SetIndent(2)
	if err := e.Encode(rulestest.File{RuleFiles: []string{"../rules.yaml"}, EvaluationInterval: model.Duration(step), Tests: []rulestest.Group{group}}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"rules.yaml": ruleFile, "tests/month.yaml": test.Bytes()} {
		path := filepath.Join("testdata", "month", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, content) {
			t.Errorf("%s is not the month (%v): go test ./internal/slo -update", path, err)
		}
	}
}
