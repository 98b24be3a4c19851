package middleware

import (
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// deferring is a meter provider that never collects.
type deferring struct{ noop.MeterProvider }

type deferringMeter struct{ noop.Meter }

func (deferring) Meter(string, ...metric.MeterOption) metric.Meter { return deferringMeter{} }

func (deferringMeter) Defer(func()) bool { return true }

// TestBatchesFollowRecorders serves requests at once, and waits for their recorders to be collected.
func TestBatchesFollowRecorders(t *testing.T) {
	mw, err := New(WithMeterProvider(deferring{}))
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

// serveNested serves n requests, each while the one before is served.
func serveNested(mw *Middleware, n int) {
	if n == 0 {
		return
	}
	h := mw.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { serveNested(mw, n-1) })) // of another writer, and so not nested for the middleware
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
}
