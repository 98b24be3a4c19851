package middleware_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestF25EventStream reads the first event, lets the stream live for longer than that took, and ends it.
func TestF25EventStream(t *testing.T) {
	overAll(t, "events", func(t *testing.T, proto protocol) {
		m := newMeters(t)
		flushed, finish := make(chan struct{}), make(chan struct{})
		s := serve(t, proto, newMiddleware(t, m).Handler(muxOf(map[string]http.Handler{
			"/events": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "data: 1\n")
				_ = http.NewResponseController(w).Flush()
				close(flushed)
				<-finish
				_, _ = io.WriteString(w, "data: 2\n")
			}),
		})))
		start := time.Now()
		body := open(t, s, "/events", nil)
		defer body.Close()
		events := bufio.NewReader(body)
		checkLine(t, events, "data: 1\n")
		<-flushed // the client may have the event before Flush returns
		first, lived := outlive(t, m, start)
		close(finish)
		checkLine(t, events, "data: 2\n")
		s.Close()
		checkLifetime(t, m, first, lived, "method=GET route=/events status=200 error=")
		checkSum(t, m, responseSize, 16)
	})
}

// TestF25WebSocket is over HTTP/1.1 only: HTTP/2 has no connection that a handler could take over.
func TestF25WebSocket(t *testing.T) {
	m := newMeters(t)
	s := serve(t, http1, newMiddleware(t, m).Handler(muxOf(map[string]http.Handler{
		"/ws": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(conn, rw)
		}),
	})))
	start := time.Now()
	body := open(t, s, "/ws", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}})
	_, _ = io.WriteString(body.(io.Writer), "hello\n")
	checkLine(t, bufio.NewReader(body), "hello\n")
	first, lived := outlive(t, m, start)
	body.Close()
	s.Close()
	checkLifetime(t, m, first, lived, "method=GET route=/ws status=101 error=")
	for _, name := range []string{requestSize, responseSize} {
		if got := m.points(t, name); len(got) != 0 {
			t.Errorf("a hijacked connection has %s: %+v", name, got)
		}
	}
}

// open sends a request and returns the body of the answer while the handler still runs.
func open(t *testing.T, s *server, path string, header http.Header) io.ReadCloser {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res.Body
}

func checkLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want {
		t.Fatalf("read %q and %v, want %q", got, err, want)
	}
}

// outlive waits, on a stream's first byte, for as long as that took to come. So a duration that holds the
// lifetime is longer than first, whatever the machine does.
func outlive(t *testing.T, m *meters, start time.Time) (first, lived time.Duration) {
	t.Helper()
	first = time.Since(start)
	checkSum(t, m, activeStreams, 1)
	checkSum(t, m, activeRequests, 1)
	<-time.After(first)
	return first, time.Since(start) - first
}

func checkLifetime(t *testing.T, m *meters, first, lived time.Duration, want string) {
	t.Helper()
	ps, streams := m.points(t, requestDuration), m.points(t, streamDuration)
	if len(ps) != 1 || len(streams) != 1 || summary(ps[0]) != want || summary(streams[0]) != want {
		t.Fatalf("recorded %+v and streams %+v, want one of %s", ps, streams, want)
	}
	if ps[0].sum > first.Seconds() {
		t.Errorf("the duration is %gs, and the first byte was there after %v", ps[0].sum, first)
	}
	if streams[0].sum < lived.Seconds() {
		t.Errorf("the lifetime is %gs, and the stream lived for %v", streams[0].sum, lived)
	}
	checkSum(t, m, activeStreams, 0)
	checkSum(t, m, activeRequests, 0)
}
