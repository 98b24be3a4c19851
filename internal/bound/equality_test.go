package bound_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// views are what the one view function of a provider may say.
var views = []struct {
	name string
	view sdkmetric.View
}{
	{"none", nil},
	{"no match", sdkmetric.NewView(sdkmetric.Instrument{Name: "absent"}, sdkmetric.Stream{Name: "y"})},
	{"rename", sdkmetric.NewView(sdkmetric.Instrument{Name: "a"}, sdkmetric.Stream{Name: "b", Description: "d", Unit: "By"})},
	{"all one name", func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: "one", Unit: "1"}, true
	}},
	{"no name", func(sdkmetric.Instrument) (sdkmetric.Stream, bool) { return sdkmetric.Stream{}, true }},
	{"drop", sdkmetric.NewView(sdkmetric.Instrument{Name: "a"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDrop{}})},
	{"default", sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationDefault{}})},
	{"filter", sdkmetric.NewView(sdkmetric.Instrument{Name: "*"}, sdkmetric.Stream{AttributeFilter: attribute.NewAllowKeysFilter("k1", "map")})},
	{"filter all", sdkmetric.NewView(sdkmetric.Instrument{Name: "?"}, sdkmetric.Stream{AttributeFilter: attribute.NewAllowKeysFilter()})},
	{"buckets", aggregate(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{-1, 0, 7}})},
	{"buckets unsorted", aggregate(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{9, 0, 4, 4}})},
	{"no min max", aggregate(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{3}, NoMinMax: true})},
	{"no buckets", aggregate(sdkmetric.AggregationExplicitBucketHistogram{})},
	{"many buckets", aggregate(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: manyBounds()})},
	{"sum", aggregate(sdkmetric.AggregationSum{})},
	{"last value", aggregate(sdkmetric.AggregationLastValue{})},
	{"exponential", aggregate(sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 10})},
	{"exponential for lower case", func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 10}}, i.Name == "a"
	}},
	{"incompatible for lower case", func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		st := sdkmetric.Stream{Name: i.Name, Aggregation: sdkmetric.AggregationLastValue{}}
		if i.Kind == sdkmetric.InstrumentKindGauge {
			st.Aggregation = sdkmetric.AggregationSum{}
		}
		return st, i.Name == "a"
	}},
	{"pointer to an aggregation", aggregate(&sdkmetric.AggregationSum{})},
}

// aggregate returns a view that changes nothing but the aggregation.
func aggregate(a sdkmetric.Aggregation) sdkmetric.View {
	return func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit, Aggregation: a}, true
	}
}

func manyBounds() []float64 {
	var bounds []float64
	for i := range 50 {
		bounds = append(bounds, float64(i*3-20))
	}
	return bounds
}

// readers are what the reader may choose by kind.
var readers = []sdkmetric.AggregationSelector{
	nil,
	func(sdkmetric.InstrumentKind) sdkmetric.Aggregation { return nil },
	func(sdkmetric.InstrumentKind) sdkmetric.Aggregation { return sdkmetric.AggregationDefault{} },
	func(sdkmetric.InstrumentKind) sdkmetric.Aggregation {
		return sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{2, 1}}
	},
	func(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
		if k == sdkmetric.InstrumentKindHistogram {
			return sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 2}, NoMinMax: true}
		}
		return sdkmetric.DefaultAggregationSelector(k)
	},
	func(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
		if k == sdkmetric.InstrumentKindHistogram {
			return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 10}
		}
		return sdkmetric.DefaultAggregationSelector(k)
	},
}

// advices are options an instrument may be created with.
var advices = [][]any{
	{},
	{},
	{metric.WithDescription("what it is"), metric.WithUnit("s")},
	{metric.WithExplicitBucketBoundaries(-3, 2, 8)},
	{metric.WithExplicitBucketBoundaries(5, 5)},
	{metric.WithExplicitBucketBoundaries()},
	{x.WithDefaultAttributes("k1"), x.WithDefaultAttributes("k2")},
	{x.WithDefaultAttributes()},
}

// attributeSets has sets that are the same in another order, with another type, with a key twice, with
// maps that the SDK normalizes, and the overflow set itself.
var attributeSets = [][]attribute.KeyValue{
	nil,
	{attribute.String("k1", "v")},
	{attribute.String("k1", "v"), attribute.Int("k2", 1)},
	{attribute.Int("k2", 1), attribute.String("k1", "v")},
	{attribute.String("k1", "w"), attribute.String("k1", "v")},
	{attribute.Int("k2", 1)},
	{attribute.Float64("k2", 1)},
	{attribute.StringSlice("k3", []string{"a", "b"})},
	{{Key: "map", Value: attribute.MapValue(attribute.Int("m", 1), attribute.Int("m", 2), attribute.Int("l", 0))}},
	{{Key: "map", Value: attribute.MapValue(attribute.Int("l", 0), attribute.Int("m", 2))}},
	{{Key: "map", Value: attribute.SliceValue(attribute.IntValue(1), attribute.MapValue(attribute.Int("m", 1), attribute.Int("m", 1)))}},
	{{Key: "map", Value: attribute.SliceValue(attribute.IntValue(1), attribute.MapValue(attribute.Int("m", 1)))}},
	{attribute.Bool("otel.metric.overflow", true)},
}

// program is a random sequence of measurements that both of a twin run.
type program struct {
	*rand.Rand
	twin  *twin
	pairs []pair
}

// pair is one instrument of each provider, and ours bound.
type pair struct {
	stock, ours measure
	bind        binder
	bound       map[int]measure
}

// create makes an instrument in both meters.
func (p *program) create(t *testing.T) {
	meters := p.twin.both([]string{"s1", "s2"}[p.IntN(2)], metric.WithInstrumentationVersion([]string{"", "1"}[p.IntN(2)]))
	name := []string{"a", "A", "b", "1nvalid"}[p.IntN(4)]
	kind, opts := instruments[p.IntN(len(instruments))], advices[p.IntN(len(advices))]
	stock, _, errStock := kind.make(meters[0], name, opts...)
	ours, bind, err := kind.make(meters[1], name, opts...)
	if fmt.Sprint(err) != fmt.Sprint(errStock) {
		t.Fatalf("%s(%q, %v): error %v, stock %v", kind.name, name, opts, err, errStock)
	}
	if bind == nil {
		t.Fatalf("%s does not bind", kind.name)
	}
	p.pairs = append(p.pairs, pair{stock, ours, bind, map[int]measure{}})
}

// measure records one value on an instrument of both: ours bound or not.
func (p *program) measure(ctx context.Context) {
	i := p.pairs[p.IntN(len(p.pairs))]
	// Multiples of 1/64 add up exactly in any order.
	v := float64(p.IntN(4000)-1000) / 64
	set := p.IntN(len(attributeSets))
	attrs := slices.Clone(attributeSets[set])
	given := p.given()
	i.stock(ctx, v, append([]metric.MeasurementOption{metric.WithAttributes(attrs...)}, given...)...)
	if p.IntN(3) == 0 {
		i.ours(ctx, v, append([]metric.MeasurementOption{metric.WithAttributes(attrs...)}, given...)...)
		return
	}
	if i.bound[set] == nil || p.IntN(20) == 0 {
		i.bound[set] = i.bind(attrs...)
		clear(attrs)
	}
	i.bound[set](ctx, v, given...)
}

// given returns the options a measurement brings itself: mostly none.
func (p *program) given() []metric.MeasurementOption {
	attrs := slices.Clone(attributeSets[p.IntN(len(attributeSets))])
	switch p.IntN(12) {
	case 0:
		return []metric.MeasurementOption{metric.WithAttributes(attrs...)}
	case 1:
		return []metric.MeasurementOption{x.WithUnsafeAttributes(attrs...), metric.WithAttributes(attribute.String("k1", "given"))}
	default:
		return nil
	}
}

// TestEquality runs random programs of bound and unbound measurements through the stock SDK and through
// this package, with every view, and compares what is exported, now and then and at the end.
func TestEquality(t *testing.T) {
	for v, tc := range views {
		for seed := range uint64(30) {
			t.Run(fmt.Sprint(tc.name, "/", seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, uint64(v)))
				s := setup{view: tc.view, limit: []int{0, 1, 2, 5, -1}[r.IntN(5)], aggregation: readers[r.IntN(len(readers))]}
				p := &program{Rand: r, twin: newTwin(s)}
				for range 1 + r.IntN(6) {
					p.create(t)
				}
				for range r.IntN(200) {
					p.measure(t.Context())
					if r.IntN(40) == 0 {
						p.twin.requireEqual(t)
					}
				}
				p.twin.requireEqual(t)
			})
		}
	}
}
