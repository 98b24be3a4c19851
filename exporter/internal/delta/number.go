package delta

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// number is the state of a monotonic sum.
type number[N int64 | float64] struct{ value N }

type numbers[N int64 | float64] struct{}

func (numbers[N]) points(data metricdata.Aggregation) []metricdata.DataPoint[N] {
	return data.(metricdata.Sum[N]).DataPoints
}

func (numbers[N]) data(points []metricdata.DataPoint[N]) metricdata.Aggregation {
	return metricdata.Sum[N]{DataPoints: points, Temporality: metricdata.DeltaTemporality, IsMonotonic: true}
}

func (numbers[N]) identity(p *metricdata.DataPoint[N]) (attribute.Set, time.Time, time.Time) {
	return p.Attributes, p.StartTime, p.Time
}

func (numbers[N]) observe(s *number[N], p *metricdata.DataPoint[N]) { s.value = p.Value }

func (numbers[N]) follows(p *metricdata.DataPoint[N], before *number[N]) bool {
	return !(p.Value < before.value) // NaN is not a reset
}

func (numbers[N]) difference(later, earlier *number[N]) number[N] {
	return number[N]{minus(later.value, earlier.value)}
}

// minus returns what a cumulative sum grew by. One that is infinite, or not a number, stays that: such a sum grew
// by nothing. Inf minus Inf is not a number, and would make the sum at the backend not a number either.
func minus[N int64 | float64](later, earlier N) N {
	if later == earlier || later != later && earlier != earlier {
		return 0
	}
	return later - earlier
}

func (numbers[N]) sum(a, b *number[N]) (number[N], bool) { return number[N]{a.value + b.value}, true }

func (numbers[N]) empty(s *number[N]) bool { return s.value == 0 }

func (numbers[N]) point(s *number[N], attributes attribute.Set, start, end time.Time, now *metricdata.DataPoint[N]) metricdata.DataPoint[N] {
	p := metricdata.DataPoint[N]{Attributes: attributes, StartTime: start, Time: end, Value: s.value}
	if now != nil {
		p.Exemplars = exemplarsAfter(now.Exemplars, start)
	}
	return p
}

// exemplarsAfter leaves out exemplars that an earlier difference carried.
func exemplarsAfter[N int64 | float64](in []metricdata.Exemplar[N], start time.Time) []metricdata.Exemplar[N] {
	var out []metricdata.Exemplar[N]
	for i := range in {
		if in[i].Time.After(start) {
			out = append(out, in[i])
		}
	}
	return out
}
