package middleware_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/middleware"
)

func tenant(r *http.Request) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("tenant", r.Header.Get("X-Tenant"))}
}

// values are the distinct values of one attribute.
func values(tb testing.TB, m *meters, name string, key attribute.Key) []string {
	tb.Helper()
	var out []string
	for _, p := range m.points(tb, name) {
		out = append(out, p.label(key))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func serveTenants(tb testing.TB, h http.Handler, tenants ...string) {
	tb.Helper()
	for _, name := range tenants {
		r := newRequest(tb, "GET", "/items/7")
		r.Header.Set("X-Tenant", name)
		h.ServeHTTP(newPlainWriter(), r)
	}
}

func TestWithAttributes(t *testing.T) {
	m := newMeters(t)
	item := func(r *http.Request) []attribute.KeyValue {
		return []attribute.KeyValue{attribute.Bool("cheap", r.PathValue("id") == "7"), attribute.String("error.type", "spoofed"), attribute.String("", "no key")}
	}
	h := newMiddleware(t, m, middleware.WithAttributes(tenant), middleware.WithAttributes(item)).Handler(itemsMux())
	serveTenants(t, h, "blue", "green", "blue")
	for _, name := range []string{requestDuration, requestSize, responseSize} {
		ps := m.points(t, name)
		if len(ps) != 2 || ps[0].label("tenant") != "blue" || ps[0].count != 2 || ps[1].label("tenant") != "green" {
			t.Fatalf("%s has %+v, want two of blue and one of green", name, ps)
		}
		if got := ps[0]; got.label("cheap") != "true" || got.label("http.route") != "/items/{id}" || got.attrs.Len() != 7 {
			t.Errorf("%s has %s", name, got.attrs.Encoded(attribute.DefaultEncoder()))
		}
	}
	if got := values(t, m, activeRequests, "tenant"); !slices.Equal(got, []string{""}) {
		t.Errorf("active requests have tenants %q", got)
	}
}

// TestAttributeLimit sends more tenants than there may be; those known before keep their series.
func TestAttributeLimit(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m, middleware.WithAttributes(tenant), middleware.WithAttributeLimit(3)).Handler(itemsMux())
	for i := range 200 {
		serveTenants(t, h, fmt.Sprintf("t%d", i), "t0")
	}
	if got := values(t, m, requestDuration, "tenant"); !slices.Equal(got, []string{"_OTHER", "t0", "t1", "t2"}) {
		t.Errorf("the tenants are %q", got)
	}
	var total uint64
	for _, p := range m.points(t, requestDuration) {
		total += p.count
	}
	if total != 400 {
		t.Errorf("%d requests were counted, want 400", total)
	}
}

// TestAttributeKeysAreLimited lets a client choose the keys.
func TestAttributeKeysAreLimited(t *testing.T) {
	m := newMeters(t)
	hostile := func(r *http.Request) (attrs []attribute.KeyValue) {
		for i := range 40 {
			attrs = append(attrs, attribute.String(fmt.Sprint(r.Header.Get("X-Tenant"), i), "v"))
		}
		return attrs
	}
	h := newMiddleware(t, m, middleware.WithAttributes(hostile), middleware.WithAttributeLimit(5)).Handler(itemsMux())
	for i := range 200 {
		serveTenants(t, h, fmt.Sprintf("t%d-", i))
	}
	ps := m.points(t, requestDuration)
	if len(ps) != 5+5+1 {
		t.Errorf("%d series, want five as they are, five of others, and one without", len(ps))
	}
	for _, p := range ps {
		if p.attrs.Len() > 5+16 {
			t.Errorf("a series has %d attributes", p.attrs.Len())
		}
	}
}

func TestLongValuesAreCut(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m, middleware.WithAttributes(tenant)).Handler(itemsMux())
	serveTenants(t, h, strings.Repeat("x", 1<<20))
	if got := values(t, m, requestDuration, "tenant"); len(got[0]) != 256 {
		t.Errorf("the value has %d bytes", len(got[0]))
	}
}

// TestPanickingAttributes wants the request recorded, the panic reported once, and a panic of the handler
// to come out as it was.
func TestPanickingAttributes(t *testing.T) {
	var reported []error
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { reported = append(reported, err) }))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	m := newMeters(t)
	faulty := middleware.WithAttributes(func(*http.Request) []attribute.KeyValue { panic("faulty function") })
	h := newMiddleware(t, m, faulty, middleware.WithAttributes(tenant)).Handler(shop())
	serveTenants(t, h, "blue", "blue")
	func() {
		defer func() {
			if p := recover(); p != "as planned" {
				t.Errorf("the handler's panic came out as %v", p)
			}
		}()
		h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/panics"))
	}()
	if got := values(t, m, requestDuration, "http.route"); !slices.Equal(got, []string{"/items/{id}", "/panics"}) {
		t.Errorf("recorded %q", got)
	}
	if len(reported) != 1 || !strings.Contains(reported[0].Error(), "faulty function") {
		t.Errorf("reported %v, want the panic once", reported)
	}
}

// labels adds an attribute as handlers do under otelhttp.
var labeling = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
	l, _ := otelhttp.LabelerFromContext(r.Context())
	l.Add(attribute.String("tenant", r.Header.Get("X-Tenant")))
})

func TestLabeler(t *testing.T) {
	tp := trace.NewTracerProvider()
	around := func(h http.Handler) http.Handler { return otelhttp.NewHandler(h, "", otelhttp.WithTracerProvider(tp)) }
	same := func(h http.Handler) http.Handler { return h }
	tests := []struct {
		name   string
		opts   []middleware.Option
		around func(http.Handler) http.Handler
		want   []string
	}{
		{"with traces", []middleware.Option{middleware.WithTracerProvider(tp)}, same, []string{"_OTHER", "blue", "green"}},
		{"otelhttp further out", nil, around, []string{"_OTHER", "blue", "green"}},
		{"by option", []middleware.Option{middleware.WithLabeler()}, same, []string{"_OTHER", "blue", "green"}},
		{"option and otelhttp", []middleware.Option{middleware.WithLabeler()}, around, []string{"_OTHER", "blue", "green"}},
		{"nobody put it there", nil, same, []string{""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeters(t)
			mux := muxOf(map[string]http.Handler{"/items/{id}": labeling})
			h := tt.around(newMiddleware(t, m, append(tt.opts, middleware.WithAttributeLimit(2))...).Handler(mux))
			serveTenants(t, h, "blue", "green", "red", "yellow")
			if got := values(t, m, requestDuration, "tenant"); !slices.Equal(got, tt.want) {
				t.Errorf("the tenants are %q, want %q", got, tt.want)
			}
			if got := values(t, m, requestDuration, "http.route"); !slices.Equal(got, []string{"/items/{id}"}) {
				t.Errorf("the routes are %q", got)
			}
		})
	}
}

// TestLabelerGivesTheFormBack wants net/http to find the form whose files it has to remove.
func TestLabelerGivesTheFormBack(t *testing.T) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	_ = form.WriteField("k", "v")
	_ = form.Close()
	r := httptest.NewRequest(http.MethodPost, "/items/7", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	mux := muxOf(map[string]http.Handler{"/items/{id}": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = r.ParseMultipartForm(1 << 10) })})
	newMiddleware(t, newMeters(t), middleware.WithLabeler()).Handler(mux).ServeHTTP(newPlainWriter(), r)
	if r.MultipartForm == nil || r.Pattern != "/items/{id}" {
		t.Errorf("the server's request has form %v and pattern %q", r.MultipartForm, r.Pattern)
	}
}

func TestTransportAttributes(t *testing.T) {
	m := newMeters(t)
	template := func(r *http.Request) string {
		if strings.HasPrefix(r.URL.Path, "/items/") {
			return "/items/{id}"
		}
		return strings.TrimPrefix(r.URL.Path, "/none")
	}
	rt, err := middleware.NewTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader("item"))}, nil
	}), middleware.WithMeterProvider(m), middleware.WithAttributes(tenant), middleware.WithURLTemplate(template))
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{"/items/7", "/items/8", "/none"}
	for i := range 600 {
		paths = append(paths, fmt.Sprintf("/t%d", i))
	}
	for _, path := range paths {
		r := newRequest(t, "GET", "http://example.com"+path)
		r.Header.Set("X-Tenant", "blue")
		l := &otelhttp.Labeler{}
		l.Add(attribute.String("step", "two"))
		res, err := rt.RoundTrip(r.WithContext(otelhttp.ContextWithClientLabeler(r.Context(), l)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for _, name := range []string{clientDuration, clientResponseSize} {
		var items, others uint64
		ps := m.points(t, name)
		for _, p := range ps {
			switch p.label("url.template") {
			case "/items/{id}":
				items = p.count
			case "_OTHER":
				others = p.count
			}
			if p.label("tenant") != "blue" || p.label("step") != "two" {
				t.Fatalf("%s has %s", name, p.attrs.Encoded(attribute.DefaultEncoder()))
			}
		}
		// The templates, the others, and what has none.
		if items != 2 || others != 101 || len(ps) != 502 {
			t.Errorf("%s has %d of items, %d of others and %d series", name, items, others, len(ps))
		}
	}
	if got := values(t, m, clientActive, "url.template"); len(got) != 502 {
		t.Errorf("active requests have %d templates", len(got))
	}
}

func TestPanickingTemplate(t *testing.T) {
	m := newMeters(t)
	before := otel.GetErrorHandler()
	reported := 0
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) { reported++ }))
	t.Cleanup(func() { otel.SetErrorHandler(before) })
	rt, err := middleware.NewTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK}, nil
	}), middleware.WithMeterProvider(m), middleware.WithURLTemplate(func(*http.Request) string { panic("faulty function") }))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := rt.RoundTrip(newRequest(t, "GET", "http://example.com/")); err != nil {
			t.Fatal(err)
		}
	}
	if ps := m.points(t, clientDuration); len(ps) != 1 || ps[0].count != 2 || reported != 1 {
		t.Errorf("recorded %+v and reported %d times", ps, reported)
	}
}

// TestRedirectsAreAttempts counts as the conventions say: each sending of a request is one.
func TestRedirectsAreAttempts(t *testing.T) {
	m := newMeters(t)
	s := serve(t, http1, muxOf(map[string]http.Handler{"/old": http.RedirectHandler("/new", http.StatusFound), "/new": leaf}))
	c := &http.Client{Transport: newTransport(t, m, s.Client().Transport)}
	defer c.CloseIdleConnections()
	res, err := c.Get(s.URL + "/old")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if got := values(t, m, clientDuration, "http.response.status_code"); !slices.Equal(got, []string{"200", "302"}) {
		t.Errorf("the attempts have %q", got)
	}
}
