package exporter_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestPullMeasuresItself compares what a scrape says of itself with the scrape.
func TestPullMeasuresItself(t *testing.T) {
	for format, accept := range accepts {
		bubble(t, format, func(t *testing.T) {
			r := newPull(t, func(c *exporter.PullConfig) {
				c.Gatherers = []prometheus.Gatherer{registry([]string{"disk", "net"})}
				c.WithoutCreated = true // lines of a series, and no series
			})
			r.slow(30 * time.Millisecond)
			for i := range 5 {
				must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
				must(r.meter.Float64Histogram("took")).Record(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
			}
			total := int64(0)
			for range 3 {
				must(r.meter.Int64Counter("more")).Add(t.Context(), 1, metric.WithAttributes(attribute.Int64("total", total)))
				w := r.get(http.MethodGet, "Accept", accept, "Accept-Encoding", "gzip")
				page := string(must(io.ReadAll(must(gzip.NewReader(w.Body)))))
				total += int64(len(page))
				families := must(parsed(accept, page))
				series := 0
				for _, mf := range families {
					series += len(mf.Metric)
				}
				s := r.Stats()
				if s.LastDuration != 30*time.Millisecond || s.LastBytes != int64(len(page)) || s.Bytes != total || s.LastSeries != int64(series) || series < 15 {
					t.Errorf("a scrape of 30 ms, %d bytes of %d in all and %d series says %+v", len(page), total, series, s)
				}
			}
			if n := r.Stats().Scrapes["ok"]; n != 3 {
				t.Errorf("%d scrapes counted, want 3", n)
			}
		})
	}
}

// slow adds a callback that takes its time.
func (r *pullRig) slow(d time.Duration) {
	must(r.meter.Int64ObservableGauge("slow", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		time.Sleep(d) // of a bubble's clock
		o.Observe(1)
		return nil
	})))
}

// TestScrapeTimeoutHeader waits as long as a scraper allows, and no longer than a minute.
func TestScrapeTimeoutHeader(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"1": 900 * time.Millisecond, "30": 29500 * time.Millisecond, "3600": 59500 * time.Millisecond, "1e300": 59500 * time.Millisecond,
		"+Inf": 59500 * time.Millisecond, "": 10 * time.Second, "0": 10 * time.Second, "-1": 10 * time.Second, "NaN": 10 * time.Second, "soon": 10 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newPull(t, nil)
			r.slow(time.Hour)
			begin := time.Now()
			w := r.get(http.MethodGet, "X-Prometheus-Scrape-Timeout-Seconds", header)
			if took := time.Since(begin); took != want || w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), want.String()) {
				t.Errorf("%q is answered after %v, want %v: %d %s", header, took, want, w.Code, w.Body)
			}
			time.Sleep(time.Hour) // the callback returns
		})
	}
}
