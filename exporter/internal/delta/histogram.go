package delta

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// histogram is the state of a histogram with explicit bounds. A difference has a minimum or maximum
// only where the cumulative one moved, because only then it is known to be of that time.
type histogram[N int64 | float64] struct {
	count    uint64
	sum      N
	bounds   []float64
	buckets  []uint64
	min, max metricdata.Extrema[N]
}

type histograms[N int64 | float64] struct{}

func (histograms[N]) points(data metricdata.Aggregation) []metricdata.HistogramDataPoint[N] {
	return data.(metricdata.Histogram[N]).DataPoints
}

func (histograms[N]) data(points []metricdata.HistogramDataPoint[N]) metricdata.Aggregation {
	return metricdata.Histogram[N]{DataPoints: points, Temporality: metricdata.DeltaTemporality}
}

func (histograms[N]) identity(p *metricdata.HistogramDataPoint[N]) (attribute.Set, time.Time, time.Time) {
	return p.Attributes, p.StartTime, p.Time
}

func (histograms[N]) observe(s *histogram[N], p *metricdata.HistogramDataPoint[N]) {
	s.count, s.sum, s.min, s.max = p.Count, p.Sum, p.Min, p.Max
	s.buckets = append(s.buckets[:0], p.BucketCounts...)
	if !slices.Equal(s.bounds, p.Bounds) {
		s.bounds = slices.Clone(p.Bounds)
	}
}

func (histograms[N]) follows(p *metricdata.HistogramDataPoint[N], before *histogram[N]) bool {
	if before.count == 0 {
		return true
	}
	return p.Count >= before.count && slices.Equal(p.Bounds, before.bounds) && covers(p.BucketCounts, before.buckets)
}

// covers reports whether every bucket of later is at least that of earlier.
func covers(later, earlier []uint64) bool {
	if len(later) != len(earlier) {
		return false
	}
	for i, n := range earlier {
		if later[i] < n {
			return false
		}
	}
	return true
}

func (histograms[N]) difference(later, earlier *histogram[N]) histogram[N] {
	d := histogram[N]{
		count: later.count - earlier.count, sum: minus(later.sum, earlier.sum), bounds: later.bounds,
		buckets: slices.Clone(later.buckets),
		min:     moved(later.min, earlier.min, earlier.count), max: moved(later.max, earlier.max, earlier.count),
	}
	if earlier.count > 0 {
		for i, n := range earlier.buckets {
			d.buckets[i] -= n
		}
	}
	return d
}

// moved returns later if it is known to have been recorded after earlier.
func moved[N int64 | float64](later, earlier metricdata.Extrema[N], count uint64) metricdata.Extrema[N] {
	was, known := earlier.Value()
	is, _ := later.Value()
	if count > 0 && (!known || is == was) {
		return metricdata.Extrema[N]{}
	}
	return later
}

func (histograms[N]) sum(a, b *histogram[N]) (histogram[N], bool) {
	if b.count == 0 {
		return *a, true
	}
	if !slices.Equal(a.bounds, b.bounds) || len(a.buckets) != len(b.buckets) {
		return *b, false
	}
	s := histogram[N]{count: a.count + b.count, sum: a.sum + b.sum, bounds: b.bounds, buckets: slices.Clone(b.buckets)}
	for i, n := range a.buckets {
		s.buckets[i] += n
	}
	s.min, s.max = extremes(a.min, b.min, a.max, b.max)
	return s, true
}

// extremes combines two minima and two maxima; one that is not known leaves the result unknown.
func extremes[N int64 | float64](minA, minB, maxA, maxB metricdata.Extrema[N]) (low, high metricdata.Extrema[N]) {
	if a, known := minA.Value(); known {
		if b, known := minB.Value(); known {
			low = metricdata.NewExtrema(min(a, b))
		}
	}
	if a, known := maxA.Value(); known {
		if b, known := maxB.Value(); known {
			high = metricdata.NewExtrema(max(a, b))
		}
	}
	return low, high
}

func (histograms[N]) empty(s *histogram[N]) bool { return s.count == 0 }

func (histograms[N]) point(s *histogram[N], attributes attribute.Set, start, end time.Time, now *metricdata.HistogramDataPoint[N]) metricdata.HistogramDataPoint[N] {
	p := metricdata.HistogramDataPoint[N]{
		Attributes: attributes, StartTime: start, Time: end,
		Count: s.count, Sum: s.sum, Bounds: s.bounds, BucketCounts: s.buckets, Min: s.min, Max: s.max,
	}
	if now != nil {
		p.Exemplars = exemplarsAfter(now.Exemplars, start)
	}
	return p
}
