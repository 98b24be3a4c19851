package delta

import (
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/batch"
)

func points(data metricdata.Aggregation) int { return batch.Points(data) }

// stream returns the series of m, made if need be; nil for what is not differenced.
func (t *Tracker) stream(scope instrumentation.Scope, m metricdata.Metrics) stream {
	k, ok := t.kindOf(scope, m)
	if !ok {
		return nil
	}
	key := streamKey{
		scope: scope.Name, version: scope.Version, schema: scope.SchemaURL, attributes: scope.Attributes.Equivalent(),
		metric: m.Name, unit: m.Unit, kind: k,
	}
	s := t.streams[key]
	if s == nil {
		s = newStream(k, scope, m)
		t.streams[key] = s
	}
	return s
}

func (t *Tracker) kindOf(scope instrumentation.Scope, m metricdata.Metrics) (kind, bool) {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		return sumInt, data.IsMonotonic && isCumulative(data.Temporality) && !t.stays(scope, m.Name)
	case metricdata.Sum[float64]:
		return sumFloat, data.IsMonotonic && isCumulative(data.Temporality) && !t.stays(scope, m.Name)
	case metricdata.Histogram[int64]:
		return histogramInt, isCumulative(data.Temporality)
	case metricdata.Histogram[float64]:
		return histogramFloat, isCumulative(data.Temporality)
	case metricdata.ExponentialHistogram[int64]:
		return exponentialInt, isCumulative(data.Temporality)
	case metricdata.ExponentialHistogram[float64]:
		return exponentialFloat, isCumulative(data.Temporality)
	default:
		return 0, false
	}
}

func isCumulative(t metricdata.Temporality) bool { return t == metricdata.CumulativeTemporality }

func (t *Tracker) stays(scope instrumentation.Scope, metric string) bool {
	return t.cumulative != nil && t.cumulative(scope, metric)
}

func newStream(k kind, scope instrumentation.Scope, m metricdata.Metrics) stream {
	switch k {
	case sumInt:
		return newStreamOf[number[int64]](numbers[int64]{}, scope, m)
	case sumFloat:
		return newStreamOf[number[float64]](numbers[float64]{}, scope, m)
	case histogramInt:
		return newStreamOf[histogram[int64]](histograms[int64]{}, scope, m)
	case histogramFloat:
		return newStreamOf[histogram[float64]](histograms[float64]{}, scope, m)
	case exponentialInt:
		return newStreamOf[exponential[int64]](exponentials[int64]{}, scope, m)
	default:
		return newStreamOf[exponential[float64]](exponentials[float64]{}, scope, m)
	}
}
