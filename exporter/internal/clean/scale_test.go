package clean_test

import (
	"math"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/clean"
)

// TestF30CoarseScales restates every scale below what a native histogram has. The number of observations up to
// a bound of the coarse scale stays the same, and so do count, sum and the buckets' memory that was given.
func TestF30CoarseScales(t *testing.T) {
	for scale := int32(-5); scale >= -12; scale-- {
		for _, offset := range []int32{0, -1, -2, 3, -40} {
			given := metricdata.ExponentialBucket{Offset: offset, Counts: []uint64{3, 0, 2, 7}}
			in := []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "h", Data: metricdata.ExponentialHistogram[float64]{
				DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Count: 24, Sum: 9, Scale: scale, PositiveBucket: given, NegativeBucket: given}},
			}}}}}
			out, repaired := clean.New().Scopes(in)
			p := out[0].Metrics[0].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]
			if repaired != 1 || p.Scale != -4 || p.Count != 24 || p.Sum != 9 {
				t.Fatalf("scale %d, offset %d: %d repaired, %+v", scale, offset, repaired, p)
			}
			for i := range given.Counts {
				bound := math.Pow(2, math.Ldexp(float64(offset)+float64(i)+1, int(-scale)))
				if bound == 0 {
					continue // no observation is that small
				}
				for _, side := range []metricdata.ExponentialBucket{p.PositiveBucket, p.NegativeBucket} {
					if got, want := upTo(side, -4, bound), upTo(given, scale, bound); got != want {
						t.Errorf("scale %d, offset %d: %d up to %v, want %d", scale, offset, got, bound, want)
					}
				}
			}
			if got := in[0].Metrics[0].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]; got.Scale != scale || got.PositiveBucket.Counts[3] != 7 {
				t.Errorf("what was given is changed: %+v", got)
			}
		}
	}
}

// upTo is the number of observations in buckets that end at bound or below, or that no float64 is above of.
func upTo(b metricdata.ExponentialBucket, scale int32, bound float64) (n uint64) {
	for i, count := range b.Counts {
		end := math.Pow(2, math.Ldexp(float64(b.Offset)+float64(i)+1, int(-scale)))
		if end <= bound || math.IsInf(bound, 1) {
			n += count
		}
	}
	return n
}

func TestFineScalesStay(t *testing.T) {
	for _, scale := range []int32{-4, 0, 8, 20} {
		in := []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "h", Data: metricdata.ExponentialHistogram[int64]{
			DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{Count: 1, Scale: scale, PositiveBucket: metricdata.ExponentialBucket{Counts: []uint64{1}}}},
		}}}}}
		if out, repaired := clean.New().Scopes(in); repaired != 0 || &out[0] != &in[0] {
			t.Errorf("scale %d: %d repaired", scale, repaired)
		}
	}
}
