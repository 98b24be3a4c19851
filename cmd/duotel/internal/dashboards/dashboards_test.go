package dashboards

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestSame shows that the same options give the same bytes, so that a second run of the generator changes nothing.
func TestSame(t *testing.T) {
	for setup, o := range setups(t) {
		first, second := mustDashboards(t, o), mustDashboards(t, o)
		for i := range first {
			if !bytes.Equal(first[i].JSON, second[i].JSON) {
				t.Errorf("%s: %s differs from one run to the next", setup, first[i].File)
			}
			if !bytes.HasSuffix(first[i].JSON, []byte("}\n")) {
				t.Errorf("%s: %s does not end with a line feed", setup, first[i].File)
			}
		}
	}
}

// TestSchema reads every dashboard strictly into the SDK's types: no field that Grafana does not know.
func TestSchema(t *testing.T) {
	for setup, o := range setups(t) {
		for _, d := range mustDashboards(t, o) {
			var strict dashboard.Dashboard
			if err := strict.UnmarshalJSONStrict(d.JSON); err != nil && fmt.Sprint(err) != "" {
				t.Errorf("%s: %s: %v", setup, d.File, err)
			}
		}
	}
}

// TestIDs holds the ids of panels to those that were given before, because links and screenshots have them: testdata/panels.txt.
// A panel that is gone leaves its id unused.
func TestIDs(t *testing.T) {
	var got strings.Builder
	seen := map[string]string{}
	for _, setup := range []string{"semconv, native=false, everything", "classic, native=true, everything"} {
		for _, d := range mustDashboards(t, setups(t)[setup]) {
			used := map[uint32]string{}
			for _, p := range decode(t, d).Panels {
				if used[p.ID] != "" || p.ID == 0 {
					t.Errorf("%s: %s: id %d is %q and %q", setup, d.File, p.ID, used[p.ID], p.Title)
				}
				used[p.ID] = p.Title
				if p.Type == "row" {
					continue
				}
				key := fmt.Sprintf("%s %d", d.File, p.ID)
				if old, ok := seen[key]; !ok {
					fmt.Fprintf(&got, "%s %s\n", key, p.Title)
				} else if old != p.Title {
					t.Errorf("%s is %q in one vocabulary and %q in another", key, old, p.Title)
				}
				seen[key] = p.Title
			}
		}
	}
	if *update {
		if err := os.WriteFile("testdata/panels.txt", []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/panels.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("the panels are not those of testdata/panels.txt; -update writes them when the change is meant:\n%s", got.String())
	}
}

// TestOwnIDsStay shows that a metric that is new in a contract moves the ids of no other.
func TestOwnIDsStay(t *testing.T) {
	o := setups(t)["semconv, native=false, everything"]
	o.Own = ownMetrics()
	before := titles(t, o)
	o.Own = append([]Metric{{Family: "a_new_one_total", Kind: Counter}}, o.Own...)
	after := titles(t, o)
	for id, title := range before {
		if after[id] != title {
			t.Errorf("panel %d was %q and is %q", id, title, after[id])
		}
	}
	if len(after) != len(before)+2 { // a row and a panel
		t.Errorf("%d panels and rows; want %d", len(after), len(before)+2)
	}
}

func titles(t *testing.T, o Options) map[uint32]string {
	t.Helper()
	out := map[uint32]string{}
	for _, d := range mustDashboards(t, o) {
		if d.File != "own.json" {
			continue
		}
		for _, p := range decode(t, d).Panels {
			out[p.ID] = p.Type + " " + p.Title
		}
	}
	return out
}

// TestLayout shows that no two panels overlap and none is wider than the page, and that every panel has a version.
func TestLayout(t *testing.T) {
	for setup, o := range setups(t) {
		for _, d := range mustDashboards(t, o) {
			b := decode(t, d)
			taken := map[[2]int]string{}
			for _, p := range b.Panels {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
						if other := taken[[2]int{x, y}]; other != "" || x >= columns {
							t.Fatalf("%s: %s: %q is over %q or the edge at %d,%d", setup, d.File, p.Title, other, x, y)
						}
						taken[[2]int{x, y}] = p.Title
					}
				}
				if p.Type != "row" && p.PluginVersion == "" {
					t.Errorf("%s: %s: %q has no plugin version", setup, d.File, p.Title)
				}
			}
			if b.SchemaVersion == 0 || b.UID == "" || len(b.UID) > maxUID || d.UID != b.UID || d.Title != b.Title {
				t.Errorf("%s: %s: schema %d, uid %q of %q, title %q of %q", setup, d.File, b.SchemaVersion, b.UID, d.UID, b.Title, d.Title)
			}
		}
	}
}

// TestLinks shows that an alert leads from a panel to its list and to its section in the runbooks.
func TestLinks(t *testing.T) {
	anchor := regexp.MustCompile(`^https://runbooks\.example/all#[a-z]+$`)
	o := Options{Names: mustNames(t, names.Options{}), Runbooks: "https://runbooks.example/all"}
	linked := 0
	for _, d := range mustDashboards(t, o) {
		for _, p := range decode(t, d).panels() {
			for i := 0; i < len(p.Links); i += 2 {
				linked++
				name := strings.TrimPrefix(p.Links[i].Title, "Alert ")
				if p.Links[i].URL != "/alerting/list?search="+name {
					t.Errorf("%q: %+v", p.Title, p.Links[i])
				}
				if url := p.Links[i+1].URL; !anchor.MatchString(url) || !strings.HasSuffix(url, "#"+strings.ToLower(name)) {
					t.Errorf("%q: %+v", p.Title, p.Links[i+1])
				}
			}
		}
	}
	if linked < 20 {
		t.Errorf("%d alerts are linked from panels; want the kit's", linked)
	}
}

// TestObjectives shows that what was promised is where the colours change.
func TestObjectives(t *testing.T) {
	o := Options{Names: mustNames(t, names.Options{Bounds: []float64{0.4}}), Objectives: []Objective{
		{Target: 0.999}, {Target: 0.99, Within: 400 * time.Millisecond}, {Target: 0.95, Within: time.Second}, {Route: "/x", Target: 0.5, Within: time.Second},
	}}
	want := map[string]float64{
		"Failed requests": 0.001, "Share of failed requests by route": 0.001, "99th percentile": 0.4, "Duration": 0.4,
		"Requests that did not fail": 0.999, "Requests within 400ms": 0.99, "Requests within 1s": 0.95, "Requests of /x within 1s": 0.5,
	}
	for _, p := range decode(t, mustDashboards(t, o)[0]).panels() {
		bound, ok := want[p.Title]
		if !ok {
			continue
		}
		delete(want, p.Title)
		steps := p.FieldConfig.Defaults.Thresholds.Steps
		if len(steps) != 2 || steps[0].Value != nil || steps[1].Value == nil || *steps[1].Value != bound {
			t.Errorf("%q: steps %+v; want the second from %v", p.Title, steps, bound)
		}
	}
	for title := range want {
		t.Errorf("no panel %q", title)
	}
}

// TestExemplars shows that what is slow leads to traces.
func TestExemplars(t *testing.T) {
	for _, p := range decode(t, mustDashboards(t, setups(t)["semconv, native=false"])[0]).panels() {
		want := p.Title == "99th percentile" || p.Title == "Duration" || p.Title == "99th percentile by route" || p.Title == "Durations" || p.Title == "Lifetime of streams"
		for _, q := range p.Targets {
			if q.Exemplar != want {
				t.Errorf("%q: exemplars %t; want %t", p.Title, q.Exemplar, want)
			}
		}
	}
}

func TestUID(t *testing.T) {
	for job, want := range map[string]string{
		"":         "duotel-service",
		"checkout": "checkout-service",
		"a/b":      "a-b-3a8e9cd1-service",
		"a-very-long-name-of-a-job-that-does-not-fit": "",
	} {
		got := Options{Job: job}.uid("service")
		if len(got) > maxUID || want != "" && got != want {
			t.Errorf("job %q: uid %q; want %q", job, got, want)
		}
	}
	if a, b := (Options{Job: "a/b"}).uid("own"), (Options{Job: "a-b"}).uid("own"); a == b {
		t.Errorf("two jobs have the uid %q", a)
	}
}

func TestBadOptions(t *testing.T) {
	n := mustNames(t, names.Options{})
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{}, []string{"names", "names.New"}},
		{Options{Names: n, Objectives: []Objective{{Target: 99.9}}}, []string{"99.9", "0.999"}},
		{Options{Names: n, Objectives: []Objective{{Target: 0}}}, []string{"target=0", "0.999"}},
		{Options{Names: n, Objectives: []Objective{{Target: 0.9, Within: -time.Second}}}, []string{"-1s", "0 and more"}},
		{Options{Names: n, Own: []Metric{{Family: "a.b", Kind: Counter}}}, []string{`"a.b"`, "letters"}},
		{Options{Names: n, Own: []Metric{{Family: "a", Kind: "meter"}}}, []string{`"meter"`, "counter", "histogram"}},
		{Options{Names: n, Own: []Metric{{Family: "a", Kind: Gauge, Labels: []string{"1st"}}}}, []string{`"1st"`, "digit"}},
	} {
		_, err := Dashboards(c.o)
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("error %v; want one that says %s", err, w)
			}
		}
	}
}
