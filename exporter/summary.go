package exporter

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// summariesAsHistograms returns scopes with a histogram of one bucket in place of each summary that
// has no quantiles. Such a summary is a sum and a count, and so is that histogram, which the wires
// that know no summaries carry: delta temporality and the official Prometheus exporter. scopes is not
// changed, and returned as it is where it has none.
func summariesAsHistograms(scopes []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	var out []metricdata.ScopeMetrics
	for i, sm := range scopes {
		metrics := bareSummariesAsHistograms(sm.Metrics)
		if metrics == nil {
			continue
		}
		if out == nil {
			out = append(out, scopes...)
		}
		out[i].Metrics = metrics
	}
	if out == nil {
		return scopes
	}
	return out
}

// bareSummariesAsHistograms returns nil where there is nothing to replace.
func bareSummariesAsHistograms(metrics []metricdata.Metrics) []metricdata.Metrics {
	var out []metricdata.Metrics
	for i, m := range metrics {
		s, ok := m.Data.(metricdata.Summary)
		if !ok || !bare(s) {
			continue
		}
		if out == nil {
			out = append(out, metrics...)
		}
		out[i].Data = asHistogram(s)
	}
	return out
}

func bare(s metricdata.Summary) bool {
	for _, p := range s.DataPoints {
		if len(p.QuantileValues) > 0 {
			return false
		}
	}
	return true
}

func asHistogram(s metricdata.Summary) metricdata.Histogram[float64] {
	out := metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality,
		DataPoints:  make([]metricdata.HistogramDataPoint[float64], len(s.DataPoints)),
	}
	for i, p := range s.DataPoints {
		out.DataPoints[i] = metricdata.HistogramDataPoint[float64]{
			Attributes: p.Attributes, StartTime: p.StartTime, Time: p.Time, Count: p.Count, Sum: p.Sum,
			BucketCounts: []uint64{p.Count},
		}
	}
	return out
}
