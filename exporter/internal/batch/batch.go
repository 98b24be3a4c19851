// Package batch cuts metric data, and encoded OTLP requests, into pieces by their data points, without
// changing them.
package batch

import (
	"iter"

	"go.opentelemetry.io/otel/attribute"
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
	return Keep(scopes, func(i int) bool { return i >= from && i < to })
}

// Attributes yields the attributes of each data point in data, in order.
func Attributes(data metricdata.Aggregation) iter.Seq[*attribute.Set] {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		return numbers(d.DataPoints)
	case metricdata.Gauge[float64]:
		return numbers(d.DataPoints)
	case metricdata.Sum[int64]:
		return numbers(d.DataPoints)
	case metricdata.Sum[float64]:
		return numbers(d.DataPoints)
	case metricdata.Histogram[int64]:
		return of(d.DataPoints, func(p *metricdata.HistogramDataPoint[int64]) *attribute.Set { return &p.Attributes })
	case metricdata.Histogram[float64]:
		return of(d.DataPoints, func(p *metricdata.HistogramDataPoint[float64]) *attribute.Set { return &p.Attributes })
	case metricdata.ExponentialHistogram[int64]:
		return of(d.DataPoints, func(p *metricdata.ExponentialHistogramDataPoint[int64]) *attribute.Set { return &p.Attributes })
	case metricdata.ExponentialHistogram[float64]:
		return of(d.DataPoints, func(p *metricdata.ExponentialHistogramDataPoint[float64]) *attribute.Set { return &p.Attributes })
	case metricdata.Summary:
		return of(d.DataPoints, func(p *metricdata.SummaryDataPoint) *attribute.Set { return &p.Attributes })
	default:
		return func(func(*attribute.Set) bool) {}
	}
}

func numbers[N int64 | float64](points []metricdata.DataPoint[N]) iter.Seq[*attribute.Set] {
	return of(points, func(p *metricdata.DataPoint[N]) *attribute.Set { return &p.Attributes })
}

func of[P any](points []P, attributes func(*P) *attribute.Set) iter.Seq[*attribute.Set] {
	return func(yield func(*attribute.Set) bool) {
		for i := range points {
			if !yield(attributes(&points[i])) {
				return
			}
		}
	}
}

// Keep returns the points of scopes that keep admits, counted in order. It shares what it need not change.
func Keep(scopes []metricdata.ScopeMetrics, keep func(i int) bool) []metricdata.ScopeMetrics {
	var out []metricdata.ScopeMetrics
	at := 0
	for _, sm := range scopes {
		var kept []metricdata.Metrics
		for _, m := range sm.Metrics {
			n := Points(m.Data)
			first := at
			if m.Data = Select(m.Data, func(i int) bool { return keep(first + i) }); Points(m.Data) > 0 {
				kept = append(kept, m)
			}
			at += n
		}
		if len(kept) > 0 {
			out = append(out, metricdata.ScopeMetrics{Scope: sm.Scope, Metrics: kept})
		}
	}
	return out
}

// Select returns the points of data that keep admits: data itself where that is all of them.
func Select(data metricdata.Aggregation, keep func(i int) bool) metricdata.Aggregation {
	switch d := data.(type) {
	case metricdata.Gauge[int64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Gauge[float64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Sum[int64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Sum[float64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Histogram[int64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Histogram[float64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.ExponentialHistogram[int64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.ExponentialHistogram[float64]:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	case metricdata.Summary:
		d.DataPoints = admitted(d.DataPoints, keep)
		return d
	default:
		return data
	}
}

// admitted returns the points that keep admits: a part of points itself where they stand in one row.
func admitted[P any](points []P, keep func(i int) bool) []P {
	first := 0
	for first < len(points) && !keep(first) {
		first++
	}
	end := first
	for end < len(points) && keep(end) {
		end++
	}
	out := points[first:end:end]
	for i := end; i < len(points); i++ {
		if keep(i) {
			out = append(out, points[i])
		}
	}
	return out
}
