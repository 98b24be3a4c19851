package bound_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/metric/x"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/duotel/duotel/internal/bound"
)

// recorderOfAll is what a bound histogram offers to who has many measurements.
type recorderOfAll[N int64 | float64] interface {
	RecordAll(ctx context.Context, vs []N)
}

// TestRecordAllIsRecord gives the same measurements to the stock SDK one by one and to bound histograms some at
// once, with every view.
func TestRecordAllIsRecord(t *testing.T) {
	for v, tc := range views {
		for seed := range uint64(10) {
			t.Run(fmt.Sprint(tc.name, "/", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(v)))
				twin := newTwin(setup{view: tc.view, limit: []int{0, 1, 3}[r.IntN(3)], aggregation: readers[r.IntN(len(readers))]})
				m := twin.both("s")
				stockFloats, ourFloats := made(m[0].Float64Histogram("a")), made(m[1].Float64Histogram("a"))
				stockInts, ourInts := made(m[0].Int64Histogram("b")), made(m[1].Int64Histogram("b"))
				for range 8 {
					set := attributeSets[r.IntN(len(attributeSets))]
					floats, ints := values(r)
					for i := range floats {
						stockFloats.Record(t.Context(), floats[i], metric.WithAttributes(set...))
						stockInts.Record(t.Context(), ints[i], metric.WithAttributes(set...))
					}
					recordAll(t, ourFloats.(x.Float64HistogramBinder).Bind(slices.Clone(set)...), floats)
					recordAll(t, ourInts.(x.Int64HistogramBinder).Bind(slices.Clone(set)...), ints)
				}
				twin.requireEqual(t)
			})
		}
	}
}

// values are as many of both types, at least one, with equal ones in a row. The floats have no exact sum, so that
// the order of its terms shows.
func values(r *rand.Rand) (floats []float64, ints []int64) {
	for range 1 + r.IntN(8) {
		n := r.IntN(4000) - 1000
		for range 1 + r.IntN(6) {
			floats, ints = append(floats, float64(n)/10), append(ints, int64(n))
		}
	}
	return floats, ints
}

func recordAll[N int64 | float64](t *testing.T, instrument any, vs []N) {
	t.Helper()
	all, ok := instrument.(recorderOfAll[N])
	if !ok {
		t.Fatalf("%T has no RecordAll", instrument)
	}
	half := len(vs) / 2 // in two parts, because the first makes the series
	all.RecordAll(t.Context(), vs[:half])
	all.RecordAll(t.Context(), vs[half:])
}

type deferrer interface{ Defer(settle func() bool) bool }

func TestDeferredIsCollected(t *testing.T) {
	twin := newTwin(setup{})
	m := twin.ours.Meter("s")
	c := made(m.Int64Counter("a"))
	waiting := int64(0)
	settle := func() bool {
		c.Add(t.Context(), waiting)
		waiting = 0
		return true
	}
	if !m.(deferrer).Defer(settle) {
		t.Fatal("without exemplars nothing may be deferred")
	}
	stock := made(twin.stock.Meter("s").Int64Counter("a"))
	for n := range int64(3) {
		stock.Add(t.Context(), n)
		waiting = n
		twin.requireEqual(t)
	}
}

func TestDeferredUntilItIsOver(t *testing.T) {
	p := newTwin(setup{}).ours
	var calls []string
	for name, lasts := range map[string]int{"one": 1, "two": 2, "ever": 100} {
		p.Meter("s").(deferrer).Defer(func() bool {
			calls = append(calls, name)
			lasts--
			return lasts > 0
		})
	}
	for range 3 {
		p.Settle()
	}
	slices.Sort(calls)
	if want := []string{"ever", "ever", "ever", "one", "two", "two"}; !slices.Equal(calls, want) {
		t.Errorf("settled %v, want %v", calls, want)
	}
}

// TestNoDeferring: neither where exemplars are kept, nor when nothing is measured any more.
func TestNoDeferring(t *testing.T) {
	if m := newTwin(setup{filter: exemplar.TraceBasedFilter}).ours.Meter("s"); m.(deferrer).Defer(func() bool { return true }) {
		t.Error("with exemplars measurements are deferred")
	}
	if _, ok := bound.NewProvider(bound.Config{Inner: noop.NewMeterProvider()}).Meter("s").(deferrer); ok {
		t.Error("a no-op meter defers")
	}
}

// made is an instrument: some views make the SDK complain, and the instrument works beside the error.
func made[T any](v T, _ error) T { return v }
