package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/middleware"
)

// TestActiveRequestsWhileTheyAre holds requests of two methods, and lets go of them one by one.
func TestActiveRequestsWhileTheyAre(t *testing.T) {
	m := newMeters(t)
	entered, proceed := make(chan struct{}), map[string]chan struct{}{"GET": make(chan struct{}), "POST": make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/held", func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-proceed[r.Method]
	})
	h := newMiddleware(t, m).Handler(mux)
	var served sync.WaitGroup
	check := func(want map[string]float64) {
		t.Helper()
		for _, p := range m.points(t, activeRequests) {
			if method := p.label("http.request.method"); p.sum != want[method] {
				t.Errorf("%g requests of %s are active, want %g", p.sum, method, want[method])
			}
		}
	}
	for _, method := range []string{"GET", "POST", "GET", "GET"} {
		r := newRequest(t, method, "/held")
		served.Go(func() { h.ServeHTTP(newPlainWriter(), r) })
		<-entered
	}
	check(map[string]float64{"GET": 3, "POST": 1})
	close(proceed["POST"])
	close(proceed["GET"])
	served.Wait()
	check(nil)
	if got := m.points(t, requestDuration); len(got) != 2 || got[0].count+got[1].count != 4 {
		t.Errorf("recorded %+v, want 4 requests of two methods", got)
	}
}

// TestConcurrentSafeRecording serves several routes from several goroutines while others collect: no count goes
// down, and none is lost.
func TestConcurrentSafeRecording(t *testing.T) {
	const servers, requests = 4, 2000
	m := newMeters(t)
	mux := http.NewServeMux()
	for i := range servers {
		mux.HandleFunc(fmt.Sprintf("/route%d/{id}", i), func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "four") })
	}
	h := newMiddleware(t, m).Handler(mux)
	var serving, collecting sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		collecting.Go(func() {
			before := uint64(0)
			for {
				now := total(m.points(t, requestDuration))
				if now < before {
					t.Errorf("the count went from %d to %d", before, now)
				}
				before = now
				for _, p := range m.points(t, activeRequests) {
					if p.sum < 0 { // more than there are may be seen: while one looks a request ends and another begins
						t.Errorf("%g requests are active", p.sum)
					}
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range servers {
		serving.Go(func() {
			for n := range requests {
				h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", fmt.Sprintf("/route%d/%d", (i+n)%servers, n)))
			}
		})
	}
	serving.Wait()
	close(done)
	collecting.Wait()
	for _, name := range []string{requestDuration, requestSize, responseSize} {
		points := m.points(t, name)
		if len(points) != servers || total(points) != servers*requests {
			t.Errorf("%s has %d requests in %d series, want %d in %d", name, total(points), len(points), servers*requests, servers)
		}
		for _, p := range points {
			if p.count != requests || (name == responseSize && p.sum != 4*requests) {
				t.Errorf("%s of %s: %d, sum %g", name, p.label("http.route"), p.count, p.sum)
			}
		}
	}
	for _, p := range m.points(t, activeRequests) {
		if p.sum != 0 {
			t.Errorf("in the end %g requests are active", p.sum)
		}
	}
}

func total(points []point) (n uint64) {
	for _, p := range points {
		n += p.count
	}
	return n
}

// TestExemplarsAreOfTheirRequest: an exemplar is read from the request's context.
func TestExemplarsAreOfTheirRequest(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	inner := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	b := bound.NewProvider(bound.Config{Inner: inner, ExemplarFilter: exemplar.TraceBasedFilter})
	mw, err := middleware.New(middleware.WithMeterProvider(b))
	if err != nil {
		t.Fatal(err)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	r := newRequest(t, "GET", "/items/7")
	mw.Handler(steadyMux(middleware.Routes)).ServeHTTP(newPlainWriter(), r.WithContext(trace.ContextWithSpanContext(r.Context(), span)))
	scopes, err := b.Produce(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, metric := range scopes[0].Metrics {
		h, ok := metric.Data.(metricdata.Histogram[float64])
		if !ok || metric.Name != requestDuration {
			continue
		}
		if e := h.DataPoints[0].Exemplars; len(e) != 1 || trace.TraceID(e[0].TraceID) != span.TraceID() {
			t.Errorf("the exemplars are %+v, want the request's", e)
		}
		return
	}
	t.Error("no duration was recorded")
}

// TestPanickingFilterCostsItsMeasurements: recording may run the code of a view.
func TestPanickingFilterCostsItsMeasurements(t *testing.T) {
	var reported atomic.Int32
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { reported.Add(1) }))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	m := newStockMeters(t, 0)
	m.bound = bound.NewProvider(bound.Config{Inner: m.MeterProvider, View: func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, AttributeFilter: func(kv attribute.KeyValue) bool {
			if i.Name == requestDuration && kv.Value.AsString() == "/items/{id}" {
				panic("filter")
			}
			return true
		}}, true
	}})
	m.MeterProvider = m.bound
	h := newMiddleware(t, m).Handler(steadyMux(middleware.Routes))
	for range 40 {
		h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/7"))
		h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/"))
	}
	if got := m.points(t, requestDuration); len(got) != 1 || got[0].label("http.route") != "/" || got[0].count != 40 {
		t.Errorf("the durations are %+v, want 40 of the good route", got)
	}
	if got := total(m.points(t, responseSize)); got != 80 {
		t.Errorf("%d sizes, want all 80", got)
	}
	if n := reported.Load(); n != 1 {
		t.Errorf("%d errors were reported, want one", n)
	}
}

// TestPanickingFilterOfOneInstrument: the others go on, with attributes of the application and without.
func TestPanickingFilterOfOneInstrument(t *testing.T) {
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	for _, instrument := range []string{activeRequests, requestDuration, requestSize, responseSize} {
		for name, opts := range map[string][]middleware.Option{
			"usual": nil,
			"attributes": {middleware.WithAttributes(func(*http.Request) []attribute.KeyValue {
				return []attribute.KeyValue{attribute.String("tenant", "a")}
			})},
		} {
			t.Run(instrument+"/"+name, func(t *testing.T) {
				m := newStockMeters(t, 0)
				m.bound = bound.NewProvider(bound.Config{Inner: m.MeterProvider, View: func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
					return sdkmetric.Stream{Name: i.Name, AttributeFilter: func(attribute.KeyValue) bool {
						if i.Name == instrument {
							panic("filter")
						}
						return true
					}}, true
				}})
				m.MeterProvider = m.bound
				h := newMiddleware(t, m, opts...).Handler(steadyMux(middleware.Routes))
				for range 20 {
					h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/items/7"))
				}
				for _, other := range []string{requestDuration, requestSize, responseSize} {
					want := uint64(20)
					if other == instrument {
						want = 0
					}
					if got := total(m.points(t, other)); got != want {
						t.Errorf("%s has %d requests, want %d", other, got, want)
					}
				}
			})
		}
	}
}

// TestRoutesAreKeptApart serves what differs in one thing only.
func TestRoutesAreKeptApart(t *testing.T) {
	m := newMeters(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/told", func(w http.ResponseWriter, _ *http.Request) { middleware.SetRoute(w, "host/elsewhere") })
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/catch-all", func(w http.ResponseWriter, _ *http.Request) { middleware.SetRoute(w, "/") })
	h := newMiddleware(t, m).Handler(mux)
	for _, path := range []string{"/", "/nowhere", "/told", "/elsewhere", "/", "/told", "/catch-all"} {
		h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", path))
	}
	want := map[string]uint64{"/ 200": 2, "unmatched 200": 2, "host/elsewhere 200": 2, "/elsewhere 418": 1}
	for _, p := range m.points(t, requestDuration) {
		k := strings.Join([]string{p.label("http.route"), p.label(attribute.Key("http.response.status_code"))}, " ")
		if p.count != want[k] {
			t.Errorf("%s: %d, want %d", k, p.count, want[k])
		}
		delete(want, k)
	}
	if len(want) > 0 {
		t.Errorf("not recorded: %v", want)
	}
}
