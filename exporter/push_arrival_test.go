package exporter_test

import (
	"net/http"
	"slices"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// arrival is one request as a backend saw it.
type arrival struct {
	header   http.Header
	url      string
	request  *colmetricpb.ExportMetricsServiceRequest
	accepted bool // it met no script
}

// metrics are those of all scopes.
func (a arrival) metrics() (all []*metricspb.Metric) {
	for _, rm := range a.request.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			all = append(all, sm.GetMetrics()...)
		}
	}
	return all
}

func (a arrival) names() (names []string) {
	for _, m := range a.metrics() {
		names = append(names, m.GetName())
	}
	return names
}

func (a arrival) points() (n int) {
	for _, m := range a.metrics() {
		n += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints())
	}
	return n
}

// counters are the ids of the counter's series.
func (a arrival) counters() map[int64]bool {
	ids := map[int64]bool{}
	for _, m := range a.metrics() {
		for _, p := range m.GetSum().GetDataPoints() {
			ids[p.GetAttributes()[0].GetValue().GetIntValue()] = true
		}
	}
	return ids
}

// metric returns the latest metric of that name which arrived.
func (b *backend) metric(name string) *metricspb.Metric {
	for _, a := range slices.Backward(b.all()) {
		for _, m := range a.metrics() {
			if m.GetName() == name {
				return m
			}
		}
	}
	return nil
}

// acceptedNames counts how often a metric of each name was accepted.
func (b *backend) acceptedNames() map[string]int {
	got := map[string]int{}
	for _, a := range b.all() {
		for _, name := range a.names() {
			if a.accepted {
				got[name]++
			}
		}
	}
	return got
}
