package guard_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/internal/guard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a guarded provider whose reports are kept.
type rig struct {
	*guard.Provider
	reader *sdkmetric.ManualReader

	mu      sync.Mutex
	reports []string
}

func newRig() *rig {
	r := &rig{reader: sdkmetric.NewManualReader()}
	r.Provider = guard.NewProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(r.reader)), func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.reports = append(r.reports, err.Error())
	})
	return r
}

// collect returns the names of the metrics with data.
func (r *rig) collect(t *testing.T) map[string]bool {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatalf("Collect: %v; a guarded callback must not fail it", err)
	}
	names := map[string]bool{}
	for _, sm := range rm.ScopeMetrics {
		for _, m := range sm.Metrics {
			names[m.Name] = true
		}
	}
	return names
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// register makes one observable of every kind whose callback is f, and one good gauge.
func register(m metric.Meter, f func() error) {
	i := metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		if err := f(); err != nil {
			return err
		}
		o.Observe(1)
		return nil
	})
	fl := metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
		if err := f(); err != nil {
			return err
		}
		o.Observe(1)
		return nil
	})
	must(m.Int64ObservableCounter("i.counter", i))
	must(m.Int64ObservableUpDownCounter("i.updown", i))
	must(m.Int64ObservableGauge("i.gauge", i))
	must(m.Float64ObservableCounter("f.counter", fl))
	must(m.Float64ObservableUpDownCounter("f.updown", fl))
	must(m.Float64ObservableGauge("f.gauge", fl))
	multi := must(m.Int64ObservableGauge("multi"))
	must(m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		if err := f(); err != nil {
			return err
		}
		o.ObserveInt64(multi, 1)
		return nil
	}, multi))
	must(m.Int64ObservableGauge("good", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		o.Observe(1)
		return nil
	})))
}

const callbacks = 7 // how many register makes of f

// TestF3F5 checks that a callback that errors or panics costs its own data and nothing else.
func TestF3F5FailingCallbacks(t *testing.T) {
	cases := map[string]struct {
		fail   func() error
		report string
		count  func(guard.Stats) int64
	}{
		"F3 error": {func() error { return errors.New("no database") }, "failed: no database", func(s guard.Stats) int64 { return s.Errors }},
		"F5 panic": {func() error { panic("nil map") }, "panicked: nil map", func(s guard.Stats) int64 { return s.Panics }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			f := c.fail
			register(r.Meter("app"), func() error { return f() })
			for range 2 {
				if got := r.collect(t); len(got) != 1 || !got["good"] {
					t.Fatalf("collected %v, want only the good gauge", got)
				}
			}
			if n := c.count(r.Stats()); n != 2*callbacks {
				t.Errorf("%d failures counted, want %d", n, 2*callbacks)
			}
			if len(r.reports) != callbacks {
				t.Fatalf("%d reports, want one per callback: %q", len(r.reports), r.reports)
			}
			for _, report := range r.reports {
				if !strings.Contains(report, c.report) || !strings.Contains(report, `meter "app"`) || !strings.Contains(report, "guard_test.register") {
					t.Errorf("report %q does not say which callback and why", report)
				}
			}

			f = func() error { return nil }
			if got := r.collect(t); len(got) != callbacks+1 {
				t.Errorf("after recovery collected %v, want everything", got)
			}
			f = c.fail
			r.collect(t)
			if len(r.reports) != 2*callbacks {
				t.Errorf("%d reports after failing again, want %d", len(r.reports), 2*callbacks)
			}
		})
	}
}

func TestAsynchronous(t *testing.T) {
	r := newRig()
	register(r.Meter("app"), func() error { return nil })
	must(r.Meter("app").Int64Counter("sync"))
	for name, want := range map[string]bool{"i.counter": true, "f.gauge": true, "sync": false} {
		if got := r.Asynchronous("app", name); got != want {
			t.Errorf("Asynchronous(app, %s) is %v, want %v", name, got, want)
		}
	}
	if r.Asynchronous("other", "i.counter") {
		t.Error("an instrument of another meter counts")
	}
}

func TestOptionsSurvive(t *testing.T) {
	r := newRig()
	ok := metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error { o.Observe(2); return nil })
	must(r.Meter("app").Float64ObservableGauge("g", metric.WithUnit("s"), metric.WithDescription("d"), ok))
	var rm metricdata.ResourceMetrics
	if err := r.reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	if m := rm.ScopeMetrics[0].Metrics[0]; m.Unit != "s" || m.Description != "d" {
		t.Fatalf("got unit %q and description %q, want s and d", m.Unit, m.Description)
	}
}

func TestUnregister(t *testing.T) {
	r := newRig()
	m := r.Meter("app")
	g := must(m.Int64ObservableGauge("g"))
	reg := must(m.RegisterCallback(func(_ context.Context, o metric.Observer) error { o.ObserveInt64(g, 1); return nil }, g))
	if !r.collect(t)["g"] {
		t.Fatal("the registered callback was not called")
	}
	if err := reg.Unregister(); err != nil {
		t.Fatal(err)
	}
	if r.collect(t)["g"] {
		t.Fatal("the callback was called after Unregister")
	}
}
