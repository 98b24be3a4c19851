package vocabulary_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// meters is a meter provider and the reader of what was recorded with it.
type meters struct {
	*sdkmetric.MeterProvider
	reader *sdkmetric.ManualReader
}

func newMeters(tb testing.TB, opts ...sdkmetric.Option) *meters {
	tb.Helper()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(append(opts, sdkmetric.WithReader(reader))...)
	tb.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return &meters{MeterProvider: mp, reader: reader}
}

func (m *meters) collect(t *testing.T) []metricdata.ScopeMetrics {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := m.reader.Collect(context.Background(), &rm); err != nil {
		t.Fatal(err)
	}
	return rm.ScopeMetrics
}

// find returns the data of the middleware's metric of that name, nil where there is none.
func find(scopes []metricdata.ScopeMetrics, name string) metricdata.Aggregation {
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			if sm.Scope.Name == middleware.ScopeName && m.Name == name {
				return m.Data
			}
		}
	}
	return nil
}

// as asserts that the metric of that name is an A.
func as[A metricdata.Aggregation](t *testing.T, scopes []metricdata.ScopeMetrics, name string) A {
	t.Helper()
	a, ok := find(scopes, name).(A)
	if !ok {
		t.Fatalf("%s is %T, want %T", name, find(scopes, name), a)
	}
	return a
}

func label(s attribute.Set, key attribute.Key) string {
	v, _ := s.Value(key)
	return v.String()
}

func encoded(s attribute.Set) string { return s.Encoded(attribute.DefaultEncoder()) }

// rewritten is one collection of recorded requests in a vocabulary.
func rewritten(t *testing.T, m *meters, names vocabulary.Names) []metricdata.ScopeMetrics {
	t.Helper()
	return vocabulary.Rewrite(m.collect(t), names)
}
