package bound_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// sampled returns a context in a sampled span, unsampled one in a span that is not.
func sampled(ctx context.Context, span byte) context.Context {
	return inSpan(ctx, span, trace.FlagsSampled)
}

func unsampled(ctx context.Context, span byte) context.Context { return inSpan(ctx, span, 0) }

func inSpan(ctx context.Context, span byte, flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1, span}, SpanID: trace.SpanID{span}, TraceFlags: flags,
	}))
}

// keepAll holds every exemplar it is offered; it is not safe for concurrent use.
type keepAll struct{ held []exemplar.Exemplar }

func (k *keepAll) Offer(ctx context.Context, at time.Time, v exemplar.Value, filtered []attribute.KeyValue) {
	id := trace.SpanContextFromContext(ctx).SpanID()
	k.held = append(k.held, exemplar.Exemplar{FilteredAttributes: filtered, Time: at, Value: v, SpanID: id[:]})
}

func (k *keepAll) Collect(dst *[]exemplar.Exemplar) { *dst = append((*dst)[:0], k.held...) }

func keepAllView(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	return sdkmetric.Stream{
		Name: i.Name, AttributeFilter: attribute.NewAllowKeysFilter("kept"),
		ExemplarReservoirProviderSelector: func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return func(attribute.Set) exemplar.Reservoir { return &keepAll{} }
		},
	}, true
}

// TestExemplars compares every exemplar, with the attributes that the view keeps off the series.
func TestExemplars(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))) // the size of a reservoir
	views := map[string]sdkmetric.View{"default reservoirs": nil, "the view's reservoirs": keepAllView}
	filters := map[string]exemplar.Filter{"trace based": exemplar.TraceBasedFilter, "on": exemplar.AlwaysOnFilter, "off": exemplar.AlwaysOffFilter}
	for viewName, view := range views {
		for filterName, filter := range filters {
			for _, k := range instruments {
				t.Run(viewName+"/"+filterName+"/"+k.name, func(t *testing.T) {
					tw := newTwin(setup{view: view, filter: filter})
					meters := tw.both("s")
					stock, _, _ := k.make(meters[0], "i")
					ours, bind, _ := k.make(meters[1], "i")
					attrs := []attribute.KeyValue{attribute.String("kept", "v"), attribute.String("dropped", "w"), attribute.Int("also", 1)}
					bound := bind(attrs...)
					both := func(ours measure, ctx context.Context, v float64, opts ...metric.MeasurementOption) {
						stock(ctx, v, metric.WithAttributes(append(attrs, given(opts)...)...))
						ours(ctx, v, opts...)
					}
					// One for each bucket, and never more than a fixed-size reservoir of two threads holds.
					both(bound, sampled(t.Context(), 1), 3)
					both(bound, unsampled(t.Context(), 2), 200)
					tw.requireEqual(t)
					both(bound, sampled(t.Context(), 3), 60, metric.WithAttributes(attribute.String("kept", "other")))
					tw.requireEqual(t)
					stock(sampled(t.Context(), 4), 8, metric.WithAttributes(attrs...))
					ours(sampled(t.Context(), 4), 8, metric.WithAttributes(attrs...))
					tw.requireEqual(t)
				})
			}
		}
	}
}

// given returns the attributes of opts.
func given(opts []metric.MeasurementOption) []attribute.KeyValue {
	var add []metric.AddOption
	for _, o := range opts {
		add = append(add, o)
	}
	set := metric.NewAddConfig(add).Attributes()
	return set.ToSlice()
}

// TestExemplarTimeAndSpan pins what an exemplar of a bound instrument says.
func TestExemplarTimeAndSpan(t *testing.T) {
	tw := newTwin(setup{filter: exemplar.TraceBasedFilter})
	_, bind, _ := kind("Int64Histogram").make(tw.ours.Meter("s"), "h")
	before := time.Now()
	h := bind()
	h(t.Context(), 1)
	h(sampled(t.Context(), 9), 7)
	sm, err := tw.ours.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ex := sm[0].Metrics[0].Data.(metricdata.Histogram[int64]).DataPoints[0].Exemplars
	if len(ex) != 1 || ex[0].Value != 7 || ex[0].SpanID[0] != 9 || ex[0].TraceID[1] != 9 {
		t.Fatalf("%+v", ex)
	}
	if ex[0].Time.Before(before) || ex[0].Time.After(time.Now()) {
		t.Fatalf("at %v", ex[0].Time)
	}
}
