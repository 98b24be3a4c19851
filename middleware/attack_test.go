package middleware_test

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/middleware"
)

// attacker sends what a client can choose, chosen at random.
type attacker struct{ *rand.Rand }

func (a attacker) word() string { return strconv.FormatUint(a.Uint64(), 36) }

func (a attacker) oneOf(words ...string) string { return words[a.IntN(len(words))] }

func (a attacker) request() *http.Request {
	path := a.oneOf("/items/"+a.word(), "/"+a.word(), "/api/items/"+a.word(), "/api/"+a.word(), "/", "/items//"+a.word(), "/upload", "/copied/"+a.word())
	r, err := http.NewRequest(a.oneOf("GET", "POST", "HEAD", "get", strings.ToUpper("M"+a.word()), "CONNECT"), "http://"+a.word()+".example"+path+"?q="+a.word(), http.NoBody)
	if err != nil {
		panic(err)
	}
	r.Host = a.word() + ".example:" + strconv.Itoa(a.IntN(1<<16))
	r.RequestURI = r.URL.RequestURI()
	r.ProtoMinor = a.IntN(10)
	r.RemoteAddr = a.word()
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Original-Url", "X-" + a.word(), "User-Agent", "Traceparent", "X-Tenant"} {
		r.Header[name] = []string{a.word()}
	}
	if a.IntN(4) == 0 {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(a.word())), a.Int64()
	}
	return r
}

// attacked measures with p; it has each way in which a route can be found out, and a tenant that the client
// names.
func attacked(t *testing.T, p metric.MeterProvider) http.Handler {
	t.Helper()
	copied := muxOf(map[string]http.Handler{"/copied/{id}": leaf})
	mux := muxOf(map[string]http.Handler{
		"GET /items/{id}": leaf, "/upload": leaf, "/": http.NotFoundHandler(), "GET /home/{$}": leaf,
		"/api/": http.StripPrefix("/api", middleware.Routes(itemsMux())),
		"/copied/": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			middleware.Routes(copied).ServeHTTP(w, r.WithContext(t.Context()))
		}),
	})
	mw, err := middleware.New(middleware.WithMeterProvider(p), middleware.WithAttributes(tenant), middleware.WithAttributeLimit(2))
	if err != nil {
		t.Fatal(err)
	}
	return mw.Handler(mux)
}

// attackWarmUp is enough for every combination of what the attacker can reach.
const attackWarmUp = 10_000

func (m *meters) seriesCount(tb testing.TB) (n int) {
	tb.Helper()
	for _, name := range []string{requestDuration, requestSize, responseSize, activeRequests} {
		n += len(m.points(tb, name))
	}
	return n
}

func heap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// producedMeters reads what was recorded with p.
func producedMeters(tb testing.TB, p sdkmetric.Producer) *meters {
	tb.Helper()
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(p))
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	tb.Cleanup(func() { _ = mp.Shutdown(context.Background()) })
	return &meters{MeterProvider: mp, reader: reader}
}

// TestAttack attacks a service under the usual limit of series, on either kind of instruments.
func TestAttack(t *testing.T) {
	t.Run("bound", func(t *testing.T) {
		p := boundProvider()
		attack(t, p, producedMeters(t, p), attackRequests)
	})
	t.Run("stock", func(t *testing.T) {
		m := newLimitedMeters(t, bound.DefaultCardinalityLimit)
		attack(t, m, m, min(attackRequests, 10_000))
	})
}

// attack sends some requests, and wants the rest to make neither a series nor garbage that stays. A route
// nobody asked for before still gets a series of its own.
func attack(t *testing.T, p metric.MeterProvider, m *meters, requests int) {
	t.Helper()
	h := attacked(t, p)
	a := attacker{rand.New(rand.NewPCG(1, 2))}
	w := newPlainWriter()
	for range attackWarmUp {
		h.ServeHTTP(w, a.request())
	}
	series, before := m.seriesCount(t), heap()
	for range requests {
		h.ServeHTTP(w, a.request())
	}
	if got := m.seriesCount(t); got != series {
		t.Errorf("%d series became %d", series, got)
	}
	if after := heap(); after > before+256<<10 {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	for _, route := range []string{"/home/{$}", "/items/{id}"} {
		r := newRequest(t, "GET", strings.NewReplacer("{$}", "", "{id}", "7").Replace(route))
		h.ServeHTTP(w, r)
	}
	want := []string{"/", "/api/items/{id}", "/copied/{id}", "/home/{$}", "/items/{id}", "/upload", "unmatched"}
	if got := values(t, m, requestDuration, "http.route"); !slices.Equal(got, want) {
		t.Errorf("the routes are %q, want %q", got, want)
	}
	checkHonest(t, m)
}

// checkHonest wants no attribute to have a value that looks like the attacker's.
func checkHonest(t *testing.T, m *meters) {
	t.Helper()
	limits := map[attribute.Key]int{
		"http.request.method": 11, "url.scheme": 2, "network.protocol.version": 4, "http.response.status_code": 6,
		"http.route": 7, "tenant": 4, "error.type": 1,
	}
	for key, limit := range limits {
		if got := values(t, m, requestDuration, key); len(got) > limit {
			t.Errorf("%s has %d values: %q", key, len(got), got)
		}
	}
	for _, p := range m.points(t, requestDuration) {
		for _, kv := range p.attrs.ToSlice() {
			if _, ok := limits[kv.Key]; !ok {
				t.Errorf("there is an attribute %s", kv.Key)
			}
		}
	}
}
