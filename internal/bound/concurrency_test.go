package bound_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/bound"
)

// TestConcurrentSafeEquality lets goroutines measure the same series, bound and unbound, while another
// one collects, and compares the end with the stock SDK fed the same measurements one after another.
func TestConcurrentSafeEquality(t *testing.T) {
	const goroutines, measurements = 8, 3000
	tw := newTwin(setup{})
	meters := tw.both("s")
	type step struct {
		kind, set int
		v         float64
		bound     bool
	}
	var stock, ours []measure
	var binders []binder
	for _, k := range instruments {
		s, _, _ := k.make(meters[0], k.name)
		o, b, _ := k.make(meters[1], k.name)
		stock, ours, binders = append(stock, s), append(ours, o), append(binders, b)
	}
	var wg sync.WaitGroup
	for g := range uint64(goroutines) {
		r := rand.New(rand.NewPCG(g, 1))
		steps := make([]step, measurements)
		for i := range steps {
			steps[i] = step{r.IntN(len(instruments)), r.IntN(8), float64(r.IntN(400)) / 16, r.IntN(2) == 0}
			if strings.HasSuffix(instruments[steps[i].kind].name, "Gauge") {
				steps[i].v = 7 // the last value of a race is anybody's
			}
			stock[steps[i].kind](t.Context(), steps[i].v, metric.WithAttributes(attributeSets[steps[i].set]...))
		}
		wg.Go(func() {
			for _, s := range steps {
				if s.bound {
					binders[s.kind](attributeSets[s.set]...)(context.Background(), s.v)
				} else {
					ours[s.kind](context.Background(), s.v, metric.WithAttributes(attributeSets[s.set]...))
				}
			}
		})
	}
	stop := collectWhile(t, tw.ours)
	wg.Wait()
	stop()
	tw.requireEqual(t)
}

// collectWhile collects until the returned function is called, which waits for it, and fails the test
// if a sum that only grows shrinks or a histogram contradicts itself.
func collectWhile(t *testing.T, p *bound.Provider) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		c := checker{t: t, seen: map[string]map[attribute.Distinct]float64{}}
		var dst []metricdata.ScopeMetrics
		for {
			if err := p.ProduceInto(context.Background(), &dst); err != nil {
				t.Error(err)
			}
			c.check(dst)
			select {
			case <-done:
				return
			default:
			}
		}
	}()
	return func() { close(done); <-ended }
}

// checker remembers what only grows.
type checker struct {
	t    *testing.T
	seen map[string]map[attribute.Distinct]float64
}

func (c *checker) check(scopes []metricdata.ScopeMetrics) {
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				checkSum(c, m.Name, d)
			case metricdata.Sum[float64]:
				checkSum(c, m.Name, d)
			case metricdata.Histogram[int64]:
				checkHistogram(c, m.Name, d)
			case metricdata.Histogram[float64]:
				checkHistogram(c, m.Name, d)
			}
		}
	}
}

func (c *checker) grows(name string, attrs attribute.Set, v float64) {
	if c.seen[name] == nil {
		c.seen[name] = map[attribute.Distinct]float64{}
	}
	if before := c.seen[name][attrs.Equivalent()]; v < before {
		c.t.Errorf("%s %v went down from %v to %v", name, attrs.Encoded(attribute.DefaultEncoder()), before, v)
	}
	c.seen[name][attrs.Equivalent()] = v
}

func checkSum[N int64 | float64](c *checker, name string, d metricdata.Sum[N]) {
	for _, p := range d.DataPoints {
		if d.IsMonotonic {
			c.grows(name, p.Attributes, float64(p.Value))
		}
	}
}

func checkHistogram[N int64 | float64](c *checker, name string, d metricdata.Histogram[N]) {
	for _, p := range d.DataPoints {
		c.grows(name+"_sum", p.Attributes, float64(p.Sum))
		c.grows(name+"_count", p.Attributes, float64(p.Count))
		var n uint64
		for i, b := range p.BucketCounts {
			n += b
			c.grows(name+"_bucket"+string(rune('a'+i)), p.Attributes, float64(b))
		}
		if n != p.Count {
			c.t.Errorf("%s: count %d, buckets %d", name, p.Count, n)
		}
		if low, ok := p.Min.Value(); ok && float64(p.Sum) < float64(low)*float64(p.Count) {
			c.t.Errorf("%s: sum %v of %d values of at least %v", name, p.Sum, p.Count, low)
		}
		if high, ok := p.Max.Value(); ok && float64(p.Sum) > float64(high)*float64(p.Count) {
			c.t.Errorf("%s: sum %v of %d values of at most %v", name, p.Sum, p.Count, high)
		}
	}
}

// TestConcurrentSafeHistogramIsNeverTorn records one value only: whatever a collection sees, the sum is
// the count times that value.
func TestConcurrentSafeHistogramIsNeverTorn(t *testing.T) {
	p := bound.NewProvider(bound.Config{Inner: sdkmetric.NewMeterProvider()})
	_, bind, _ := kind("Float64Histogram").make(p.Meter("s"), "h")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			h := bind(attribute.String("k", "v"))
			for range 20000 {
				h(context.Background(), 3)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for last := false; !last; {
		select {
		case <-done:
			last = true
		default:
		}
		sm, err := p.Produce(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(sm) == 0 {
			continue
		}
		pt := sm[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints[0]
		if pt.Sum != 3*float64(pt.Count) || pt.BucketCounts[1] != pt.Count || last && pt.Count != 80000 {
			t.Fatalf("sum %v, count %d, buckets %v", pt.Sum, pt.Count, pt.BucketCounts)
		}
	}
}

// TestConcurrentSafeLimit lets goroutines race for the last places: no measurement is lost, and there
// are never more series than the limit.
func TestConcurrentSafeLimit(t *testing.T) {
	const limit, goroutines, sets = 50, 8, 400
	p := bound.NewProvider(bound.Config{Inner: sdkmetric.NewMeterProvider(), CardinalityLimit: limit})
	_, bind, _ := kind("Int64Counter").make(p.Meter("s"), "c")
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range sets {
				bind(attribute.Int("i", i))(context.Background(), 1)
			}
		})
	}
	stop := collectWhile(t, p)
	wg.Wait()
	stop()
	sm, err := p.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	points := sm[0].Metrics[0].Data.(metricdata.Sum[int64]).DataPoints
	total := int64(0)
	for _, pt := range points {
		total += pt.Value
	}
	if len(points) != limit || total != goroutines*sets {
		t.Fatalf("%d series with %d measurements, want %d and %d", len(points), total, limit, goroutines*sets)
	}
}
