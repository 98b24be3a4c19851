package middleware_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

var update = flag.Bool("update", false, "write the table of endings in docs/http.md anew")

// stage is what a handler of the table may use beside its request.
type stage struct {
	begun  chan struct{}      // closed by a handler when its client may leave
	cancel context.CancelFunc // cancels the server's BaseContext
}

// client is what the client does.
type client string

const (
	reads         client = "reads"
	leavesAtOnce  client = "leaves at once"  // when the handler says so
	leavesInBody  client = "leaves in body"  // when it has read something
	closesItsHalf client = "closes its half" // and reads on, over HTTP/1.1
)

var errShedding = errors.New("load shedding")

// endingRow is one row of the table of endings: what happens, and what has to be recorded of it.
type endingRow struct {
	name    string
	client  client
	handler func(s stage, w http.ResponseWriter, r *http.Request)
	want    string // status and error.type
	only    string // the protocol, where it is one

	around    func(http.Handler) http.Handler
	configure func(*http.Server)
	proxied   http.HandlerFunc // the handler is a proxy for this
}

func waitForCancel(_ stage, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func beginAndWait(s stage, _ http.ResponseWriter, r *http.Request) {
	close(s.begun)
	<-r.Context().Done()
}

func writeHeader(code int) func(stage, http.ResponseWriter, *http.Request) {
	return func(_ stage, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// then has the second do what is done after the first.
func then(first, second func(stage, http.ResponseWriter, *http.Request)) func(stage, http.ResponseWriter, *http.Request) {
	return func(s stage, w http.ResponseWriter, r *http.Request) {
		first(s, w, r)
		second(s, w, r)
	}
}

func flushSome(_ stage, w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "data: 1\n\n")
	_ = http.NewResponseController(w).Flush()
}

func panicWith(v any) func(stage, http.ResponseWriter, *http.Request) {
	return func(stage, http.ResponseWriter, *http.Request) { panic(v) }
}

func writeUntilItFails(_ stage, w http.ResponseWriter, _ *http.Request) {
	for block := make([]byte, 64<<10); ; {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// copyUntilItFails sends without an end through the server's own ReadFrom.
func copyUntilItFails(_ stage, w http.ResponseWriter, _ *http.Request) {
	_, _ = io.Copy(w, endless{})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// cancelling is a middleware further out that cancels with a cause, before the handler or while it runs.
func cancelling(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		cancel(errShedding)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func withDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func writeTimeout(s *http.Server) { s.WriteTimeout = 50 * time.Millisecond }

func writeLate(_ stage, w http.ResponseWriter, _ *http.Request) {
	<-time.After(150 * time.Millisecond)
	_, _ = w.Write(make([]byte, 1<<20))
}

func copyLate(_ stage, w http.ResponseWriter, _ *http.Request) {
	<-time.After(150 * time.Millisecond)
	_, _ = io.CopyN(w, endless{}, 1<<20)
}

func slowly(http.ResponseWriter, *http.Request) { <-time.After(150 * time.Millisecond) }

func cancelServer(s stage, w http.ResponseWriter, r *http.Request) {
	s.cancel()
	<-r.Context().Done()
}

// events streams until its client is gone, and abort ends a response in the middle.
func events(w http.ResponseWriter, r *http.Request) {
	flushSome(stage{}, w, r)
	<-r.Context().Done()
}

func abort(w http.ResponseWriter, r *http.Request) {
	flushSome(stage{}, w, r)
	panic(http.ErrAbortHandler)
}

func switchProtocols(_ stage, w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	_ = conn.Close()
}

var endingRows = []endingRow{
	{name: "the handler returns without a word", handler: func(stage, http.ResponseWriter, *http.Request) {}, want: "200"},
	{name: "it answers 404", handler: writeHeader(404), want: "404"},
	{name: "it answers 503", handler: writeHeader(503), want: "503 503"},
	{name: "it panics before the header", handler: panicWith("x"), want: "500 panic"},
	{name: "it panics after the header", handler: then(flushSome, panicWith("x")), want: "200 panic"},
	{name: "it panics after it answered 503", handler: then(writeHeader(503), panicWith("x")), want: "503 503"},
	{name: "it panics with `http.ErrAbortHandler` before the header", handler: panicWith(http.ErrAbortHandler), want: "aborted"},
	{name: "it panics with `http.ErrAbortHandler` after the header", handler: then(flushSome, panicWith(http.ErrAbortHandler)), want: "200 aborted"},
	{name: "a proxy's backend breaks off in the middle", handler: nil, proxied: abort, want: "200 aborted"},
	{name: "the client leaves before the header; the handler returns", client: leavesAtOnce, handler: beginAndWait, want: "client_closed_request"},
	{name: "the client leaves before the header; the handler answers 204", client: leavesAtOnce, handler: then(beginAndWait, writeHeader(204)), want: "204"},
	{name: "the client leaves before the header; the handler answers 503", client: leavesAtOnce, handler: then(beginAndWait, writeHeader(503)), want: "503 503"},
	{name: "the client leaves before the header; the handler aborts", client: leavesAtOnce, handler: then(beginAndWait, panicWith(http.ErrAbortHandler)), want: "client_closed_request"},
	{name: "the client leaves an event stream; the handler returns", client: leavesInBody, handler: then(flushSome, waitForCancel), want: "200"},
	{name: "the client leaves an event stream behind a proxy", client: leavesInBody, proxied: events, want: "200 client_closed_request"},
	{name: "the client leaves a download; a write fails", client: leavesInBody, handler: writeUntilItFails, want: "200 client_closed_request"},
	{name: "the client leaves a download of `io.Copy`", client: leavesInBody, handler: copyUntilItFails, want: "200 client_closed_request"},
	{name: "the server's base context is cancelled; the handler answers 503", handler: then(cancelServer, writeHeader(503)), want: "503 503"},
	{name: "the context is cancelled with a cause further out; the handler answers 503", around: cancelling, handler: then(waitForCancel, writeHeader(503)), want: "503 503"},
	{name: "the context is cancelled with a cause further out; the handler returns", around: cancelling, handler: waitForCancel, want: "200"},
	{name: "the context is cancelled with a cause further out; the handler aborts", around: cancelling, handler: then(waitForCancel, panicWith(http.ErrAbortHandler)), want: "aborted"},
	{name: "the context's deadline is over; the handler answers 504", around: withDeadline, handler: then(waitForCancel, writeHeader(504)), want: "504 504"},
	{name: "`http.TimeoutHandler` answers for a slow handler", handler: func(_ stage, w http.ResponseWriter, r *http.Request) {
		http.TimeoutHandler(http.HandlerFunc(slowly), time.Millisecond, "").ServeHTTP(w, r)
	}, want: "503 503"},
	{name: "the server's `WriteTimeout` is over before a large body", configure: writeTimeout, handler: writeLate, want: "200 timeout"},
	{name: "the server's `WriteTimeout` is over before a large body of `io.Copy`", configure: writeTimeout, handler: copyLate, want: "200 timeout"},
	{name: "the client closes its half of the connection and reads on", client: closesItsHalf, only: "HTTP1", handler: func(s stage, w http.ResponseWriter, r *http.Request) {
		beginAndWait(s, w, r)
		_, _ = io.WriteString(w, "ok")
	}, want: "200"},
	{name: "the connection is hijacked for another protocol", only: "HTTP1", handler: switchProtocols, want: "101"},
}

// observer is one library that records, and what it recorded.
type observer struct {
	name string
	make func(t *testing.T) (wrap func(http.Handler) http.Handler, recorded func() string)
}

var observers = []observer{
	{"ours", func(t *testing.T) (func(http.Handler) http.Handler, func() string) {
		m := newMeters(t)
		return newMiddleware(t, m).Handler, func() string { return statusAndError(t, m) }
	}},
	{"otelhttp", func(t *testing.T) (func(http.Handler) http.Handler, func() string) {
		m := newMeters(t)
		return func(h http.Handler) http.Handler {
			return otelhttp.NewHandler(h, "", otelhttp.WithMeterProvider(m))
		}, func() string { return statusAndError(t, m) }
	}},
	{"promhttp", func(t *testing.T) (func(http.Handler) http.Handler, func() string) {
		requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "requests"}, []string{"code"})
		registry := prometheus.NewRegistry()
		registry.MustRegister(requests)
		return func(h http.Handler) http.Handler {
			return promhttp.InstrumentHandlerCounter(requests, h)
		}, func() string { return codeOf(t, registry) }
	}},
}

// statusAndError are those of the requests that were recorded.
func statusAndError(t *testing.T, m *meters) string {
	t.Helper()
	var all []string
	for _, p := range m.points(t, requestDuration) {
		all = append(all, strings.TrimSpace(p.label("http.response.status_code")+" "+p.label("error.type")))
		if p.count != 1 {
			t.Errorf("%d requests are recorded", p.count)
		}
	}
	return cmp.Or(strings.Join(all, " and "), "nothing")
}

func codeOf(t *testing.T, registry *prometheus.Registry) string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			return metric.GetLabel()[0].GetValue()
		}
	}
	return "nothing"
}

// play has one row happen, and returns what the client saw.
func (row *endingRow) play(t *testing.T, proto protocol, wrap func(http.Handler) http.Handler) (saw string) {
	t.Helper()
	base, cancel := context.WithCancel(context.Background())
	defer cancel()
	st := stage{begun: make(chan struct{}), cancel: cancel}
	h := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { row.handler(st, w, r) }))
	if row.proxied != nil {
		h = proxyTo(t, row.proxied)
	}
	h = wrap(h)
	if row.around != nil {
		h = row.around(h)
	}
	started := make(chan struct{}, 1)
	s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started <- struct{}{}
		h.ServeHTTP(w, r)
	}), func(c *http.Server) {
		c.BaseContext = func(net.Listener) context.Context { return base }
		if row.configure != nil {
			row.configure(c)
		}
	})
	defer func() {
		<-started // a client may have had its answer from the server before the handler began, as after a time-out
		s.Close()
	}()
	if row.client == closesItsHalf {
		return halfClose(t, s, st)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if row.want == "101" {
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	}
	if row.client == leavesAtOnce {
		go func() {
			<-st.begun
			leave()
		}()
	}
	res, err := s.Client().Do(r)
	if err != nil {
		if row.client == leavesAtOnce {
			return "(left)"
		}
		return "no response"
	}
	defer res.Body.Close()
	if row.client == leavesInBody {
		_, _ = io.ReadFull(res.Body, make([]byte, 1))
		leave()
		return fmt.Sprint(res.StatusCode, " (left)")
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Sprint(res.StatusCode, ", cut off")
	}
	return fmt.Sprint(res.StatusCode)
}

// proxyTo is a reverse proxy for a backend.
func proxyTo(t *testing.T, backend http.HandlerFunc) http.Handler {
	t.Helper()
	s := httptest.NewUnstartedServer(backend)
	s.Start()
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(u) }}
	proxy.ErrorLog = quiet
	return proxy
}

// halfClose sends a request, closes its half of the connection, and reads.
func halfClose(t *testing.T, s *server, st stage) string {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-st.begun
	_ = conn.(*net.TCPConn).CloseWrite()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "no response"
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "ok" {
		return fmt.Sprint(res.StatusCode, ", cut off")
	}
	return fmt.Sprint(res.StatusCode)
}

const httpPage = "../docs/http.md"

// TestF31F32Endings has every ending of the table happen, over every protocol, in front of this library and of two others. The
// table is in docs/http.md.
func TestF31F32Endings(t *testing.T) {
	var table strings.Builder
	table.WriteString("| what happens | the client saw | status, `error.type` | otelhttp | promhttp |\n|---|---|---|---|---|\n")
	for _, row := range endingRows {
		seen := map[string][]string{} // by column, one for each protocol
		var spoken []string
		for _, proto := range protocols {
			if row.only != "" && proto.name != row.only {
				continue
			}
			spoken = append(spoken, map[protocol]string{http1: "HTTP/1.1", http2: "HTTP/2", h2c: "h2c"}[proto])
			t.Run(proto.name+"/"+row.name, func(t *testing.T) {
				for _, o := range observers {
					wrap, recorded := o.make(t)
					saw := row.play(t, proto, wrap)
					if o.name == "ours" {
						seen["client"] = append(seen["client"], saw)
						if got := recorded(); got != row.want {
							t.Errorf("recorded %q, want %q; the client saw %q", got, row.want, saw)
						}
					}
					seen[o.name] = append(seen[o.name], recorded())
				}
			})
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", row.name,
			cell(seen["client"], spoken), cell(seen["ours"], spoken), cell(seen["otelhttp"], spoken), cell(seen["promhttp"], spoken))
	}
	checkTable(t, table.String())
}

// cell is what was seen with each protocol, once where it is the same.
func cell(seen, spoken []string) string {
	if len(spoken) == 1 {
		return strings.Join(seen, "") + " (" + spoken[0] + ")"
	}
	var parts []string
	for i := 0; i < len(seen); {
		n := i + 1
		for n < len(seen) && seen[n] == seen[i] {
			n++
		}
		if n-i == len(seen) {
			return seen[i]
		}
		parts = append(parts, seen[i]+" ("+strings.Join(spoken[i:n], ", ")+")")
		i = n
	}
	return strings.Join(parts, "; ")
}

// checkTable wants the table to be the one in the page.
func checkTable(t *testing.T, table string) {
	t.Helper()
	page, err := os.ReadFile(httpPage)
	if err != nil {
		t.Fatal(err)
	}
	const from, to = "<!-- endings -->\n", "<!-- end of endings -->\n"
	before, rest, _ := strings.Cut(string(page), from)
	_, after, found := strings.Cut(rest, to)
	if !found {
		t.Fatalf("%s has no place for the table", httpPage)
	}
	want := before + from + table + to + after
	if *update {
		if err := os.WriteFile(httpPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != want && !t.Failed() {
		t.Errorf("%s is not what happens: go test ./middleware -run TestF31F32Endings -update; it is\n%s", httpPage, table)
	}
}
