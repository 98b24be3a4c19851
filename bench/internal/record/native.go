package record

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// labels are attrs for Prometheus.
func labels() (names, values []string) {
	for _, kv := range attrs {
		names = append(names, fmt.Sprint("l", len(names)))
		values = append(values, kv.Value.String())
	}
	return names, values
}

// victoriaSeries is the name that VictoriaMetrics' API is asked for, labels and all.
func victoriaSeries(metric string, v []string) string {
	return fmt.Sprintf(`%s{l0=%q,l1=%q,l2=%q,l3=%q,l4=%q}`, metric, v[0], v[1], v[2], v[3], v[4])
}

// nativeCounters are the ways to add to a counter of Prometheus's and of VictoriaMetrics'.
func nativeCounters() []subject {
	names, values := labels()
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bench_requests_total"}, names)
	c := v.WithLabelValues(values...)
	set := metrics.NewSet()
	p := set.NewCounter(victoriaSeries("bench_requests_total", values))
	return []subject{
		{child, func(n int) {
			for range n {
				c.Add(1)
			}
		}},
		{vec, func(n int) {
			for range n {
				v.WithLabelValues(values...).Add(1)
			}
		}},
		{victoria, func(n int) {
			for range n {
				p.Add(1)
			}
		}},
		{victoriaName, func(n int) {
			for range n {
				set.GetOrCreateCounter(victoriaSeries("bench_requests_total", values)).Add(1)
			}
		}},
	}
}

// nativeHistograms are the ways to observe on a histogram of Prometheus's and of VictoriaMetrics'.
func nativeHistograms() []subject {
	names, values := labels()
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "bench_duration_seconds", Buckets: bounds}, names)
	c := v.WithLabelValues(values...)
	set := metrics.NewSet()
	p := set.NewHistogram(victoriaSeries("bench_duration_seconds", values))
	return []subject{
		{child, func(n int) {
			for i := range n {
				c.Observe(latencies[i&7])
			}
		}},
		{vec, func(n int) {
			for i := range n {
				v.WithLabelValues(values...).Observe(latencies[i&7])
			}
		}},
		{victoria, func(n int) {
			for i := range n {
				p.Update(latencies[i&7])
			}
		}},
		{victoriaName, func(n int) {
			for i := range n {
				set.GetOrCreateHistogram(victoriaSeries("bench_duration_seconds", values)).Update(latencies[i&7])
			}
		}},
	}
}
