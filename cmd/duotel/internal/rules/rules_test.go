package rules

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

var update = flag.Bool("update", false, "write testdata")

// variants are the services that the rules are rendered for: each vocabulary, each kind of histogram, and a prefix.
var variants = map[string]names.Options{
	"semconv":        {},
	"semconv-native": {Native: true},
	"classic":        {HTTP: names.Classic, Namespace: "shop"},
	"classic-native": {HTTP: names.Classic, Native: true},
}

// stored are the variants that are in testdata, where promtool tests them too.
var stored = []string{"semconv", "classic-native"}

func groupsOf(t *testing.T, o names.Options) []Group {
	t.Helper()
	n, err := names.New(o)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := Groups(Options{Names: n, Job: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return groups
}

func alertsOf(groups []Group) (out []Alert) {
	for _, g := range groups {
		out = append(out, g.Alerts...)
	}
	return out
}

// write renders the rules and the unit test of every alert into dir.
func write(t *testing.T, dir string, groups []Group) {
	t.Helper()
	files := map[string][]byte{}
	var err error
	if files["rules.yaml"], err = YAML(groups, ""); err != nil {
		t.Fatal(err)
	}
	for _, a := range alertsOf(groups) {
		if files["tests/"+a.Name+".yaml"], err = a.Test("../rules.yaml", ""); err != nil {
			t.Fatal(err)
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

// TestAlerts runs the two cases of every alert, in each vocabulary and kind of histogram, with Prometheus's own rule manager.
func TestAlerts(t *testing.T) {
	tested := map[string]bool{} // most alerts are the same in every variant
	for _, variant := range slices.Sorted(maps.Keys(variants)) {
		groups := groupsOf(t, variants[variant])
		dir := t.TempDir()
		write(t, dir, groups)
		for _, a := range alertsOf(groups) {
			test, err := a.Test("", "")
			if err != nil {
				t.Fatal(err)
			}
			key := a.Expr + string(test)
			if tested[key] {
				continue
			}
			tested[key] = true
			t.Run(variant+"/"+a.Name, func(t *testing.T) {
				if err := rulestest.Run(filepath.Join(dir, "tests", a.Name+".yaml")); err != nil {
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
		if *update {
			if err := os.RemoveAll(want); err != nil {
				t.Fatal(err)
			}
			write(t, want, groupsOf(t, variants[variant]))
		}
		got := t.TempDir()
		write(t, got, groupsOf(t, variants[variant]))
		if g, w := tree(t, got), tree(t, want); !maps.EqualFunc(g, w, bytes.Equal) {
			for name := range g {
				if !bytes.Equal(g[name], w[name]) {
					t.Errorf("%s/%s differs: go test ./internal/rules -update", want, name)
				}
			}
			for name := range w {
				if g[name] == nil {
					t.Errorf("%s/%s is left over: go test ./internal/rules -update", want, name)
				}
			}
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
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(dir, file)
			out[name] = content
		}
	}
	return out
}

// TestNeeds shows that needs are followed through recording rules to the page.
func TestNeeds(t *testing.T) {
	groups := groupsOf(t, names.Options{})
	for _, c := range []struct{ rule, metric, labels string }{
		{"HTTPErrorRateHigh", "http_server_request_duration_seconds_count", "error_type job"},
		{"HTTPRequestsSlow", "http_server_request_duration_seconds_bucket", "job le"},
		{"CardinalityLimitReached", "duotel_cardinality_limit", "instance instrument job scope"},
		{"PushesStale", "process_start_time_seconds", "instance job"},
	} {
		needs, err := Needs(groups, c.rule)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(needs, func(n Need) bool { return n.Metric == c.metric })
		if i < 0 || strings.Join(needs[i].Labels, " ") != c.labels {
			t.Errorf("%s needs %v; want %s with %s", c.rule, needs, c.metric, c.labels)
		}
	}
	if _, err := Needs(groups, "Nothing"); err == nil || !strings.Contains(err.Error(), `"Nothing"`) || !strings.Contains(err.Error(), "TargetDown") {
		t.Errorf("error %v; want one that says Nothing and what there is", err)
	}
}

func TestJobIsRequired(t *testing.T) {
	n, _ := names.New(names.Options{})
	if _, err := Groups(Options{Names: n}); err == nil || !strings.Contains(err.Error(), `job=""`) {
		t.Errorf("error %v; want one that says job", err)
	}
}

// TestCatalogue holds every alert to what the package promises.
func TestCatalogue(t *testing.T) {
	seen := map[string]bool{}
	for variant, o := range variants {
		for _, a := range alertsOf(groupsOf(t, o)) {
			if seen[variant+a.Name] {
				t.Errorf("%s: there are two", a.Name)
			}
			seen[variant+a.Name] = true
			if a.Summary == "" || a.Description == "" || !strings.Contains(a.Summary, "$labels") && !strings.Contains(a.Summary, "shop") {
				t.Errorf("%s: summary %q, description %q; want both, and who it is about", a.Name, a.Summary, a.Description)
			}
			if a.Severity != Page && a.Severity != Ticket {
				t.Errorf("%s: severity %q", a.Name, a.Severity)
			}
			if strings.Contains(a.Expr, "quantile") {
				t.Errorf("%s: fires on a quantile: %s", a.Name, a.Expr)
			}
		}
	}
}
