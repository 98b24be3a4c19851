package exposition

import (
	"math"
	"math/rand/v2"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func TestBoundIsAPowerOfTheBase(t *testing.T) {
	for scale := int64(-12); scale <= maxTextScale; scale++ {
		for index := int64(-1100); index <= 1100; index++ {
			want := math.Exp2(float64(index) * math.Exp2(float64(-scale)))
			got := bound(index, scale)
			if got != want && math.Abs(got-want) > want*1e-14 {
				t.Fatalf("bound(%d, %d) = %g, want %g", index, scale, got, want)
			}
		}
	}
	if got := bound(0, math.MinInt32); got != 1 {
		t.Errorf("bound(0) = %g at the coarsest scale", got)
	}
	if up, down := bound(1, math.MinInt32), bound(-1, math.MinInt32); !math.IsInf(up, 1) || down != 0 {
		t.Errorf("bounds %g and %g at the coarsest scale", down, up)
	}
}

// The count at each bound is the number of observations at or below it, whatever the scale was.
func TestLadderCountsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(10, 11))
	for round := range 60 {
		var values []float64
		for range 1 + random.IntN(200) {
			v := math.Exp(random.NormFloat64() * float64(1+round%8))
			switch random.IntN(10) {
			case 0:
				v = 0
			case 1, 2:
				v = -v
			}
			values = append(values, v)
		}
		dp := recorded(t, values, [...]int32{20, 4, 0, -3}[round%4])
		ladder := climb(nil, dp.Scale, dp.ZeroThreshold, dp.ZeroCount, &dp.NegativeBucket, &dp.PositiveBucket)
		if len(ladder) > 2*maxTextBuckets+3 {
			t.Errorf("%d bounds", len(ladder))
		}
		previous := math.Inf(-1)
		for _, r := range ladder {
			if n := atMost(values, r.bound); n != r.cumulative || r.bound <= previous {
				t.Fatalf("%d at most %g, want %d; scale %d, %v", r.cumulative, r.bound, n, dp.Scale, ladder)
			}
			previous = r.bound
		}
		if !math.IsInf(previous, 1) {
			t.Errorf("the last bound is %g", previous)
		}
	}
}

func atMost(values []float64, bound float64) uint64 {
	n := uint64(0)
	for _, v := range values {
		if v <= bound {
			n++
		}
	}
	return n
}

// recorded is what the SDK makes of values.
func recorded(t *testing.T, values []float64, maxScale int32) metricdata.ExponentialHistogramDataPoint[float64] {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(sdkmetric.NewView(
		sdkmetric.Instrument{Name: "h"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: maxScale}})))
	h, err := provider.Meter("m").Float64Histogram("h")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		h.Record(t.Context(), v)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	return rm.ScopeMetrics[0].Metrics[0].Data.(metricdata.ExponentialHistogram[float64]).DataPoints[0]
}

// A coarser ladder has no bound a finer one of the same buckets does not have.
func TestMergingOnlyRemovesBounds(t *testing.T) {
	b := metricdata.ExponentialBucket{Counts: make([]uint64, 160)}
	for i := range b.Counts {
		b.Counts[i] = 1
	}
	fine := map[float64]bool{}
	for i := range int64(161) {
		fine[bound(i, 2)] = true
	}
	for _, r := range climb(nil, 2, 0, 0, &metricdata.ExponentialBucket{}, &b) {
		if !fine[r.bound] && !math.IsInf(r.bound, 1) {
			t.Errorf("%g is not a bound of the histogram", r.bound)
		}
	}
}
