package middleware

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// deferring is a meter provider that keeps what it is to call before it collects. Its histograms of seconds call
// record, and its up-down counters add to level.
type deferring struct {
	noop.MeterProvider
	settle *func() bool
	record func()
	level  *atomic.Int64
}

func newDeferring() deferring {
	return deferring{settle: new(func() bool), record: func() {}, level: new(atomic.Int64)}
}

type deferringMeter struct {
	noop.Meter
	deferring
}

func (d deferring) Meter(string, ...metric.MeterOption) metric.Meter {
	return deferringMeter{deferring: d}
}

func (d deferring) Defer(settle func() bool) bool {
	*d.settle = settle
	return true
}

type callingHistogram struct {
	noop.Float64Histogram
	record func()
}

func (d deferringMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return callingHistogram{record: d.record}, nil
}

type addingCounter struct {
	noop.Int64UpDownCounter
	level *atomic.Int64
}

func (d deferringMeter) Int64UpDownCounter(string, ...metric.Int64UpDownCounterOption) (metric.Int64UpDownCounter, error) {
	return addingCounter{level: d.level}, nil
}

func (c addingCounter) Add(_ context.Context, n int64, _ ...metric.AddOption) { c.level.Add(n) }

func (h callingHistogram) Record(context.Context, float64, ...metric.RecordOption) { h.record() }

// TestBatchesFollowRecorders serves requests at once, and waits for their recorders to be collected.
func TestBatchesFollowRecorders(t *testing.T) {
	mw, err := New(WithMeterProvider(newDeferring()))
	if err != nil {
		t.Fatal(err)
	}
	serveNested(mw, 50)
	batches := func() int {
		mw.server.batches.mu.Lock()
		defer mw.server.batches.mu.Unlock()
		return len(mw.server.batches.all)
	}
	if got := batches(); got != 50 {
		t.Fatalf("%d batches for 50 requests at once", got)
	}
	for range 1000 {
		if batches() == 0 {
			return
		}
		runtime.GC()
		runtime.Gosched()
	}
	t.Errorf("%d batches are left of recorders that are no more", batches())
}

// TestMiddlewareIsNotKept drops a Middleware that the meter provider knows.
func TestMiddlewareIsNotKept(t *testing.T) {
	meters := newDeferring()
	settle := func() bool { return (*meters.settle)() }
	func() {
		mw, err := New(WithMeterProvider(meters))
		if err != nil {
			t.Fatal(err)
		}
		serveNested(mw, 3)
		if !settle() {
			t.Fatal("a Middleware that is used wants no more of collections")
		}
	}()
	for range 1000 {
		if !settle() {
			return
		}
		runtime.GC()
		runtime.Gosched()
	}
	t.Error("the meter provider keeps the Middleware")
}

// TestActiveRequestsOfADroppedMiddleware collects while a request is served, and then drops the Middleware.
func TestActiveRequestsOfADroppedMiddleware(t *testing.T) {
	meters := newDeferring()
	var level atomic.Int64
	meters.level = &level
	func() {
		mw, err := New(WithMeterProvider(meters))
		if err != nil {
			t.Fatal(err)
		}
		h := mw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { (*meters.settle)() }))
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}()
	if got := level.Load(); got != 1 {
		t.Fatalf("%d requests were active while one was", got)
	}
	for range 1000 {
		if level.Load() == 0 {
			return
		}
		runtime.GC()
		runtime.Gosched()
	}
	t.Errorf("%d requests are active for ever", level.Load())
}

// TestNewRequestsDoNotWaitForACollection makes a recorder while a measurement that waited is being recorded.
func TestNewRequestsDoNotWaitForACollection(t *testing.T) {
	meters := newDeferring()
	entered, proceed := make(chan struct{}), make(chan struct{})
	meters.record = func() {
		entered <- struct{}{}
		<-proceed
	}
	mw, err := New(WithMeterProvider(meters))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/page", func(http.ResponseWriter, *http.Request) {})
	mw.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/page", nil))
	settled := make(chan bool)
	go func() { settled <- (*meters.settle)() }()
	<-entered
	if rec := mw.server.newRecorder(); rec.batch == nil {
		t.Error("a recorder without a batch")
	}
	close(proceed)
	<-settled
}

// serveNested serves n requests, each while the one before is served.
func serveNested(mw *Middleware, n int) {
	if n == 0 {
		return
	}
	h := mw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { serveNested(mw, n-1) })) // of another writer, and so not nested for the middleware
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
}
