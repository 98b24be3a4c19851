package delta

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// exponential is the state of an exponential histogram. Its scale falls when the recorded range
// grows; what was kept at a higher scale is brought down to it, which is exact.
type exponential[N int64 | float64] struct {
	count, zeros       uint64
	sum                N
	scale              int32
	threshold          float64
	positive, negative buckets
	min, max           metricdata.Extrema[N]
}

type exponentials[N int64 | float64] struct{}

func (exponentials[N]) points(data metricdata.Aggregation) []metricdata.ExponentialHistogramDataPoint[N] {
	return data.(metricdata.ExponentialHistogram[N]).DataPoints
}

func (exponentials[N]) data(points []metricdata.ExponentialHistogramDataPoint[N]) metricdata.Aggregation {
	return metricdata.ExponentialHistogram[N]{DataPoints: points, Temporality: metricdata.DeltaTemporality}
}

func (exponentials[N]) identity(p *metricdata.ExponentialHistogramDataPoint[N]) (attribute.Set, time.Time, time.Time) {
	return p.Attributes, p.StartTime, p.Time
}

func (exponentials[N]) observe(s *exponential[N], p *metricdata.ExponentialHistogramDataPoint[N]) {
	s.count, s.zeros, s.sum, s.scale, s.threshold = p.Count, p.ZeroCount, p.Sum, p.Scale, p.ZeroThreshold
	s.min, s.max = p.Min, p.Max
	s.positive = s.positive.copied(p.PositiveBucket)
	s.negative = s.negative.copied(p.NegativeBucket)
}

func (exponentials[N]) follows(p *metricdata.ExponentialHistogramDataPoint[N], before *exponential[N]) bool {
	if before.count == 0 {
		return true
	}
	if p.Count < before.count || p.ZeroCount < before.zeros || p.Scale > before.scale || p.ZeroThreshold != before.threshold {
		return false
	}
	by := before.scale - p.Scale
	return buckets(p.PositiveBucket).covers(before.positive.coarser(by)) &&
		buckets(p.NegativeBucket).covers(before.negative.coarser(by))
}

func (exponentials[N]) difference(later, earlier *exponential[N]) exponential[N] {
	d := *later
	d.min = moved(later.min, earlier.min, earlier.count)
	d.max = moved(later.max, earlier.max, earlier.count)
	if earlier.count == 0 {
		d.positive, d.negative = later.positive.clone(), later.negative.clone()
		return d
	}
	by := earlier.scale - later.scale
	d.count -= earlier.count
	d.zeros -= earlier.zeros
	d.sum = minus(later.sum, earlier.sum)
	d.positive = later.positive.minus(earlier.positive.coarser(by))
	d.negative = later.negative.minus(earlier.negative.coarser(by))
	return d
}

func (exponentials[N]) sum(a, b *exponential[N]) (exponential[N], bool) {
	if b.count == 0 {
		return *a, true
	}
	if a.threshold != b.threshold {
		return *b, false
	}
	scale := min(a.scale, b.scale)
	s := exponential[N]{
		count: a.count + b.count, zeros: a.zeros + b.zeros, sum: a.sum + b.sum, scale: scale, threshold: a.threshold,
		positive: a.positive.coarser(a.scale - scale).plus(b.positive.coarser(b.scale - scale)),
		negative: a.negative.coarser(a.scale - scale).plus(b.negative.coarser(b.scale - scale)),
	}
	s.min, s.max = extremes(a.min, b.min, a.max, b.max)
	return s, true
}

func (exponentials[N]) empty(s *exponential[N]) bool { return s.count == 0 }

func (exponentials[N]) point(s *exponential[N], attributes attribute.Set, start, end time.Time, now *metricdata.ExponentialHistogramDataPoint[N]) metricdata.ExponentialHistogramDataPoint[N] {
	p := metricdata.ExponentialHistogramDataPoint[N]{
		Attributes: attributes, StartTime: start, Time: end,
		Count: s.count, Sum: s.sum, Scale: s.scale, ZeroCount: s.zeros, ZeroThreshold: s.threshold, Min: s.min, Max: s.max,
		PositiveBucket: metricdata.ExponentialBucket(s.positive), NegativeBucket: metricdata.ExponentialBucket(s.negative),
	}
	if now != nil {
		p.Exemplars = exemplarsAfter(now.Exemplars, start)
	}
	return p
}
