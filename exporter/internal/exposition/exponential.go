package exposition

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const (
	// maxTextScale is the finest resolution shown as classic buckets: four to a power of two.
	maxTextScale = 2
	// maxTextBuckets is the most buckets shown on either side of zero.
	maxTextBuckets = 20
)

// quarters are the powers of two between 1 and 2 at maxTextScale.
var quarters = [1 << maxTextScale]float64{1, 1.189207115002721, math.Sqrt2, 1.681792830507429}

// exponentials are the points of exponential histograms. In text they are classic histograms.
type exponentials[N int64 | float64] []metricdata.ExponentialHistogramDataPoint[N]

// rung is one bound of a histogram, and how many observations are at most that.
type rung struct {
	bound      float64
	cumulative uint64
}

func (p exponentials[N]) len() int                        { return len(p) }
func (p exponentials[N]) attributes(i int) *attribute.Set { return &p[i].Attributes }

// valid reports whether the buckets have as many observations as the point, as Prometheus wants of a native histogram: it
// refuses the whole page for one that has not. Only where the sum is NaN may some be in no bucket.
func (p exponentials[N]) valid(_ *session, _ *stream, i int) bool {
	dp := &p[i]
	total := dp.ZeroCount
	for _, side := range []*metricdata.ExponentialBucket{&dp.PositiveBucket, &dp.NegativeBucket} {
		if end := int64(side.Offset) + int64(len(side.Counts)); end >= math.MaxInt32 || side.Offset == math.MinInt32 {
			return false
		}
		for _, n := range side.Counts {
			if total += n; total < n {
				return false
			}
		}
	}
	return total == dp.Count || total < dp.Count && math.IsNaN(float64(dp.Sum))
}

func (p exponentials[N]) touch(i int) uint64 { return p[i].Count + uint64(len(p[i].Exemplars)) }

func (p exponentials[N]) ids(dst []attribute.Distinct) []attribute.Distinct {
	for i := range p {
		dst = append(dst, p[i].Attributes.Equivalent())
	}
	return dst
}

func (p exponentials[N]) render(s *session, _ *stream, i int, block string) {
	dp := &p[i]
	s.ladder = climb(s.ladder[:0], dp.Scale, dp.ZeroThreshold, dp.ZeroCount, &dp.NegativeBucket, &dp.PositiveBucket)
	last := len(s.ladder) - 1
	s.ladder[last].cumulative = max(s.ladder[last].cumulative, dp.Count)
	exemplars := s.openMetrics && len(dp.Exemplars) > 0
	if exemplars {
		placeExemplarsOn(s, dp.Exemplars, s.ladder)
	}
	w := bucketLines{s: s, block: block}
	for j, r := range s.ladder {
		w.begin()
		s.out.buf = appendBound(s.out.buf, r.bound, s.openMetrics)
		s.tally(r.cumulative)
		if exemplars && s.exemplarOf[j] >= 0 {
			appendExemplar(s, &dp.Exemplars[s.exemplarOf[j]])
		}
		s.out.buf = append(s.out.buf, '\n')
	}
	s.totals(block, float64(dp.Sum), s.ladder[last].cumulative)
	if s.created {
		s.createdLine(block, dp.StartTime)
	}
}

// climb appends the bounds of an exponential histogram to dst, from the lowest up to +Inf.
//
// Each bucket's bound on the far side of zero is one of its own at a coarser scale, so that merging
// moves no observation across a bound. Bounds inside the zero bucket are left out, because there
// nobody knows how many observations lie below them.
func climb(dst []rung, scale int32, zero float64, zeroCount uint64, negative, positive *metricdata.ExponentialBucket) []rung {
	zero = math.Abs(zero)
	shift, textScale := coarsen(scale, negative, positive)
	cumulative := uint64(0)
	for i := len(negative.Counts) - 1; i >= 0; i-- {
		if cumulative += negative.Counts[i]; cumulative == 0 {
			continue
		}
		index := (int64(negative.Offset) + int64(i)) >> shift
		if i > 0 && (int64(negative.Offset)+int64(i)-1)>>shift == index {
			continue
		}
		dst = step(dst, -bound(index, textScale), cumulative, math.Inf(-1), -zero)
	}
	cumulative += zeroCount
	if cumulative > 0 {
		dst = step(dst, zero, cumulative, math.Inf(-1), math.Inf(1))
	}
	return ascend(dst, shift, textScale, zero, cumulative, positive)
}

// ascend is climb's way up from zero. It begins with the lower bound of the lowest bucket, without
// which a quantile would be searched for all the way down to zero.
func ascend(dst []rung, shift, textScale int64, zero float64, cumulative uint64, positive *metricdata.ExponentialBucket) []rung {
	first := true
	for i, count := range positive.Counts {
		if count == 0 && first {
			continue
		}
		index := (int64(positive.Offset) + int64(i)) >> shift
		if first {
			first = false
			dst = step(dst, bound(index, textScale), cumulative, zero, math.Inf(1))
		}
		cumulative += count
		if i+1 < len(positive.Counts) && (int64(positive.Offset)+int64(i)+1)>>shift == index {
			continue
		}
		dst = step(dst, bound(index+1, textScale), cumulative, zero, math.Inf(1))
	}
	return append(dst, rung{bound: math.Inf(1), cumulative: cumulative})
}

// step appends a rung if its bound lies strictly between the limits and above the one before.
func step(dst []rung, at float64, cumulative uint64, above, below float64) []rung {
	if !(at > above && at < below) {
		return dst
	}
	if n := len(dst); n > 0 && at <= dst[n-1].bound {
		return dst
	}
	return append(dst, rung{bound: at, cumulative: cumulative})
}

// coarsen finds the finest scale at which neither side has too many buckets, and how many bits of a
// bucket's index are lost at it.
//
// Both are 64 bits wide on every machine: a scale may be any 32-bit number, and is subtracted from.
func coarsen(scale int32, negative, positive *metricdata.ExponentialBucket) (shift, textScale int64) {
	textScale = min(int64(scale), maxTextScale)
	shift = int64(scale) - textScale
	for span(negative, shift) > maxTextBuckets || span(positive, shift) > maxTextBuckets {
		shift++
		textScale--
	}
	return shift, textScale
}

// span is the number of buckets from the first that is not empty to the last.
func span(b *metricdata.ExponentialBucket, shift int64) int64 {
	first, last := 0, len(b.Counts)-1
	for first <= last && b.Counts[first] == 0 {
		first++
	}
	for last >= first && b.Counts[last] == 0 {
		last--
	}
	if last < first {
		return 0
	}
	return (int64(b.Offset)+int64(last))>>shift - (int64(b.Offset)+int64(first))>>shift + 1
}

// bound is the power of two at which the bucket of an index begins: 2^(index / 2^scale).
func bound(index int64, scale int64) float64 {
	if scale > 0 {
		index <<= maxTextScale - scale
		return math.Ldexp(quarters[index&(1<<maxTextScale-1)], int(index>>maxTextScale))
	}
	if index == 0 {
		return 1
	}
	// Twelve doublings take any other index out of a float64's range.
	exponent := max(-1<<20, min(index, 1<<20)) << min(-scale, 12)
	return math.Ldexp(1, int(exponent))
}
