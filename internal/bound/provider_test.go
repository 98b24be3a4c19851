package bound_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/bound"
)

func newProvider(cfg bound.Config) *bound.Provider {
	cfg.Inner = sdkmetric.NewMeterProvider()
	return bound.NewProvider(cfg)
}

func TestNewProviderPanicsWithoutInner(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Fatal("did not panic")
		}
	}()
	bound.NewProvider(bound.Config{})
}

// TestLimits: what an instrument may keep, by configuration.
func TestLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		limit int
		forC  func(sdkmetric.Instrument) int
		want  int
	}{
		"default":            {0, nil, 2000},
		"configured":         {7, nil, 7},
		"none":               {-1, nil, 2500},
		"for the instrument": {7, func(sdkmetric.Instrument) int { return 3 }, 3},
		"none for it":        {7, func(sdkmetric.Instrument) int { return -1 }, 2500},
		"by kind and name": {7, func(i sdkmetric.Instrument) int {
			if i.Name == "c" && i.Kind == sdkmetric.InstrumentKindCounter && i.Scope.Name == "s" {
				return 4
			}
			return 0
		}, 4},
		"nothing for it": {7, func(sdkmetric.Instrument) int { return 0 }, 7},
	} {
		p := newProvider(bound.Config{CardinalityLimit: tc.limit, LimitFor: tc.forC})
		c, _ := p.Meter("s").Int64Counter("c")
		for i := range 2500 {
			c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
		}
		points := produce(t, p)[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints
		if len(points) != tc.want {
			t.Errorf("%s: %d series, want %d", name, len(points), tc.want)
		}
		if v, ok := points[len(points)-1].Attributes.Value("otel.metric.overflow"); tc.want < 2500 && !(ok && v.AsBool()) {
			t.Errorf("%s: last series is %v", name, points[len(points)-1].Attributes)
		}
	}
}

func produce(t *testing.T, p *bound.Provider) []metricdata.ScopeMetrics {
	t.Helper()
	sm, err := p.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return sm
}

// TestViewIsAskedOnce: an instrument that is made again, as some code does for every request, is looked up.
func TestViewIsAskedOnce(t *testing.T) {
	asked := 0
	p := newProvider(bound.Config{View: func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		asked++
		return sdkmetric.Stream{}, false
	}})
	for range 3 {
		for _, k := range instruments {
			if _, _, err := k.make(p.Meter("s"), k.name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if asked != len(instruments) {
		t.Fatalf("asked %d times for %d instruments", asked, len(instruments))
	}
}

// TestStartTimes: a point starts when its instrument was created, whenever its series was first measured.
func TestStartTimes(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newProvider(bound.Config{Now: func() time.Time { return now }})
	m := p.Meter("s")
	for _, k := range instruments {
		i, bind, _ := k.make(m, k.name)
		now = now.Add(time.Second)
		i(t.Context(), 1)
		now = now.Add(time.Second)
		bind(attribute.Int("i", 1))(t.Context(), 1)
	}
	now = time.Unix(2000, 0)
	for i, m := range produce(t, p)[0].Metrics {
		want := time.Unix(1000+2*int64(i), 0)
		for _, got := range times(m.Data) {
			if !got[0].Equal(want) || !got[1].Equal(now) {
				t.Errorf("%s: from %v to %v, want %v to %v", m.Name, got[0], got[1], want, now)
			}
		}
	}
}

// times lists start and end of every point.
func times(a metricdata.Aggregation) (out [][2]time.Time) {
	switch d := a.(type) {
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	case metricdata.Sum[float64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	case metricdata.Gauge[int64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	case metricdata.Gauge[float64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, [2]time.Time{p.StartTime, p.Time})
		}
	}
	return out
}

// TestScopes: meters of one identity share instruments, and a scope without points is left out.
func TestScopes(t *testing.T) {
	p := newProvider(bound.Config{})
	for _, opts := range [][]metric.MeterOption{
		nil,
		{metric.WithInstrumentationVersion("1")},
		{metric.WithSchemaURL("u")},
		{metric.WithInstrumentationAttributes(attribute.Int("i", 1))},
		{metric.WithInstrumentationAttributes(attribute.Int("i", 1))},
		nil,
	} {
		c, _ := p.Meter("s", opts...).Int64Counter("c")
		c.Add(t.Context(), 1)
	}
	if _, err := p.Meter("silent").Int64Counter("c"); err != nil {
		t.Fatal(err)
	}
	var values []int64
	for _, sm := range produce(t, p) {
		values = append(values, sm.Metrics[0].Data.(metricdata.Sum[int64]).DataPoints[0].Value)
	}
	if len(values) != 4 || values[0] != 2 || values[1] != 1 || values[2] != 1 || values[3] != 2 {
		t.Fatalf("%v", values)
	}
}

func TestProduceOfACancelledContext(t *testing.T) {
	p := newProvider(bound.Config{})
	c, _ := p.Meter("s").Int64Counter("c")
	c.Add(t.Context(), 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sm, err := p.Produce(ctx); !errors.Is(err, context.Canceled) || sm != nil {
		t.Fatalf("%v, %v", sm, err)
	}
}

// TestProduceIntoReusesMemory: the allocations of a collection do not depend on the number of series.
func TestProduceIntoReusesMemory(t *testing.T) {
	allocations := func(series int) float64 {
		p := newProvider(bound.Config{})
		m := p.Meter("s")
		for _, k := range instruments {
			i, _, _ := k.make(m, k.name)
			for n := range series {
				i(t.Context(), 1, metric.WithAttributes(attribute.Int("n", n)))
			}
		}
		var dst []metricdata.ScopeMetrics
		return testing.AllocsPerRun(10, func() {
			if err := p.ProduceInto(context.Background(), &dst); err != nil {
				t.Fatal(err)
			}
		})
	}
	if one, many := allocations(1), allocations(500); many > one || many > float64(len(instruments)) {
		t.Fatalf("%v allocations for 1 series each, %v for 500", one, many)
	}
}

// TestProduceIntoAnything: whatever dst held before, of the same kinds or of others, what it holds after
// is what Produce returns.
func TestProduceIntoAnything(t *testing.T) {
	for _, reversed := range []bool{false, true} {
		ours := newProvider(bound.Config{})
		other := newProvider(bound.Config{ExemplarFilter: exemplar.AlwaysOnFilter})
		for i, k := range instruments {
			o, _, _ := k.make(other.Meter("s"), k.name)
			for n := range 5 {
				o(t.Context(), float64(n), metric.WithAttributes(attribute.Int("o", n)))
			}
			if reversed {
				k = instruments[len(instruments)-1-i]
			}
			_, bind, _ := k.make(ours.Meter("s"), k.name)
			bind(attribute.Int("i", i))(t.Context(), 9)
		}
		dst := produce(t, other)
		if err := ours.ProduceInto(t.Context(), &dst); err != nil {
			t.Fatal(err)
		}
		requireSame(t, produce(t, ours), dst)
	}
}

// TestProducedMemoryIsTheCallers: changing it changes nothing in what comes next.
func TestProducedMemoryIsTheCallers(t *testing.T) {
	p := newProvider(bound.Config{})
	h, _ := p.Meter("s").Int64Histogram("h", metric.WithExplicitBucketBoundaries(1, 2))
	h.Record(t.Context(), 2)
	first, second := produce(t, p), produce(t, p)
	pt := &second[0].Metrics[0].Data.(metricdata.Histogram[int64]).DataPoints[0]
	pt.Bounds[0], pt.BucketCounts[1] = 99, 99
	requireSame(t, first, produce(t, p))
}
