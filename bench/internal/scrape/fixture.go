package scrape

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
)

// kind is what the series are.
type kind string

const (
	counters   kind = "counters"
	histograms kind = "histograms"
)

// bounds has 14 buckets, those of request durations in the semantic conventions; values has one
// measurement for each of them.
var (
	bounds = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	values = []float64{.0031, .0072, .018, .031, .061, .081, .21, .41, .61, .91, 2.1, 4.1, 7.1, 9.1}
)

// labelNames are what every series has.
var labelNames = []string{"method", "route", "tenant"}

// labelValues are those of the i-th series.
func labelValues(i int) []string {
	return []string{[]string{"GET", "POST", "PUT", "DELETE"}[i%4], fmt.Sprintf("/items/{id}/part%d", i%97), fmt.Sprintf("tenant-%06d", i)}
}

// attributes are the labels of the i-th series for OpenTelemetry.
func attributes(i int) attribute.Set {
	v := labelValues(i)
	kvs := make([]attribute.KeyValue, len(v))
	for n, name := range labelNames {
		kvs[n] = attribute.String(name, v[n])
	}
	return attribute.NewSet(kvs...)
}

// adding measures the first n series, and a tenth as many new ones with every call of the function returned.
func adding(n int, measure func(i int)) (add func()) {
	next := 0
	more := func(n int) {
		for range n {
			measure(next)
			next++
		}
	}
	more(n)
	return func() { more(n / 10) }
}

// runtimeRegistry has the collectors that every page of a real service shows; Duotel's has them by
// itself.
func runtimeRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// sink is a client that reads at once and keeps nothing.
type sink struct {
	header http.Header
	status int
	bytes  int
}

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(code int) { s.status = code }

func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

// scraper returns a function that asks h for the page as text 0.0.4, uncompressed, and gives its size.
func scraper(h http.Handler) func() int {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	return func() int {
		w := &sink{header: http.Header{}, status: http.StatusOK}
		h.ServeHTTP(w, r)
		if w.status != http.StatusOK {
			panic(fmt.Sprintf("scrape: a page was answered %d", w.status))
		}
		return w.bytes
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
