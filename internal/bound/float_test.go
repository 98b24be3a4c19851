package bound_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// floatSums are the instruments whose points have a float64 sum.
var floatSums = []string{"Float64Counter", "Float64UpDownCounter", "Float64Histogram"}

// sumOf measures values with ours, every other one bound and all in the same series, and returns the sum that
// the stock SDK and ours export.
func sumOf(t *testing.T, name string, values ...float64) (stock, ours float64) {
	t.Helper()
	tw := newTwin(setup{})
	meters := tw.both("s")
	theirs, _, _ := kind(name).make(meters[0], "a")
	unbound, bind, err := kind(name).make(meters[1], "a")
	if err != nil {
		t.Fatal(err)
	}
	bound := bind([]attribute.KeyValue{}...)
	for i, v := range values {
		theirs(t.Context(), v)
		if i%2 == 0 {
			unbound(t.Context(), v)
		} else {
			bound(t.Context(), v)
		}
	}
	want, got := tw.collect(t)
	return floatSum(t, want), floatSum(t, got)
}

func floatSum(t *testing.T, scopes []metricdata.ScopeMetrics) float64 {
	t.Helper()
	switch d := scopes[0].Metrics[0].Data.(type) {
	case metricdata.Sum[float64]:
		return d.DataPoints[0].Value
	case metricdata.Histogram[float64]:
		return d.DataPoints[0].Sum
	default:
		t.Fatalf("no sum in %T", d)
		return 0
	}
}

// same is equality to which not-a-number is one value.
func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

// TestF50WholeFloatsAreFloats has whole numbers whose sum no int64 holds. The stock SDK (1.47) adds whole numbers up in
// an int64 too, and is no oracle here.
func TestF50WholeFloatsAreFloats(t *testing.T) {
	repeat := func(n int, v float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = v
		}
		return out
	}
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"FLOPs", repeat(10_000, 1e15), 1e19},
		{"a few large ones", repeat(4, 1<<62), 1 << 64},
		{"negative", repeat(10_000, -1e15), -1e19},
		{"2^63", repeat(3, 1<<63), 3 * (1 << 63)},
		{"-2^63", repeat(3, -(1 << 63)), -3 * (1 << 63)},
		{"beyond an int64", repeat(3, 1e300), 3e300},
		{"up and down again", []float64{1 << 62, 1 << 62, 1 << 62, -(1 << 62), -(1 << 62)}, 1 << 62},
		{"whole and fraction", []float64{1 << 62, 1 << 62, .5, -(1 << 62), -(1 << 62), .5}, .5},
		{"overflow", repeat(2, math.MaxFloat64), math.Inf(1)},
	}
	for _, tc := range tests {
		for _, name := range floatSums {
			t.Run(name+"/"+tc.name, func(t *testing.T) {
				if _, got := sumOf(t, name, tc.values...); got != tc.want {
					t.Errorf("sum %v, want %v", got, tc.want)
				}
			})
		}
	}
}

// TestF50FloatSumsAreTheSDKs has what the SDK adds up rightly, including what has no sum.
func TestF50FloatSumsAreTheSDKs(t *testing.T) {
	inf, nan, tiny := math.Inf(1), math.NaN(), math.SmallestNonzeroFloat64
	for _, values := range [][]float64{
		{inf},
		{1, -inf, 2},
		{inf, -inf, 1},
		{nan},
		{1, nan, 2.5},
		{inf, 5, .5},
		{tiny, tiny, -tiny},
		{0x1p-1022, tiny},
		{1, tiny},
		{math.Copysign(0, -1)},
		{1 << 53, -1, 2},
	} {
		for _, name := range floatSums {
			if want, got := sumOf(t, name, values...); !same(want, got) {
				t.Errorf("%s of %v: sum %v, the SDK's is %v", name, values, got, want)
			}
		}
	}
}

// anyFloat returns a finite value of one of five kinds: any bits at all, subnormal, whole, near a power of two that some
// integer type ends at, whole and of any size.
func anyFloat(r *rand.Rand, kind int) float64 {
	var v float64
	switch kind {
	case 0:
		v = math.Float64frombits(r.Uint64())
	case 1:
		v = math.Float64frombits(r.Uint64N(1 << 52)) // subnormal
	case 2:
		v = float64(int64(r.Uint64()))
	case 3:
		v = math.Ldexp(1, 50+r.IntN(16)) + float64(r.IntN(3)-1)
	default:
		v = math.Trunc(math.Ldexp(r.Float64(), r.IntN(1020)))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 1
	}
	if math.Abs(v) > 1e300 {
		v /= 64 // so that no sum overflows
	}
	if r.IntN(3) == 0 {
		return -v
	}
	return v
}

// TestF50AnyFloats adds up values of the whole range. The truth is the sum without rounding; what rounding in some order
// may add is at most half a unit in the last place of the sum of the sizes, for every addition.
func TestF50AnyFloats(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 50))
		values := make([]float64, 1+r.IntN(60))
		exact, sizes := new(big.Float).SetPrec(4096), 0.
		for i := range values {
			// Mostly of one kind, or the largest ones would hide what becomes of the others.
			values[i] = anyFloat(r, (int(seed)+r.IntN(10)/9)%5)
			exact.Add(exact, big.NewFloat(values[i]))
			sizes += math.Abs(values[i])
		}
		want, _ := exact.Float64()
		tolerance := float64(len(values)) * sizes * 0x1p-52
		for _, name := range floatSums {
			if _, got := sumOf(t, name, values...); !(math.Abs(got-want) <= tolerance) {
				t.Errorf("seed %d: %s: sum %v, want %v ± %v", seed, name, got, want, tolerance)
			}
		}
	}
}
