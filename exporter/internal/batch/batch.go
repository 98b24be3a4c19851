// Package batch cuts metric data, and encoded OTLP requests, into pieces by their data points, without
// changing them.
package batch

import (
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Count returns the number of data points in scopes.
func Count(scopes []metricdata.ScopeMetrics) int {
	n := 0
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			n += Points(m.Data)
		}
	}
	return n
}

// Points returns the number of data points in data.
func Points(data metricdata.Aggregation) int {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return len(d.DataPoints)
	case metricdata.Gauge[float64]:
		return len(d.DataPoints)
	case metricdata.Sum[int64]:
		return len(d.DataPoints)
	case metricdata.Sum[float64]:
		return len(d.DataPoints)
	case metricdata.Histogram[int64]:
		return len(d.DataPoints)
	case metricdata.Histogram[float64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return len(d.DataPoints)
	case metricdata.Summary:
		return len(d.DataPoints)
	default:
		return 0
	}
}

// Slice returns the points [from, to) of scopes, counted in order. The result shares its points with
// scopes.
func Slice(scopes []metricdata.ScopeMetrics, from, to int) []metricdata.ScopeMetrics {
	var out []metricdata.ScopeMetrics
	at := 0
	for _, sm := range scopes {
		var kept []metricdata.Metrics
		for _, m := range sm.Metrics {
			n := Points(m.Data)
			if lo, hi := max(from-at, 0), min(to-at, n); lo < hi {
				m.Data = cut(m.Data, lo, hi)
				kept = append(kept, m)
			}
			at += n
		}
		if len(kept) > 0 {
			out = append(out, metricdata.ScopeMetrics{Scope: sm.Scope, Metrics: kept})
		}
		if at >= to {
			break
		}
	}
	return out
}

func cut(data metricdata.Aggregation, lo, hi int) metricdata.Aggregation {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Gauge[float64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Sum[int64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Sum[float64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Histogram[int64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Histogram[float64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.ExponentialHistogram[int64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.ExponentialHistogram[float64]:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	case metricdata.Summary:
		d.DataPoints = d.DataPoints[lo:hi:hi]
		return d
	default:
		return data
	}
}
