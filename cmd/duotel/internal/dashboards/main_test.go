package dashboards

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// setups are the services that every test makes dashboards for: each vocabulary with each kind of histogram, and
// once with all that can be set.
func setups(t *testing.T) map[string]Options {
	t.Helper()
	out := map[string]Options{}
	for _, vocabulary := range []names.Vocabulary{names.Semconv, names.Classic} {
		for _, native := range []bool{false, true} {
			key := fmt.Sprintf("%s, native=%t", vocabulary, native)
			out[key] = Options{Names: mustNames(t, names.Options{HTTP: vocabulary, Native: native})}
			full := Options{
				Names: mustNames(t, names.Options{HTTP: vocabulary, Native: native, Namespace: "shop", Subsystem: "web", Bounds: []float64{0.4}}),
				Job:   "checkout",
				Objectives: []Objective{
					{Target: 0.999},
					{Target: 0.99, Within: 400 * time.Millisecond},
					{Route: `/a"b\{id}`, Target: 0.995, Within: time.Second},
					{Route: "/checkout", Target: 0.9999},
				},
				Own: ownMetrics(),
			}
			out[key+", everything"] = full
		}
	}
	return out
}

// ownMetrics is one of each kind.
func ownMetrics() []Metric {
	return []Metric{
		{Family: "orders_total", Kind: Counter, Description: "Orders.", Labels: []string{"code", "method"}},
		{Family: "order_bytes_total", Kind: Counter, Unit: "By"},
		{Family: "queue_length", Kind: UpDown, Unit: "{order}", Labels: []string{"queue"}},
		{Family: "temperature_celsius", Kind: Gauge, Unit: "Cel", Labels: []string{"room"}},
		{Family: "order_duration_seconds", Kind: Histogram, Unit: "s", Labels: []string{"handler"}},
		{Family: "batch_seconds", Kind: Summary, Unit: "s", Labels: []string{"batch"}},
		{Family: "legacy_duration_seconds", Kind: Histogram, Unit: "s", Classic: true},
	}
}

func mustNames(t *testing.T, o names.Options) names.Names {
	t.Helper()
	n, err := names.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mustDashboards makes the dashboards or fails.
func mustDashboards(t *testing.T, o Options) []Dashboard {
	t.Helper()
	ds, err := Dashboards(o)
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// board is as much of a dashboard's JSON as the tests look at.
type board struct {
	UID           string   `json:"uid"`
	Title         string   `json:"title"`
	SchemaVersion int      `json:"schemaVersion"`
	Tags          []string `json:"tags"`
	Panels        []boardPanel
	Templating    struct{ List []boardVariable }
}

type boardVariable struct {
	Name, Label, Type, Query string
	Refresh                  int
	Multi                    bool
	AllValue                 string
	Datasource               struct{ UID string }
}

type boardPanel struct {
	ID            uint32
	Type          string
	PluginVersion string
	Title         string
	Description   string
	Datasource    struct{ Type, UID string }
	GridPos       struct{ X, Y, W, H int }
	Links         []struct{ Title, URL string }
	Targets       []struct {
		RefID, Expr, LegendFormat, Format string
		Exemplar, Range, Instant          bool
		Datasource                        struct{ UID string }
	}
	FieldConfig struct {
		Defaults struct {
			Unit       string
			Thresholds struct {
				Steps []struct {
					Value *float64
					Color string
				}
			}
		}
	}
}

// decode reads a dashboard's JSON.
func decode(t *testing.T, d Dashboard) board {
	t.Helper()
	var b board
	if err := json.Unmarshal(d.JSON, &b); err != nil {
		t.Fatalf("%s: %v", d.File, err)
	}
	return b
}

// panels are those of a board that are no headings.
func (b board) panels() []boardPanel {
	var out []boardPanel
	for _, p := range b.Panels {
		if p.Type != "row" {
			out = append(out, p)
		}
	}
	return out
}

// write is where tools/dashboard-types looks for the dashboards of every setup.
var write = flag.String("write", "", "a folder to write the dashboards of every setup to")

// TestWrite writes the dashboards of every setup to files, for a check by other tools.
func TestWrite(t *testing.T) {
	dir := *write
	if dir == "" {
		dir = t.TempDir()
	}
	setup := 0
	for _, key := range slices.Sorted(maps.Keys(setups(t))) {
		setup++
		for _, d := range mustDashboards(t, setups(t)[key]) {
			name := filepath.Join(dir, fmt.Sprintf("%d-%s", setup, d.File))
			if err := os.WriteFile(name, d.JSON, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*-service.json"))
	if err != nil || len(files) != setup {
		t.Errorf("%d files of %d setups: %v", len(files), setup, err)
	}
}
