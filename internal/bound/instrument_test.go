package bound_test

import (
	"context"
	"math"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/metric/x"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/bound"
)

// TestBindAloneMakesNoSeries: what is exported is what was measured.
func TestBindAloneMakesNoSeries(t *testing.T) {
	tw := newTwin(setup{limit: 2})
	meters := tw.both("s")
	for _, k := range instruments {
		stock, _, _ := k.make(meters[0], k.name)
		_, bind, _ := k.make(meters[1], k.name)
		bind(attribute.Int("i", 0))
		late := bind(attribute.Int("i", 1))
		stock(t.Context(), 5, metric.WithAttributes(attribute.Int("i", 1)))
		late(t.Context(), 5)
	}
	tw.requireEqual(t)
}

func TestBindDoesNotKeepTheSlice(t *testing.T) {
	tw := newTwin(setup{})
	meters := tw.both("s")
	attrs := []attribute.KeyValue{attribute.Int("z", 1), attribute.Int("a", 2)}
	stock, _, _ := instruments[0].make(meters[0], "c")
	stock(t.Context(), 1, metric.WithAttributes(attrs...))
	_, bind, _ := instruments[0].make(meters[1], "c")
	b := bind(attrs...)
	if attrs[0].Key != "z" {
		t.Fatal("Bind sorted the caller's slice")
	}
	clear(attrs)
	b(t.Context(), 1)
	tw.requireEqual(t)
}

// TestSpecialFloats: not-a-number, infinities, and what does not fit an int64.
func TestSpecialFloats(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, values := range map[string][]float64{
		"nan first": {nan, 1, 5}, "nan later": {1, nan, 5}, "nan alone": {nan}, "inf": {inf, 1}, "minus inf": {-inf, 2},
		"large": {math.MaxFloat64, .5}, "two to the 63": {1 << 63, .25}, "negative zero": {math.Copysign(0, -1)},
	} {
		for _, k := range instruments[4:] {
			t.Run(name+"/"+k.name, func(t *testing.T) {
				tw := newTwin(setup{})
				meters := tw.both("s")
				stock, _, _ := k.make(meters[0], "i")
				_, bind, _ := k.make(meters[1], "i")
				b := bind()
				for _, v := range values {
					stock(t.Context(), v)
					b(t.Context(), v)
				}
				want, got := tw.collect(t)
				w, g := floats(want[0].Metrics[0].Data), floats(got[0].Metrics[0].Data)
				for i := range w {
					if w[i] != g[i] && !(math.IsNaN(w[i]) && math.IsNaN(g[i])) {
						t.Fatalf("got %v, stock %v", g, w)
					}
				}
			})
		}
	}
}

// floats lists the numbers of the first point.
func floats(a metricdata.Aggregation) []float64 {
	switch d := a.(type) {
	case metricdata.Sum[float64]:
		return []float64{d.DataPoints[0].Value}
	case metricdata.Gauge[float64]:
		return []float64{d.DataPoints[0].Value}
	}
	p := a.(metricdata.Histogram[float64]).DataPoints[0]
	low, _ := p.Min.Value()
	high, _ := p.Max.Value()
	out := []float64{p.Sum, low, high, float64(p.Count)}
	for _, n := range p.BucketCounts {
		out = append(out, float64(n))
	}
	return out
}

func TestEnabled(t *testing.T) {
	for name, tc := range map[string]struct {
		agg  sdkmetric.Aggregation
		want bool
	}{
		"ours":         {nil, true},
		"dropped":      {sdkmetric.AggregationDrop{}, false},
		"incompatible": {sdkmetric.AggregationLastValue{}, false},
		"the SDK's":    {sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 9}, true},
		"unknown":      {&sdkmetric.AggregationSum{}, false},
	} {
		tw := newTwin(setup{view: aggregate(tc.agg)})
		stock, _ := tw.stock.Meter("s").Int64Counter("c")
		c, _ := tw.ours.Meter("s").Int64Counter("c")
		b := c.(x.Int64CounterBinder).Bind()
		if c.Enabled(t.Context()) != tc.want || b.Enabled(t.Context()) != tc.want || stock.Enabled(t.Context()) != tc.want {
			t.Errorf("%s: enabled %v, bound %v, stock %v, want %v", name, c.Enabled(t.Context()), b.Enabled(t.Context()), stock.Enabled(t.Context()), tc.want)
		}
	}
}

// TestMeasuringDoesNotAllocate covers all kinds, bound; with no filter, and with one outside a span.
func TestMeasuringDoesNotAllocate(t *testing.T) {
	ctx := context.Background()
	for name, cfg := range map[string]bound.Config{
		"plain":          {},
		"trace based":    {ExemplarFilter: exemplar.TraceBasedFilter},
		"all histograms": {View: aggregate(sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 2}})},
		"all dropped":    {View: aggregate(sdkmetric.AggregationDrop{})},
		"filtered by key": {View: func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			return sdkmetric.Stream{Name: i.Name, AttributeFilter: attribute.NewDenyKeysFilter("k")}, true
		}},
	} {
		cfg.Inner = sdkmetric.NewMeterProvider()
		m := bound.NewProvider(cfg).Meter("s")
		kv := attribute.String("k", "v")
		ic, _ := m.Int64Counter("ic")
		iu, _ := m.Int64UpDownCounter("iu")
		ih, _ := m.Int64Histogram("ih")
		ig, _ := m.Int64Gauge("ig")
		fc, _ := m.Float64Counter("fc")
		fu, _ := m.Float64UpDownCounter("fu")
		fh, _ := m.Float64Histogram("fh")
		fg, _ := m.Float64Gauge("fg")
		bic, biu := ic.(x.Int64CounterBinder).Bind(kv), iu.(x.Int64UpDownCounterBinder).Bind(kv)
		bih, big := ih.(x.Int64HistogramBinder).Bind(kv), ig.(x.Int64GaugeBinder).Bind(kv)
		bfc, bfu := fc.(x.Float64CounterBinder).Bind(kv), fu.(x.Float64UpDownCounterBinder).Bind(kv)
		bfh, bfg := fh.(x.Float64HistogramBinder).Bind(kv), fg.(x.Float64GaugeBinder).Bind(kv)
		for kind, f := range map[string]func(){
			"Int64Counter": func() { bic.Add(ctx, 1) }, "Int64UpDownCounter": func() { biu.Add(ctx, -1) },
			"Int64Histogram": func() { bih.Record(ctx, 7) }, "Int64Gauge": func() { big.Record(ctx, 7) },
			"Float64Counter": func() { bfc.Add(ctx, .5) }, "Float64UpDownCounter": func() { bfu.Add(ctx, -.5) },
			"Float64Histogram": func() { bfh.Record(ctx, 7) }, "Float64Gauge": func() { bfg.Record(ctx, 7) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s: bound %s: %v allocations", name, kind, n)
			}
		}
	}
}

// binding is a provider whose counters bind already, as the SDK's one day will.
type (
	binding        struct{ embedded.MeterProvider }
	bindingMeter   struct{ metric.Meter }
	bindingCounter struct{ noop.Int64Counter }
)

func (binding) Meter(string, ...metric.MeterOption) metric.Meter { return bindingMeter{noop.Meter{}} }

func (bindingMeter) Int64Counter(string, ...metric.Int64CounterOption) (metric.Int64Counter, error) {
	return bindingCounter{}, nil
}

func (c bindingCounter) Bind(...attribute.KeyValue) metric.Int64Counter { return c }

func TestStepsAsideForAnInnerBinder(t *testing.T) {
	m := bound.NewProvider(bound.Config{Inner: binding{}}).Meter("s")
	if c, _ := m.Int64Counter("c"); c != (bindingCounter{}) {
		t.Fatalf("%T", c)
	}
	if h, _ := m.Int64Histogram("h"); h == nil {
		t.Fatal("no histogram")
	} else if _, ok := h.(x.Int64HistogramBinder); !ok {
		t.Fatalf("%T does not bind", h)
	}
}

// TestStepsAsideAfterShutdown: then the SDK's meters do nothing, and so do ours.
func TestStepsAsideAfterShutdown(t *testing.T) {
	inner := sdkmetric.NewMeterProvider()
	if err := inner.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if m := bound.NewProvider(bound.Config{Inner: inner}).Meter("s"); m != (noop.Meter{}) {
		t.Fatalf("%T", m)
	}
}

// TestObservables are the inner meter's own, and so is the registration of callbacks for them.
func TestObservables(t *testing.T) {
	tw := newTwin(setup{})
	for _, m := range tw.both("s") {
		c, err := m.Int64ObservableCounter("oc")
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.Float64ObservableGauge("og", metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			o.Observe(2)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			o.ObserveInt64(c, 3)
			o.ObserveFloat64(g, 4, metric.WithAttributes(attribute.Int("i", 1)))
			return nil
		}, c, g)
		if err != nil {
			t.Fatal(err)
		}
		sync, err := m.Int64Counter("sync")
		if err != nil {
			t.Fatal(err)
		}
		sync.Add(t.Context(), 1)
	}
	tw.requireEqual(t)
}
