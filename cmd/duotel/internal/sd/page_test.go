package sd

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

// counting is a store that counts how often it is asked, and that may never answer.
type counting struct {
	*discovery.Memory
	calls atomic.Int64
	mute  bool
}

func (c *counting) Put(ctx context.Context, t discovery.Target, held bool) (uint64, error) {
	c.calls.Add(1)
	return c.Memory.Put(ctx, t, held)
}

func (c *counting) Refresh(ctx context.Context, key discovery.Key, generation uint64) error {
	c.calls.Add(1)
	return c.Memory.Refresh(ctx, key, generation)
}

func (c *counting) Remove(ctx context.Context, key discovery.Key, generation uint64, reason discovery.Reason) error {
	c.calls.Add(1)
	return c.Memory.Remove(ctx, key, generation, reason)
}

func (c *counting) Replace(ctx context.Context, group string, targets []discovery.Target, held bool) (uint64, error) {
	c.calls.Add(1)
	return c.Memory.Replace(ctx, group, targets, held)
}

func (c *counting) Follow(ctx context.Context, f discovery.Follower) {
	c.calls.Add(1)
	if c.mute {
		<-ctx.Done()
		return
	}
	c.Memory.Follow(ctx, f)
}

// handler returns the server's handler over a store, in this process.
func handler(tb testing.TB, s discovery.Store) (http.Handler, *discovery.Registry) {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	sdk, err := telemetry.New(tb.Context(), telemetry.Config{ServiceName: "test"}, telemetry.WithLogger(logger))
	if err != nil {
		tb.Fatal(err)
	}
	registry, err := discovery.New(discovery.Config{Store: s, Logger: logger, MeterProvider: sdk.MeterProvider()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := registry.Close(context.Background()); err != nil {
			tb.Error(err)
		}
		if err := sdk.Shutdown(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	return newHandler(registry, sdk, &authority{}), registry
}

// fleet lists n targets in groups of 5,000.
func fleet(tb testing.TB, registry *discovery.Registry, n int) {
	tb.Helper()
	for begin := 0; begin < n; begin += 5000 {
		targets := make([]discovery.Target, 0, 5000)
		for i := begin; i < min(n, begin+5000); i++ {
			targets = append(targets, discovery.Target{
				ID: fmt.Sprintf("m%06d", i), Address: fmt.Sprintf("10.0.%d.%d:9464", i/250%250, i%250+1),
				Labels: map[string]string{"zone": "a", "circuit_id": fmt.Sprint(i)},
			})
		}
		if err := registry.Sync(tb.Context(), fmt.Sprintf("fleet-%d", begin/5000), targets); err != nil {
			tb.Fatal(err)
		}
	}
}

func ask(h http.Handler, url string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	return w
}

func TestD2BeforeTheFirstLoadIs503(t *testing.T) {
	h, _ := handler(t, &counting{Memory: discovery.NewMemory(), mute: true})
	for url, want := range map[string]int{"/sd": 503, "/readyz": 503, "/v1/targets": 503, "/healthz": 200, "/": 200} {
		if w := ask(h, url); w.Code != want {
			t.Errorf("%s: HTTP %d %.200q; want %d", url, w.Code, w.Body, want)
		}
	}
	if page := ask(h, "/").Body.String(); !strings.Contains(page, "has not been read yet") || strings.Contains(page, "Nothing is") {
		t.Errorf("page = %s; want it to say that nobody knows", page)
	}
}

// TestD14AnAnswerIsReadyMade pins what an answer of 10,000 targets costs through the whole server, measured as it
// is: the allocations of a few headers, and no call of the store.
func TestD14AnAnswerIsReadyMade(t *testing.T) {
	s := &counting{Memory: discovery.NewMemory()}
	h, registry := handler(t, s)
	fleet(t, registry, 10_000)
	for _, url := range []string{"/sd", "/sd?group=fleet-1&health=passing"} {
		want := map[bool]int{true: 10_000, false: 5000}[url == "/sd"]
		if got := strings.Count(ask(h, url).Body.String(), `"targets"`); got != want {
			t.Errorf("%s: %d targets; want %d", url, got, want)
		}
		before := s.calls.Load()
		req := httptest.NewRequest(http.MethodGet, url, nil)
		if allocations := testing.AllocsPerRun(100, func() { h.ServeHTTP(discard{http.Header{}}, req) }); allocations > 100 {
			t.Errorf("%s: %v allocations; want those of a few headers", url, allocations)
		}
		if calls := s.calls.Load() - before; calls != 0 {
			t.Errorf("%s: %d calls of the store; want none", url, calls)
		}
	}
}

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkD14 answers Prometheus with 10,000 targets, and shows the processor time of the whole process too.
func BenchmarkD14(b *testing.B) {
	h, registry := handler(b, discovery.NewMemory())
	fleet(b, registry, 10_000)
	for _, url := range []string{"/sd", "/sd?group=fleet-1"} {
		b.Run(url, func(b *testing.B) {
			req := httptest.NewRequest(http.MethodGet, url, nil)
			req.Header.Set("Accept-Encoding", "gzip")
			h.ServeHTTP(discard{http.Header{}}, req)
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				h.ServeHTTP(discard{http.Header{}}, req)
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

func processorTime(tb testing.TB) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// TestPageEscapesWhatRegistrantsWrite has values that would be markup, script or a link of another kind.
func TestPageEscapesWhatRegistrantsWrite(t *testing.T) {
	h, registry := handler(t, discovery.NewMemory())
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'{{.}}`
	err := registry.Sync(t.Context(), "a", []discovery.Target{{
		ID: "1", Address: "10.0.0.1:1", Path: "/" + evil[:20], Params: map[string][]string{"p": {evil}},
		Labels: map[string]string{"l": evil}, Meta: map[string]string{evil: evil},
	}})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPut, "/v1/targets/%3Cscript%3E/"+`%22%3E%3Cimg%20src=x%3E`, strings.NewReader(`{"`+strings.ReplaceAll(evil, `"`, `\"`)+`":1}`))
	req.RemoteAddr, req.Host = "127.0.0.1:1", "localhost"
	h.ServeHTTP(httptest.NewRecorder(), req)
	w := ask(h, "/")
	page := w.Body.String()
	for _, bad := range []string{"<script", "<img", `javascript:`} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s: %s", bad, page)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", "PUT /v1/targets/&lt;script&gt;/", "unknown field", "1 target: 1 healthy"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q: %s", want, page)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("header = %v", w.Header())
	}
	if strings.Contains(page, "src=\"") || strings.Contains(page, "<link") {
		t.Error("the page loads something from elsewhere")
	}
}

// TestPageHasABound lists more than a page has room for.
func TestPageHasABound(t *testing.T) {
	h, registry := handler(t, discovery.NewMemory())
	fleet(t, registry, 6000)
	page := ask(h, "/").Body.String()
	if rows := strings.Count(page, "<tr><td class=\"wide\">"); rows != maxRows {
		t.Errorf("%d rows; want %d", rows, maxRows)
	}
	for _, want := range []string{"6000</b>targets", "4000 more", `href="/?group=fleet-1"`, `href="/v1/targets?group=fleet-1"`, "1000 more"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	part := ask(h, "/?group=fleet-1").Body.String()
	if rows := strings.Count(part, "<tr><td class=\"wide\">"); rows != 1000 || !strings.Contains(part, `href="/sd?group=fleet-1"`) {
		t.Errorf("the group alone has %d rows, or no link to its list", rows)
	}
	if w := ask(h, "/?colour=red"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "colour") {
		t.Errorf("HTTP %d %q; want 400", w.Code, w.Body)
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59*time.Second + 900*time.Millisecond: "59 s", 61 * time.Second: "1 min 1 s",
		3 * time.Hour: "3 h 0 min", 50 * time.Hour: "2 d 2 h",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%s) = %q; want %q", d, got, want)
		}
	}
}

// TestReporterSaysTheSameOnceAMinute has a disk that stays full.
func TestReporterSaysTheSameOnceAMinute(t *testing.T) {
	var log strings.Builder
	report := reporter(slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		report(os.ErrPermission)
	}
	if n := strings.Count(log.String(), "permission"); n != 1 {
		t.Errorf("%d lines; want one: %s", n, log.String())
	}
}
