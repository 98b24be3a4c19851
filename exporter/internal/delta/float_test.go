package delta_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/delta"
)

// floatKinds are the kinds of data that have a float64 sum: how a cumulative one is written and a difference's read.
var floatKinds = map[string]struct {
	data func(end int, sum float64) metricdata.Aggregation
	sum  func(metricdata.Aggregation) []float64
}{
	"counter": {
		func(end int, sum float64) metricdata.Aggregation {
			return metricdata.Sum[float64]{
				Temporality: metricdata.CumulativeTemporality, IsMonotonic: true,
				DataPoints: []metricdata.DataPoint[float64]{{StartTime: at(0), Time: at(end), Value: sum}},
			}
		},
		func(a metricdata.Aggregation) (out []float64) {
			for _, p := range a.(metricdata.Sum[float64]).DataPoints {
				out = append(out, p.Value)
			}
			return out
		},
	},
	"histogram": {
		func(end int, sum float64) metricdata.Aggregation {
			return metricdata.Histogram[float64]{
				Temporality: metricdata.CumulativeTemporality,
				DataPoints: []metricdata.HistogramDataPoint[float64]{{
					StartTime: at(0), Time: at(end), Count: uint64(end), BucketCounts: []uint64{uint64(end)}, Sum: sum,
				}},
			}
		},
		func(a metricdata.Aggregation) (out []float64) {
			for _, p := range a.(metricdata.Histogram[float64]).DataPoints {
				out = append(out, p.Sum)
			}
			return out
		},
	},
	"exponential histogram": {
		func(end int, sum float64) metricdata.Aggregation {
			return metricdata.ExponentialHistogram[float64]{
				Temporality: metricdata.CumulativeTemporality,
				DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{
					StartTime: at(0), Time: at(end), Count: uint64(end), ZeroCount: uint64(end), Sum: sum,
				}},
			}
		},
		func(a metricdata.Aggregation) (out []float64) {
			for _, p := range a.(metricdata.ExponentialHistogram[float64]).DataPoints {
				out = append(out, p.Sum)
			}
			return out
		},
	},
}

// addedUp is what a backend has that adds up the differences of sums, every one acknowledged but those in failed.
func addedUp(kind string, sums []float64, failed func(i int) bool) (total float64) {
	tracker, k := delta.New(nil), floatKinds[kind]
	for i, sum := range sums {
		d := tracker.Take([]metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "f", Data: k.data(i+1, sum)}}}}, true)
		if failed(i) {
			continue
		}
		for _, sm := range d.Scopes {
			for _, v := range k.sum(sm.Metrics[0].Data) {
				total += v
			}
		}
		d.Acknowledge(0, d.Len())
	}
	return total
}

func none(int) bool { return false }

// TestF50DifferencesWithoutANumber: a sum that became infinite, or no number, stays that; its differences are nothing,
// and not no number, which would end what the backend has of it.
func TestF50DifferencesWithoutANumber(t *testing.T) {
	inf := math.Inf(1)
	for name := range floatKinds {
		for _, sums := range [][]float64{
			{1, inf, inf, inf},
			{inf, inf},
			{1e308, math.MaxFloat64, inf, inf},
			{1, math.NaN(), math.NaN()},
		} {
			last := sums[len(sums)-1]
			if got := addedUp(name, sums, none); got != last && !(math.IsNaN(got) && math.IsNaN(last)) {
				t.Errorf("%s: the differences of %v add up to %v", name, sums, got)
			}
		}
	}
	if got := addedUp("histogram", []float64{-inf, -inf}, none); got != -inf {
		t.Errorf("the differences of -Inf add up to %v", got)
	}
}

// TestF50DifferencesOfAnySize adds up the differences of growing sums of any size, some pushes failing. Each difference and
// each addition is rounded once, and by no more than half a unit in the last place of the sum.
func TestF50DifferencesOfAnySize(t *testing.T) {
	for name := range floatKinds {
		for seed := range uint64(100) {
			r := rand.New(rand.NewPCG(seed, 50))
			var sums []float64
			sum, exponent := 0., r.IntN(2000)-1050
			for range 2 + r.IntN(40) {
				sum += math.Ldexp(r.Float64(), exponent+r.IntN(70))
				sums = append(sums, sum)
			}
			got := addedUp(name, sums, func(i int) bool { return i < len(sums)-1 && r.IntN(3) == 0 })
			if !(math.Abs(got-sum) <= float64(len(sums))*sum*0x1p-52) {
				t.Errorf("%s, seed %d: the differences add up to %v, want %v", name, seed, got, sum)
			}
		}
	}
}
