package middleware_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/middleware"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(twice{m}) }

// onBound says that the meters of the tests are those that the library uses.
var onBound bool

// twice runs every test on the SDK's own meters and on those that the library uses.
type twice struct{ *testing.M }

func (m twice) Run() int {
	code := m.M.Run()
	for _, once := range []string{"test.fuzz", "test.bench", "test.list"} {
		if f := flag.Lookup(once); f != nil && f.Value.String() != "" {
			return code
		}
	}
	onBound = true
	return max(code, m.M.Run())
}

const (
	requestDuration = "http.server.request.duration"
	requestSize     = "http.server.request.body.size"
	responseSize    = "http.server.response.body.size"
	activeRequests  = "http.server.active_requests"
	streamDuration  = "duotel.http.server.stream.duration"
	activeStreams   = "duotel.http.server.active_streams"
)

// meters is a meter provider and the reader of what was recorded with it.
type meters struct {
	metric.MeterProvider
	reader *sdkmetric.ManualReader
	bound  *bound.Provider // nil where it is the SDK's
}

func newMeters(tb testing.TB) *meters {
	tb.Helper()
	return newLimitedMeters(tb, 0)
}

// newLimitedMeters has a cardinality limit; 0 is none.
func newLimitedMeters(tb testing.TB, limit int) *meters {
	tb.Helper()
	m := newStockMeters(tb, limit)
	if onBound {
		m.bound = bound.NewProvider(bound.Config{Inner: m.MeterProvider, CardinalityLimit: cmp.Or(limit, -1)})
		m.MeterProvider = m.bound
	}
	return m
}

// newStockMeters is the SDK's own.
func newStockMeters(tb testing.TB, limit int) *meters {
	tb.Helper()
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(limit))
	tb.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return &meters{MeterProvider: mp, reader: reader}
}

// collect returns everything that was recorded, as the library collects it.
func (m *meters) collect(tb testing.TB) []metricdata.ScopeMetrics {
	tb.Helper()
	var rm metricdata.ResourceMetrics
	if m.bound == nil {
		if err := m.reader.Collect(context.Background(), &rm); err != nil {
			tb.Fatal(err)
		}
		return rm.ScopeMetrics
	}
	var attached []metricdata.ScopeMetrics
	if err := errors.Join(m.reader.Collect(context.Background(), &rm), m.bound.ProduceInto(context.Background(), &attached)); err != nil {
		tb.Fatal(err)
	}
	return append(rm.ScopeMetrics, attached...)
}

// point is one series, whatever its instrument.
type point struct {
	attrs  attribute.Set
	count  uint64
	sum    float64
	bounds []float64
}

func (p point) label(key attribute.Key) string {
	v, _ := p.attrs.Value(key)
	return v.String()
}

// points are the series of one instrument.
func (m *meters) points(tb testing.TB, name string) []point {
	tb.Helper()
	var out []point
	for _, scope := range m.collect(tb) {
		for _, metric := range scope.Metrics {
			if metric.Name == name {
				out = append(out, pointsOf(tb, metric.Data)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b point) int {
		return strings.Compare(a.attrs.Encoded(attribute.DefaultEncoder()), b.attrs.Encoded(attribute.DefaultEncoder()))
	})
	return out
}

func pointsOf(tb testing.TB, data metricdata.Aggregation) (out []point) {
	tb.Helper()
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		for _, p := range d.DataPoints {
			out = append(out, point{attrs: p.Attributes, count: p.Count, sum: p.Sum, bounds: p.Bounds})
		}
	case metricdata.Histogram[int64]:
		for _, p := range d.DataPoints {
			out = append(out, point{attrs: p.Attributes, count: p.Count, sum: float64(p.Sum), bounds: p.Bounds})
		}
	case metricdata.Sum[int64]:
		for _, p := range d.DataPoints {
			out = append(out, point{attrs: p.Attributes, sum: float64(p.Value)})
		}
	default:
		tb.Fatalf("unexpected aggregation %T", data)
	}
	return out
}

// lines are the series of one instrument as text, without the values.
func (m *meters) lines(tb testing.TB, name string) []string {
	tb.Helper()
	var out []string
	for _, p := range m.points(tb, name) {
		out = append(out, p.attrs.Encoded(attribute.DefaultEncoder()))
	}
	return out
}

func newMiddleware(tb testing.TB, m *meters, opts ...middleware.Option) *middleware.Middleware {
	tb.Helper()
	mw, err := middleware.New(append([]middleware.Option{middleware.WithMeterProvider(m)}, opts...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return mw
}

// protocol is what a server and its client speak.
type protocol struct{ name, version, scheme string }

var (
	http1 = protocol{name: "HTTP1", version: "1.1", scheme: "http"}
	http2 = protocol{name: "HTTP2", version: "2", scheme: "https"}
	h2c   = protocol{name: "h2c", version: "2", scheme: "http"}
)

// protocols are what every promise is tested with.
var protocols = []protocol{http1, http2, h2c}

// quiet is a log that nobody reads.
var quiet = log.New(io.Discard, "", 0)

// server is a real server whose Close waits for its handlers, which that of HTTP/2 does not.
type server struct {
	*httptest.Server
	handlers sync.WaitGroup
}

func (s *server) Close() {
	s.Server.Close()
	s.handlers.Wait()
}

// serve starts a server for h, which is configured before. Its log is dropped: panics are part of the tests.
func serve(tb testing.TB, proto protocol, h http.Handler, configure ...func(*http.Server)) *server {
	tb.Helper()
	s := &server{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.handlers.Add(1)
		defer s.handlers.Done()
		h.ServeHTTP(w, r)
	}))
	s.Config.ErrorLog = quiet
	for _, f := range configure {
		f(s.Config)
	}
	switch proto {
	case http2:
		s.EnableHTTP2 = true
		s.StartTLS()
	case h2c:
		s.startUnencryptedHTTP2()
	default:
		s.Start()
	}
	tb.Cleanup(s.Close)
	return s
}

// startUnencryptedHTTP2 starts a server that speaks nothing else, nor does its client.
func (s *server) startUnencryptedHTTP2() {
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	s.Config.Protocols = only
	s.Start()
	s.Client().Transport.(*http.Transport).Protocols = only
}

// fetch sends a request and reads the answer; where there is none, status is 0.
func fetch(tb testing.TB, s *server, method, path string, body io.Reader) (status int, answer string) {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, s.URL+path, body)
	if err != nil {
		tb.Fatal(err)
	}
	return send(tb, s.Client(), r)
}

func send(tb testing.TB, c *http.Client, r *http.Request) (status int, answer string) {
	tb.Helper()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(text)
}
