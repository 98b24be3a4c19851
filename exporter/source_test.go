package exporter_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/duotel/duotel/exporter"
)

// newSource returns a Source and the meter of its provider.
func newSource(t *testing.T) (*exporter.Source, metric.Meter) {
	t.Helper()
	src := exporter.NewSource(exporter.SourceConfig{})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(src.Reader()), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))
	t.Cleanup(func() { shutdown(src) })
	return src, provider.Meter("app")
}

// shutdown stops what a test opened; where a test made it hang, the deadline ends the wait.
func shutdown(s interface{ Shutdown(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.Shutdown(ctx)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSourceCollects(t *testing.T) {
	src, meter := newSource(t)
	c := must(meter.Int64Counter("jobs"))
	c.Add(t.Context(), 3, metric.WithAttributes(attribute.String("queue", "mail")))
	snap, err := src.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Release()
	want := metricdata.Sum[int64]{
		Temporality: metricdata.CumulativeTemporality,
		IsMonotonic: true,
		DataPoints:  []metricdata.DataPoint[int64]{{Attributes: attribute.NewSet(attribute.String("queue", "mail")), Value: 3}},
	}
	metricdatatest.AssertAggregationsEqual(t, want, snap.Scopes[0].Metrics[0].Data, metricdatatest.IgnoreTimestamp())
	if snap.Resource == nil || time.Since(snap.Time) > time.Minute {
		t.Errorf("snapshot has resource %v and time %v", snap.Resource, snap.Time)
	}
}

// TestSourceReusesMemory checks that a steady collection does not allocate per series.
func TestSourceReusesMemory(t *testing.T) {
	allocs := map[int]float64{}
	for _, n := range []int{10, 1000} {
		src, meter := newSource(t)
		c := must(meter.Int64Counter("jobs"))
		for i := range n {
			c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("i", i)))
		}
		allocs[n] = testing.AllocsPerRun(20, func() {
			snap, err := src.Collect(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			snap.Release()
		})
	}
	// The race detector makes the runtime allocate now and then; one allocation per series would be 1,000.
	if allocs[1000] > allocs[10]+500 {
		t.Fatalf("a collection of 1,000 series makes %v allocations and one of 10 series %v; they should be alike", allocs[1000], allocs[10])
	}
}

// TestF3SourceKeepsDataBesideAnError uses a producer that fails, since callbacks are guarded.
func TestF3SourceKeepsDataBesideAnError(t *testing.T) {
	var reported []error
	src := exporter.NewSource(exporter.SourceConfig{
		Producers:    []sdkmetric.Producer{producerFunc(func() ([]metricdata.ScopeMetrics, error) { return nil, errors.New("no data") })},
		ErrorHandler: func(err error) { reported = append(reported, err) },
	})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(src.Reader()))
	must(provider.Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
	snap, err := src.Collect(t.Context())
	if err != nil {
		t.Fatalf("Collect failed: %v; the data beside the error is lost", err)
	}
	defer snap.Release()
	if len(snap.Scopes) != 1 || src.Errors() != 1 || len(reported) != 1 {
		t.Fatalf("%d scopes, %d errors counted, %d reported; want 1 of each", len(snap.Scopes), src.Errors(), len(reported))
	}
}

type producerFunc func() ([]metricdata.ScopeMetrics, error)

func (f producerFunc) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return f() }

func TestF4SourceHangingCallback(t *testing.T) {
	src, meter := newSource(t)
	hang := make(chan struct{})
	must(meter.Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-hang
		return nil
	})))
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := src.Collect(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Collect returned %v, want the deadline", err)
		}
		if _, err := src.Producer(nil).Produce(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Produce returned %v, want the deadline", err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := src.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown returned %v, want the deadline", err)
	}
	close(hang) // goleak in TestMain sees whatever piled up
}

func TestSourceShutdown(t *testing.T) {
	src, _ := newSource(t)
	if err := src.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Collect(t.Context()); !errors.Is(err, exporter.ErrShutdown) {
		t.Fatalf("Collect returned %v, want ErrShutdown", err)
	}
}

func TestSourceProducerFilters(t *testing.T) {
	src, meter := newSource(t)
	for _, name := range []string{"keep", "drop"} {
		must(meter.Int64Counter(name)).Add(t.Context(), 1)
	}
	scopes, err := src.Producer(func(scope, name string) bool { return scope == "app" && name == "keep" }).Produce(t.Context())
	if err != nil || len(scopes) != 1 || len(scopes[0].Metrics) != 1 || scopes[0].Metrics[0].Name != "keep" {
		t.Fatalf("got %+v, %v; want the one metric", scopes, err)
	}
	scopes, err = src.Producer(func(string, string) bool { return false }).Produce(t.Context())
	if err != nil || len(scopes) != 0 {
		t.Fatalf("got %+v, %v; want nothing", scopes, err)
	}
}

// slowAttachment fails when its context is over, as an attachment may.
type slowAttachment struct{}

func (slowAttachment) ProduceInto(ctx context.Context, dst *[]metricdata.ScopeMetrics) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	*dst = []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "attached"}}}}
	return nil
}

// TestHastyCallerTakesNothingFromOthers asks with a deadline shorter than a callback, and then without.
func TestHastyCallerTakesNothingFromOthers(t *testing.T) { synctest.Test(t, hastyAndPatient) }

func hastyAndPatient(t *testing.T) {
	src, meter := newSource(t)
	src.Attach(slowAttachment{})
	entered, proceed := make(chan struct{}, 4), make(chan struct{})
	must(meter.Int64ObservableGauge("slow", metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
		entered <- struct{}{}
		<-proceed
		if ctx.Err() != nil {
			return ctx.Err()
		}
		o.Observe(1)
		return nil
	})))
	hasty, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := src.Collect(hasty); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the hasty caller got %v", err)
	}
	<-entered
	time.Sleep(time.Millisecond) // of the bubble: the deadline is over for everybody
	got := make(chan int, 1)
	go func() {
		snap, err := src.Collect(context.Background())
		if err != nil {
			got <- 0
			return
		}
		defer snap.Release()
		n := 0
		for _, sm := range snap.Scopes {
			n += len(sm.Metrics)
		}
		got <- n
	}()
	synctest.Wait() // the patient caller waits for the same collection
	close(proceed)
	if n := <-got; n != 2 {
		t.Errorf("the patient caller got %d metrics, want both", n)
	}
}
