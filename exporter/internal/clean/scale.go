package clean

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// MinScale is the coarsest scale that Prometheus's native histograms have. Its receiver refuses a whole push for one
// point below it.
const MinScale = -4

// At MinScale, index topBucket is the last bucket with an observation that a float64 can hold, and bottomBucket the first.
const (
	topBucket    = 63  // up to 2^1024
	bottomBucket = -68 // from 2^-1088, below the least float64 above zero
)

// restate returns in with every point at MinScale or finer; false when that is in itself. A bucket of a coarser scale
// is as wide as several of MinScale, and becomes the topmost of these: it has the same upper bound, so that what
// is at most a bound of the coarser scale is the same number as before.
func restate[N int64 | float64](c *Cleaner, in []metricdata.ExponentialHistogramDataPoint[N]) (out []metricdata.ExponentialHistogramDataPoint[N], changed bool) {
	out = in
	for i := range in {
		if in[i].Scale >= MinScale {
			continue
		}
		out, changed = own(out, in), true
		p := &out[i]
		p.PositiveBucket = Widen(p.PositiveBucket, p.Scale)
		p.NegativeBucket = Widen(p.NegativeBucket, p.Scale)
		p.Scale = MinScale
		c.repaired++
		c.series++
	}
	return out, changed
}

// Widen returns b, which has the given scale, at MinScale.
func Widen(b metricdata.ExponentialBucket, scale int32) metricdata.ExponentialBucket {
	if len(b.Counts) == 0 {
		return metricdata.ExponentialBucket{}
	}
	var counts [topBucket - bottomBucket + 1]uint64
	for i, n := range b.Counts {
		counts[widened(int64(b.Offset)+int64(i), scale)-bottomBucket] += n
	}
	first, end := 0, len(counts)
	for first < end && counts[first] == 0 {
		first++
	}
	for end > first && counts[end-1] == 0 {
		end--
	}
	return metricdata.ExponentialBucket{Offset: int32(bottomBucket + first), Counts: append([]uint64(nil), counts[first:end]...)}
}

// widened is the index at MinScale of the bucket that ends where bucket index of a coarser scale does.
func widened(index int64, scale int32) int64 {
	// Seven doublings take an index that is not 0 or -1 out of the range of MinScale; so nothing overflows.
	doublings := min(MinScale-int64(scale), 7)
	end := max(-1<<20, min(index+1, 1<<20)) << doublings
	return max(bottomBucket, min(end-1, topBucket))
}
