package vocabulary

import (
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/middleware"
)

const (
	serverDuration     = "http.server.request.duration"
	serverRequestSize  = "http.server.request.body.size"
	serverResponseSize = "http.server.response.body.size"
	serverActive       = "http.server.active_requests"
	clientDuration     = "http.client.request.duration"
)

// Rewrite returns scopes with the metrics of the middleware's own scope in the vocabulary of names. The
// input is not changed, and under [Semconv] it is the result; otherwise the result shares with it what
// is the same in both. added are bounds of the server's duration, in seconds, that were recorded in addition to [DurationBuckets], and
// that every vocabulary shows. It is safe for concurrent use.
//
// Sizes are summaries without quantiles: a sum and a count.
func Rewrite(scopes []metricdata.ScopeMetrics, names Names, added ...float64) []metricdata.ScopeMetrics {
	if names != Classic && names != Both {
		return scopes
	}
	return rewriteOwn(scopes, func(metrics []metricdata.Metrics) []metricdata.Metrics {
		return rewrite(metrics, names, added)
	})
}

// rewriteOwn returns a copy of scopes with edit done to the middleware's own.
func rewriteOwn(scopes []metricdata.ScopeMetrics, edit func([]metricdata.Metrics) []metricdata.Metrics) []metricdata.ScopeMetrics {
	out := make([]metricdata.ScopeMetrics, len(scopes))
	for i, sm := range scopes {
		if sm.Scope.Name == middleware.ScopeName {
			sm.Metrics = edit(sm.Metrics)
		}
		out[i] = sm
	}
	return out
}

// rewrite keeps what names shows of the conventions' metrics, and appends the classic ones.
func rewrite(metrics []metricdata.Metrics, names Names, added []float64) []metricdata.Metrics {
	out := make([]metricdata.Metrics, 0, 2*len(metrics)+1)
	for _, m := range metrics {
		if names == Both || derived[m.Name] == nil {
			out = append(out, ownBuckets(m, added))
		}
	}
	for _, m := range metrics {
		if derive := derived[m.Name]; derive != nil {
			out = append(out, derive(m.Data, added)...)
		}
	}
	return out
}

// ownBuckets shows a duration of the conventions without the bounds that are recorded for the classic one.
func ownBuckets(m metricdata.Metrics, added []float64) metricdata.Metrics {
	h, ok := m.Data.(metricdata.Histogram[float64])
	if !ok || (m.Name != serverDuration && m.Name != clientDuration) {
		return m
	}
	if m.Name == clientDuration {
		added = nil // objectives are the server's
	}
	shown := conventional(added)
	points := make([]metricdata.HistogramDataPoint[float64], len(h.DataPoints))
	for i, p := range h.DataPoints {
		p.Bounds, p.BucketCounts = fold(p.Bounds, p.BucketCounts, shown.of(p.Bounds))
		p.Exemplars = newest(p.Exemplars, p.Bounds)
		points[i] = p
	}
	h.DataPoints = points
	m.Data = h
	return m
}
