// Package metricdocs compares docs/metrics.yaml, Duotel's own contract, and docs/metrics.md, whose tables are made from it, with what a
// service really sends and shows.
package metricdocs

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is one metric of a table whose columns have the names of the keys.
type row map[string]string

// documented returns the metrics of docs/metrics.md by name.
func documented(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	var header []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case !strings.HasPrefix(line, "|"):
			header = nil
		case header == nil:
			header = cells
		case header[0] == "name" && strings.HasPrefix(cells[0], "`"):
			r := row{}
			for i, cell := range cells {
				r[header[i]] = cell
			}
			rows[quoted(cells[0])] = r
		}
	}
	return rows
}

// quoted is the first thing between backquotes, or empty.
func quoted(cell string) string {
	parts := strings.SplitN(cell, "`", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// service runs a service that has done everything once, and returns what arrived at its backend and
// its scrape.
func service(t *testing.T) ([]telemetrytest.Series, string) {
	t.Helper()
	limit := debug.SetMemoryLimit(1 << 40) // go.memory.limit is there only where one is set
	t.Cleanup(func() { debug.SetMemoryLimit(limit) })
	backend := telemetrytest.NewBackend(t)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("ETag", `"1"`) }))
	t.Cleanup(registry.Close)
	sdk, err := telemetry.New(t.Context(), telemetry.Config{
		ServiceName: "documented",
		Push:        telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Interval: time.Hour},
		Discovery:   telemetry.DiscoveryConfig{URL: registry.URL, Address: registry.Listener.Addr().String()},
	}, telemetry.WithLogger(slog.New(slog.DiscardHandler)), telemetry.WithCardinalityLimit(full))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sdk.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	work(t, sdk)
	for sdk.Status().Discovery.LastSuccess.IsZero() && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if err := backend.WaitFor(t.Context(), 1); err != nil { // the preflight, which takes an answer too
		t.Fatal(err)
	}
	backend.Script(telemetrytest.Status(http.StatusBadRequest))
	if err := sdk.ForceFlush(t.Context()); err == nil {
		t.Error("a refused push was reported as a success")
	}
	for range 2 { // what a push says about itself is in the next
		if err := sdk.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	page := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if page.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s", page.Code, page.Body)
	}
	return backend.Series(), page.Body.String()
}

// full brings one instrument to its limit with its first series.
func full(i sdkmetric.Instrument) int {
	if i.Name == "http.server.request.duration" {
		return 1
	}
	return 0
}

// work streams one response to one client, which is all that the HTTP metrics need.
func work(t *testing.T, sdk *telemetry.SDK) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(sdk.Middleware(mux))
	defer server.Close()
	base := new(http.Transport)
	defer base.CloseIdleConnections()
	res, err := (&http.Client{Transport: sdk.Transport(base)}).Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestMetricsDoc(t *testing.T) {
	rows := documented(t)
	if len(rows) < 25 {
		t.Fatalf("%d metrics read from docs/metrics.md: %v", len(rows), slices.Sorted(maps.Keys(rows)))
	}
	series, page := service(t)
	checkContract(t, series)
	sent := map[string]telemetrytest.Series{}
	for _, s := range series {
		sent[s.Name] = s
	}
	for name, s := range sent {
		r, ok := rows[name]
		if !ok {
			t.Errorf("%s is sent and not documented", s)
			continue
		}
		if r["unit"] != s.Unit {
			t.Errorf("%s: documented unit %q; sent with %q", name, r["unit"], s.Unit)
		}
		if kind := kindOf(s); r["kind"] != kind && !strings.HasPrefix(r["kind"], kind+",") {
			t.Errorf("%s: documented as %q; sent as %q", name, r["kind"], kind)
		}
		if bounds := r["buckets"]; bounds != "" && bounds != "the same" && strings.Count(bounds, ",")+1 != len(s.Bounds) {
			t.Errorf("%s: documented buckets %s; sent with %v", name, bounds, s.Bounds)
		}
	}
	shown := families(page)
	for name, r := range rows {
		if _, ok := sent[name]; !ok {
			t.Errorf("%s is documented and not sent", name)
		}
		if family, ok := r["at the pull exit"]; ok && !shown[quoted(family)] {
			t.Errorf("%s is documented as %s and not in the scrape", name, family)
		}
		delete(shown, quoted(r["at the pull exit"]))
	}
	for name := range shown {
		t.Errorf("%s is in the scrape and not documented", name)
	}
}

// TestRuntimeDoc looks for the families of client_golang that the text names.
func TestRuntimeDoc(t *testing.T) {
	_, page := service(t)
	for _, name := range []string{
		"go_goroutines", "go_gc_duration_seconds", "go_info", "go_memstats_alloc_bytes", "go_build_info",
		"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds",
		"process_start_time_seconds", "target_info",
	} {
		if !strings.Contains(page, "\n# TYPE "+name+" ") && !strings.HasPrefix(page, "# TYPE "+name+" ") {
			t.Errorf("%s is not in the scrape", name)
		}
	}
}

func kindOf(s telemetrytest.Series) string {
	switch {
	case s.Kind == telemetrytest.KindSum && s.Monotonic:
		return "counter"
	case s.Kind == telemetrytest.KindSum:
		return "up-down counter"
	default:
		return string(s.Kind)
	}
}

// families returns the names of the page's families but for those of client_golang's collectors.
func families(page string) map[string]bool {
	shown := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(page, -1) {
		name := match[1]
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") && name != "target_info" {
			shown[name] = true
		}
	}
	return shown
}
