package middleware_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/duotel/duotel/middleware"
)

// deliberate is where our attributes differ from otelhttp's, and why.
var deliberate = []struct {
	key  attribute.Key
	why  string
	edit func(ours, theirs map[attribute.Key]string)
}{
	{"server.address", "it is the client's Host header", dropTheirs("server.address")},
	{"server.port", "it is the client's Host header", dropTheirs("server.port")},
	{"network.protocol.name", "the conventions leave out what is http", dropTheirs("network.protocol.name")},
	{"network.protocol.version", "the conventions write 2", func(_, theirs map[attribute.Key]string) {
		if theirs["network.protocol.version"] == "2.0" {
			theirs["network.protocol.version"] = "2"
		}
	}},
	{"http.route", "what no route matched has a value of its own", func(ours, _ map[attribute.Key]string) {
		if ours["http.route"] == middleware.UnmatchedRoute {
			delete(ours, "http.route")
		}
	}},
	{"error.type", "the conventions ask for it, otelhttp has none", func(ours, _ map[attribute.Key]string) { delete(ours, "error.type") }},
}

func dropTheirs(key attribute.Key) func(ours, theirs map[attribute.Key]string) {
	return func(_, theirs map[attribute.Key]string) { delete(theirs, key) }
}

// TestSamePointsAsOtelhttp serves ordinary requests through both, one around the other, and wants the same
// points, except for what deliberate lists.
func TestSamePointsAsOtelhttp(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			ours, theirs := newMeters(t), newMeters(t)
			h := otelhttp.NewHandler(newMiddleware(t, ours).Handler(shop()), "", otelhttp.WithMeterProvider(theirs))
			s := serve(t, proto, h)
			for _, r := range [][3]string{
				{"GET", "/items/7"},
				{"GET", "/items/8"},
				{"GET", "/home/"},
				{"GET", "/fails"},
				{"GET", "/twice"},
				{"GET", "/hints"},
				{"POST", "/upload", "123456"},
				{"PUT", "/items/7"},
				{"GET", "/nope"},
				{"BREW", "/home/"},
			} {
				fetch(t, s, r[0], r[1], strings.NewReader(r[2]))
			}
			s.Close()
			for _, name := range []string{requestDuration, requestSize, responseSize} {
				comparePoints(t, name, ours.points(t, name), theirs.points(t, name))
			}
		})
	}
}

func comparePoints(t *testing.T, name string, ours, theirs []point) {
	t.Helper()
	if len(ours) == 0 || len(ours) != len(theirs) {
		t.Fatalf("%s: %d points, otelhttp has %d", name, len(ours), len(theirs))
	}
	for _, p := range ours {
		i := slices.IndexFunc(theirs, func(q point) bool { return sameAttributes(p.attrs, q.attrs) })
		if i < 0 {
			t.Errorf("%s: otelhttp has no point %s", name, p.attrs.Encoded(attribute.DefaultEncoder()))
			continue
		}
		if q := theirs[i]; p.count != q.count || (name != requestDuration && p.sum != q.sum) {
			t.Errorf("%s: %+v, otelhttp has %+v", name, p, q)
		}
	}
}

func sameAttributes(ours, theirs attribute.Set) bool {
	o, q := labels(ours), labels(theirs)
	for _, d := range deliberate {
		d.edit(o, q)
	}
	if len(o) != len(q) {
		return false
	}
	for k, v := range o {
		if q[k] != v {
			return false
		}
	}
	return true
}

func labels(s attribute.Set) map[attribute.Key]string {
	out := map[attribute.Key]string{}
	for _, kv := range s.ToSlice() {
		out[kv.Key] = kv.Value.String()
	}
	return out
}

func TestSpansAreOtelhttps(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tp := trace.NewTracerProvider(trace.WithSyncer(spans))
	m := newMeters(t)
	opts := []middleware.Option{middleware.WithTracerProvider(tp), middleware.WithPropagators(propagation.TraceContext{})}
	mux := muxOf(map[string]http.Handler{
		"GET /items/{id}": leaf,
		"/panics":         http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("as planned") }),
		"/api/":           http.StripPrefix("/api", middleware.Routes(itemsMux())),
	})
	s := serve(t, http1, newMiddleware(t, m, opts...).Handler(mux))
	rt, err := middleware.NewTransport(s.Client().Transport, append(opts, middleware.WithMeterProvider(m))...)
	if err != nil {
		t.Fatal(err)
	}
	s.Client().Transport = rt
	for _, path := range []string{"/items/7", "/api/items/7", "/panics"} {
		fetch(t, s, "GET", path, nil)
	}
	s.Close()
	s.Client().CloseIdleConnections()

	got := map[string]tracetest.SpanStub{}
	parents := map[string]bool{}
	for _, span := range spans.GetSpans() {
		got[span.Name] = span
		parents[span.SpanContext.SpanID().String()] = true
	}
	for _, name := range []string{"GET /items/{id}", "GET /api/items/{id}"} {
		span, ok := got[name]
		if !ok || !parents[span.Parent.SpanID().String()] {
			t.Errorf("there is no span %q with the client's as its parent among %v", name, got)
		}
	}
	if span := got["GET"]; span.Status.Code != codes.Error {
		t.Errorf("the span of the panic is %+v, want an error", span)
	}
	if ps := m.points(t, requestDuration); len(ps) != 3 {
		t.Errorf("recorded %+v, want three series", ps)
	}
}
