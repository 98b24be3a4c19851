package exporter_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter"
)

// pullRig is a pull exit over a Source with one meter.
type pullRig struct {
	*exporter.Pull
	meter metric.Meter

	mu     sync.Mutex
	errors []string
}

func newPull(t *testing.T, edit func(*exporter.PullConfig)) *pullRig {
	t.Helper()
	src, meter := newSource(t)
	r := &pullRig{meter: meter}
	cfg := exporter.PullConfig{
		Source:   src,
		Resource: resource.NewSchemaless(attribute.String("service.name", "shop")),
		ErrorHandler: func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.errors = append(r.errors, err.Error())
		},
	}
	if edit != nil {
		edit(&cfg)
	}
	r.Pull = must(exporter.NewPull(cfg))
	t.Cleanup(func() { shutdown(r) })
	return r
}

// get scrapes with headers given as pairs.
func (r *pullRig) get(method string, headers ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/metrics", nil)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// families scrapes the text format and parses it.
func (r *pullRig) families(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	w := r.get(http.MethodGet)
	if w.Code != http.StatusOK {
		t.Fatalf("scrape answered %d: %s", w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatalf("the scrape does not parse: %v", err)
	}
	return families
}

func TestPullShowsSourceAndGatherers(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "legacy", Help: "h"}, func() float64 { return 7 }))
	fallback := prometheus.NewRegistry()
	for _, name := range []string{"legacy", "only_fallback"} {
		fallback.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: "h"}, func() float64 { return 1 }))
	}
	r := newPull(t, func(c *exporter.PullConfig) {
		c.Gatherers = []prometheus.Gatherer{reg}
		c.Fallback = fallback
		c.Namespace = "acme"
		c.Labels = map[string]string{"region": "eu", "queue": "constant"}
	})
	must(r.meter.Int64Counter("jobs")).Add(t.Context(), 3, metric.WithAttributes(attribute.String("queue", "mail")))

	got := r.families(t)
	for name, want := range map[string]float64{"acme_jobs_total": 3, "legacy": 7, "only_fallback": 1, "target_info": 1} {
		mf := got[name]
		if mf == nil {
			t.Fatalf("no %s among %v", name, got)
		}
		m := mf.Metric[0]
		if v := m.GetCounter().GetValue() + m.GetGauge().GetValue(); v != want {
			t.Errorf("%s is %v, want %v", name, v, want)
		}
		labels := map[string]string{}
		for _, l := range m.Label {
			labels[l.GetName()] = l.GetValue()
		}
		if labels["region"] != "eu" {
			t.Errorf("%s has labels %v, want region=eu", name, labels)
		}
		if name == "acme_jobs_total" && (labels["exported_queue"] != "mail" || labels["queue"] != "constant") {
			t.Errorf("the series' own label is lost: %v", labels)
		}
	}
	if n := r.Stats().Dropped(); n != 0 {
		t.Errorf("%d metrics dropped (%q), want 0", n, r.errors)
	}
}

func TestPullCompresses(t *testing.T) {
	r := newPull(t, nil)
	for i := range 50 { // small answers are not compressed
		must(r.meter.Int64Counter("jobs")).Add(t.Context(), 3, metric.WithAttributes(attribute.Int("i", i)))
	}
	plain := r.get(http.MethodGet).Body.String()
	for encoding, open := range map[string]func(io.Reader) io.Reader{
		"gzip": func(r io.Reader) io.Reader { return must(gzip.NewReader(r)) },
		"zstd": func(r io.Reader) io.Reader { return must(zstd.NewReader(r, zstd.WithDecoderConcurrency(1))) },
	} {
		w := r.get(http.MethodGet, "Accept-Encoding", encoding)
		if got := w.Header().Get("Content-Encoding"); got != encoding {
			t.Errorf("Accept-Encoding %q is answered with %q", encoding, got)
		}
		if got := must(io.ReadAll(open(w.Body))); string(got) != plain {
			t.Errorf("%s answer differs from the plain one:\n%s\n%s", encoding, got, plain)
		}
	}
}

func TestPullRefuses(t *testing.T) {
	hang, entered := make(chan struct{}), make(chan struct{}, 8)
	r := newPull(t, func(c *exporter.PullConfig) { c.MaxInFlight = 1; c.Timeout = time.Minute })
	must(r.meter.Int64ObservableGauge("g", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		entered <- struct{}{}
		<-hang
		return nil
	})))
	if w := r.get(http.MethodPost); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST is answered %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	first := make(chan int)
	go func() { first <- r.get(http.MethodGet).Code }()
	<-entered
	if w := r.get(http.MethodGet); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "1 scrapes are in flight") {
		t.Errorf("over the cap: %d %q", w.Code, w.Body)
	}
	close(hang)
	if code := <-first; code != http.StatusOK {
		t.Errorf("the scrape within the cap is answered %d", code)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w := r.get(http.MethodGet); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "shut down") {
		t.Errorf("F17: after Shutdown: %d %q, want 503", w.Code, w.Body)
	}
}

func TestF4PullHangingCollection(t *testing.T) {
	cases := map[string]func(*testing.T, chan struct{}) *pullRig{
		"callback": func(t *testing.T, hang chan struct{}) *pullRig {
			r := newPull(t, nil)
			must(r.meter.Int64ObservableGauge("g", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				<-hang
				return nil
			})))
			return r
		},
		"collector": func(t *testing.T, hang chan struct{}) *pullRig {
			reg := prometheus.NewRegistry()
			reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "stuck", Help: "h"}, func() float64 { <-hang; return 0 }))
			return newPull(t, func(c *exporter.PullConfig) { c.Gatherers = []prometheus.Gatherer{reg} })
		},
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hang := make(chan struct{})
				defer close(hang)
				checkHangingCollection(t, build(t, hang))
			})
		})
	}
}

// checkHangingCollection measures with a bubble's clock: each wait is as long as it should be, and no longer.
func checkHangingCollection(t *testing.T, r *pullRig) {
	t.Helper()
	begin := time.Now()
	for range 3 {
		w := r.get(http.MethodGet, "X-Prometheus-Scrape-Timeout-Seconds", "0.05")
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "did not end within 45ms") {
			t.Fatalf("got %d %q, want 503 that says why", w.Code, w.Body)
		}
	}
	if took := time.Since(begin); took != 3*45*time.Millisecond {
		t.Errorf("three scrapes took %v, want 45 ms each", took)
	}
	if n := r.Stats().Scrapes["timeout"]; n != 3 {
		t.Errorf("%d timeouts counted, want 3", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin = time.Now()
	_ = r.Shutdown(ctx)
	if took := time.Since(begin); took > 20*time.Millisecond {
		t.Errorf("Shutdown took %v with a deadline of 20 ms", took)
	}
}

func TestPullFilter(t *testing.T) {
	reg := prometheus.NewRegistry()
	for _, name := range []string{"keep_prom", "drop_prom"} {
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "h"}))
	}
	r := newPull(t, func(c *exporter.PullConfig) {
		c.Gatherers = []prometheus.Gatherer{reg}
		c.Filter = func(_, name string) bool { return strings.HasPrefix(name, "keep") }
	})
	for _, name := range []string{"keep.otel", "drop.otel"} {
		must(r.meter.Int64Counter(name)).Add(t.Context(), 1)
	}
	got := r.families(t)
	if len(got) != 3 || got["keep_prom"] == nil || got["keep_otel_total"] == nil || got["target_info"] == nil {
		t.Errorf("got %v, want keep_prom, keep_otel_total and target_info", got)
	}
}

func TestPullScrapesConcurrentSafe(t *testing.T) {
	r := newPull(t, nil)
	c := must(r.meter.Int64Counter("jobs"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 50 {
				c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("worker", i)))
				if j%5 == 0 {
					r.families(t)
				}
			}
		})
	}
	wg.Wait()
	for _, m := range r.families(t)["jobs_total"].Metric {
		if v := m.GetCounter().GetValue(); v != 50 {
			t.Errorf("%v counts %v, want 50", m.Label, v)
		}
	}
}

func TestNewPullWantsASource(t *testing.T) {
	if _, err := exporter.NewPull(exporter.PullConfig{}); err == nil || !strings.Contains(err.Error(), "Source") {
		t.Fatalf("got %v, want an error that names Source", err)
	}
}

func ExamplePull() {
	src := exporter.NewSource(exporter.SourceConfig{})
	defer src.Shutdown(context.Background())
	pull, err := exporter.NewPull(exporter.PullConfig{Source: src})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := httptest.NewRecorder()
	pull.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/metrics", nil))
	fmt.Println(w.Code, w.Header().Get("Allow"))
	// Output: 405 GET, HEAD
}
