package scrape

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newPrometheus is client_golang behind promhttp.
func newPrometheus(name string, k kind, n int) page {
	registry := runtimeRegistry()
	h := promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true})
	p := page{name: name, scrape: scraper(h), close: func() {}}
	if k == histograms {
		p.change = prometheusHistograms(registry, n)
	} else {
		p.change = prometheusCounters(registry, n)
	}
	return p
}

func prometheusHistograms(registry *prometheus.Registry, n int) (add func()) {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bench_duration_seconds", Help: "Durations.", Buckets: bounds}, labelNames)
	registry.MustRegister(vec)
	return adding(n, func(i int) {
		child := vec.WithLabelValues(labelValues(i)...)
		for _, v := range values {
			child.Observe(v)
		}
	})
}

func prometheusCounters(registry *prometheus.Registry, n int) (replace func()) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_requests_total", Help: "Requests."}, labelNames)
	registry.MustRegister(vec)
	for i := range n {
		vec.WithLabelValues(labelValues(i)...).Add(float64(i))
	}
	first := 0
	return func() {
		for range n / 10 {
			vec.DeleteLabelValues(labelValues(first)...)
			vec.WithLabelValues(labelValues(first + n)...).Add(1)
			first++
		}
	}
}

// newVictoria is VictoriaMetrics/metrics. Its histograms choose their own buckets; as many of them have
// something in them as the others have.
func newVictoria(name string, k kind, n int) page {
	set := metrics.NewSet()
	p := page{name: name, scrape: victoriaScraper(set), close: func() {}}
	if k == histograms {
		p.change = adding(n, func(i int) {
			h := set.NewHistogram(victoriaName("bench_duration_seconds", i))
			for _, v := range values {
				h.Update(v)
			}
		})
	} else {
		p.change = victoriaCounters(set, n)
	}
	return p
}

func victoriaCounters(set *metrics.Set, n int) (replace func()) {
	for i := range n {
		set.NewCounter(victoriaName("bench_requests_total", i)).Add(i)
	}
	first := 0
	return func() {
		for range n / 10 {
			set.UnregisterMetric(victoriaName("bench_requests_total", first))
			set.NewCounter(victoriaName("bench_requests_total", first+n)).Inc()
			first++
		}
	}
}

// victoriaScraper writes the page as metrics.WritePrometheus does, the process's metrics included.
func victoriaScraper(set *metrics.Set) func() int {
	return func() int {
		w := &sink{}
		set.WritePrometheus(w)
		metrics.WriteProcessMetrics(w)
		return w.bytes
	}
}

func victoriaName(metric string, i int) string {
	var b bytes.Buffer
	for n, v := range labelValues(i) {
		fmt.Fprintf(&b, ",%s=%q", labelNames[n], v)
	}
	return metric + "{" + strings.TrimPrefix(b.String(), ",") + "}"
}
