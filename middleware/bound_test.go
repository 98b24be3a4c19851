package middleware_test

import (
	"context"
	"maps"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/middleware"
)

// boundProvider is a provider whose instruments can be bound.
func boundProvider() *bound.Provider {
	return bound.NewProvider(bound.Config{Inner: sdkmetric.NewMeterProvider(sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))})
}

// TestBoundIsTheSame serves the same requests on instruments that can be bound and on the SDK's.
func TestBoundIsTheSame(t *testing.T) {
	b := boundProvider()
	stock := newStockMeters(t, 0)
	onBound, err := middleware.New(middleware.WithMeterProvider(b))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, s := range steady(t) {
			onBound.Handler(steadyMux(middleware.Routes)).ServeHTTP(s.w, s.r)
		}
		for _, s := range steady(t) {
			newMiddleware(t, stock).Handler(steadyMux(middleware.Routes)).ServeHTTP(s.w, s.r)
		}
	}
	got, err := b.Produce(context.Background())
	if err != nil || len(got) != 1 {
		t.Fatalf("%d scopes, %v", len(got), err)
	}
	var want metricdata.ResourceMetrics
	if err := stock.reader.Collect(context.Background(), &want); err != nil {
		t.Fatal(err)
	}
	have := map[string]metricdata.Metrics{}
	for _, m := range got[0].Metrics {
		have[m.Name] = m
	}
	for _, m := range want.ScopeMetrics[0].Metrics {
		metricdatatest.AssertEqual(t, m, have[m.Name], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreValue())
		if g, w := countsOf(have[m.Name]), countsOf(m); !maps.Equal(g, w) {
			t.Errorf("%s counts %v, want %v", m.Name, g, w)
		}
		delete(have, m.Name)
	}
	if len(have) != 0 {
		t.Errorf("only bound: %v", have)
	}
}

// countsOf returns the count of each series, or the value of a level's.
func countsOf(m metricdata.Metrics) map[attribute.Distinct]int64 {
	counts := map[attribute.Distinct]int64{}
	switch d := m.Data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			counts[p.Attributes.Equivalent()] = int64(p.Count)
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			counts[p.Attributes.Equivalent()] = int64(p.Count)
		}
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			counts[p.Attributes.Equivalent()] = p.Value
		}
	}
	return counts
}

func TestNoAllocationWhenBound(t *testing.T) {
	mw, err := middleware.New(middleware.WithMeterProvider(boundProvider()))
	if err != nil {
		t.Fatal(err)
	}
	bare := steadyMux(middleware.Routes)
	measured := mw.Handler(steadyMux(middleware.Routes))
	for _, tt := range steady(t) {
		want := testing.AllocsPerRun(500, func() { bare.ServeHTTP(tt.w, tt.r) })
		got := testing.AllocsPerRun(500, func() { measured.ServeHTTP(tt.w, tt.r) })
		if got > want+tt.copies+poolAllocs {
			t.Errorf("%s: %g allocations a request, the bare handler has %g", tt.name, got, want)
		}
	}
}
