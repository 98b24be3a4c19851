package slo

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

var update = flag.Bool("update", false, "write testdata")

var variants = map[string]names.Options{
	"semconv":        {Bounds: []float64{0.3}},
	"semconv-native": {Native: true, Bounds: []float64{0.3}},
	"classic":        {HTTP: names.Classic, Namespace: "shop"},
	"classic-native": {HTTP: names.Classic, Native: true},
}

// stored are the variants that are in testdata, where promtool tests them too.
var stored = []string{"semconv", "classic-native"}

func options(t *testing.T, o names.Options, period time.Duration) Options {
	t.Helper()
	n, err := names.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return Options{Options: rules.Options{Names: n, Job: "shop"}, Period: period}
}

func groupsOf(t *testing.T, o Options, objectives ...string) []rules.Group {
	t.Helper()
	var all []SLO
	for _, text := range objectives {
		objective, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		s, err := objective.SLO(o.Options)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	groups, err := Groups(o, all...)
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

// objectives are those of the tests: of each kind, with and without a route.
var objectives = []string{"availability=99.9%", "latency=99% < 300ms", "latency(/checkout)=99.5% < 1s"}

// write renders a rule file for each objective, because their alerts have the same names, and their unit tests into dir.
func write(t *testing.T, dir string, groups []rules.Group) {
	t.Helper()
	files := map[string][]byte{}
	for pair := range slices.Chunk(groups, 2) {
		g, name := pair[0], strings.TrimPrefix(pair[0].Name, "duotel-slo-")
		var err error
		if files[name+".yaml"], err = rules.YAML(pair, ""); err != nil {
			t.Fatal(err)
		}
		for _, a := range g.Alerts {
			if files[fmt.Sprintf("tests/%s-%s.yaml", name, a.Name)], err = a.Test("../"+name+".yaml", ""); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAlerts runs the unit tests of every objective's alerts, in each vocabulary and kind of histogram.
func TestAlerts(t *testing.T) {
	for _, variant := range slices.Sorted(maps.Keys(variants)) {
		dir := t.TempDir()
		write(t, dir, groupsOf(t, options(t, variants[variant], 0), objectives...))
		tests, err := filepath.Glob(filepath.Join(dir, "tests", "*.yaml"))
		if err != nil || len(tests) != 2*len(objectives) {
			t.Fatalf("%d tests, error %v; want two for each objective", len(tests), err)
		}
		for _, test := range tests {
			t.Run(variant+"/"+filepath.Base(test), func(t *testing.T) {
				if err := rulestest.Run(test); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestStored holds testdata to what is rendered. The files there are tested by promtool itself, in e2e.
func TestStored(t *testing.T) {
	for _, variant := range stored {
		want := filepath.Join("testdata", variant)
		groups := groupsOf(t, options(t, variants[variant], 0), objectives...)
		if *update {
			if err := os.RemoveAll(want); err != nil {
				t.Fatal(err)
			}
			write(t, want, groups)
		}
		got := t.TempDir()
		write(t, got, groups)
		if !maps.EqualFunc(tree(t, got), tree(t, want), bytes.Equal) {
			t.Errorf("%s differs from what is rendered: go test ./internal/slo -update", want)
		}
	}
}

func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, pattern := range []string{"*.yaml", "tests/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if out[strings.TrimPrefix(file, dir)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// condition finds the windows and thresholds in an alert's expression.
var condition = regexp.MustCompile(`slo:sli_error:ratio_rate(\w+)\{[^}]*\} > \(([\d.]+) \* ([\d.]+)\)`)

// numbers returns windows and factors of an expression, in the order they are in.
func numbers(t *testing.T, expr string) (out []string) {
	t.Helper()
	for _, m := range condition.FindAllStringSubmatch(strings.Join(strings.Fields(expr), " "), -1) {
		if budget, _ := strconv.ParseFloat(m[3], 64); budget != 0.001 {
			t.Errorf("budget %s; want 0.001", m[3])
		}
		out = append(out, m[1]+" "+m[2])
	}
	return out
}

// TestNumbers compares the conditions with the table of the Site Reliability Workbook for 30 days, and with what it is scaled to for
// others.
func TestNumbers(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		period time.Duration
		want   string // short window, long window and factor, page first
	}{
		{30 * day, "5m 14.4, 1h 14.4, 30m 6, 6h 6, 2h 3, 1d 3, 6h 1, 3d 1"},
		{28 * day, "5m 13.44, 1h 13.44, 30m 5.6, 6h 5.6, 2h 2.8, 1d 2.8, 6h 0.933333333333, 3d 0.933333333333"},
		{7 * day, "5m 3.36, 1h 3.36, 30m 1.4, 6h 1.4, 2h 1, 1d 1, 6h 1, 3d 1"},
	} {
		group := groupsOf(t, options(t, names.Options{}, c.period), "availability=99.9%")[0]
		var got []string
		for _, a := range group.Alerts {
			got = append(got, numbers(t, a.Expr)...)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.period, text, c.want)
		}
		for _, w := range Windows(c.period) {
			t.Logf("%2.0f d: %-6s %-3s and %-3s at %5.2f: %4.1f %% of the budget", c.period.Hours()/24, w.Severity,
				text(w.Long), text(w.Short), w.Factor, 100*w.Share(c.period))
		}
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		text, name string
		want       Objective
	}{
		{"availability=99.9%", "availability", Objective{Target: 99.9}},
		{"availability(/items/{id})=99%", "availability-items-id", Objective{Route: "/items/{id}", Target: 99}},
		{"latency=99% < 300ms", "latency-300ms", Objective{Target: 99, Threshold: 300 * time.Millisecond}},
		{" latency(/checkout) = 99.5%<1s ", "latency-checkout-1s", Objective{Route: "/checkout", Target: 99.5, Threshold: time.Second}},
		{"latency(/a(b))=99%<2.5s", "latency-a-b-2.5s", Objective{Route: "/a(b)", Target: 99, Threshold: 2500 * time.Millisecond}},
	} {
		got, err := Parse(c.text)
		if err != nil || got != c.want || got.Name() != c.name {
			t.Errorf("%s: %+v called %s, error %v; want %+v called %s", c.text, got, got.Name(), err, c.want, c.name)
		}
		if again, err := Parse(got.String()); err != nil || again != got {
			t.Errorf("%s is written %s and read as %+v, error %v", c.text, got, again, err)
		}
	}
}

func TestBadObjectives(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "not an objective"},
		{"99.9%", "not an objective"},
		{"uptime=99.9%", `"uptime"`},
		{"availability=99.9", `"99.9"`},
		{"availability=much%", `"much%"`},
		{"availability=100%", `"100%"`},
		{"availability=NaN%", `"NaN%"`},
		{"availability=50%", "90%"},
		{"availability=99.9% < 1s", "no threshold"},
		{"availability()=99.9%", "route"},
		{"latency=99%", "without a threshold"},
		{"latency=99% <", "without a threshold"},
		{"latency=99% < 300", `"300"`},
		{"latency=99% < -1s", `"-1s"`},
		{"latency({{x}})=99% < 1s", `"{{x}}"`},
	} {
		_, err := Parse(c.text)
		for _, w := range []string{fmt.Sprintf("slo=%q", c.text), c.want, "latency=99% < 300ms"} {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v; want one that says %s", c.text, err, w)
			}
		}
	}
}

// TestThresholdIsABound: what is within a threshold is counted, never guessed, and the error says what to set.
func TestThresholdIsABound(t *testing.T) {
	for _, o := range []names.Options{{}, {HTTP: names.Classic}, {Native: true}} {
		objective, err := Parse("latency=99% < 400ms")
		if err != nil {
			t.Fatal(err)
		}
		_, err = objective.SLO(options(t, o, 0).Options)
		for _, w := range []string{"latency=99% < 400ms", "METRICS_HTTP_DURATION_BOUNDS=400ms", "100ms, ", "5s"} {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: error %v; want one that says %s", o, err, w)
			}
		}
		o.Bounds = []float64{0.4}
		if _, err = objective.SLO(options(t, o, 0).Options); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestPeriod(t *testing.T) {
	for text, days := range map[string]float64{"": 30, "30d": 30, "4w": 28, "7d": 7, "90d": 90} {
		if got, err := ParsePeriod(text); err != nil || got.Hours() != 24*days {
			t.Errorf("%q: %v, error %v; want %v days", text, got, err, days)
		}
	}
	for _, text := range []string{"30", "6d", "1h", "93d", "7d1h", "-7d", "month"} {
		if _, err := ParsePeriod(text); err == nil || !strings.Contains(err.Error(), strconv.Quote(text)) || !strings.Contains(err.Error(), "7d to 92d") {
			t.Errorf("%q: error %v; want one that says it and what is allowed", text, err)
		}
	}
}

func TestTwoOfAName(t *testing.T) {
	o := options(t, names.Options{}, 0)
	a, _ := Objective{Target: 99}.SLO(o.Options)
	if _, err := Groups(o, a, a); err == nil || !strings.Contains(err.Error(), `"availability"`) {
		t.Errorf("error %v; want one that says the name", err)
	}
}
