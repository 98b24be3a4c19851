package middleware_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/middleware"
)

// TestF25StreamDuration lets an event stream live for two hours of a bubble's time.
func TestF25StreamDuration(t *testing.T) {
	m := newMeters(t)
	mw := newMiddleware(t, m)
	synctest.Test(t, func(t *testing.T) {
		h := mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Second)
			_, _ = io.WriteString(w, "data: 1\n\n")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			checkSum(t, m, activeStreams, 1)
			time.Sleep(2 * time.Hour)
			_, _ = io.WriteString(w, "data: 2\n\n")
		}))
		h.ServeHTTP(flushingWriter{newPlainWriter()}, newRequest(t, "GET", "/events"))
	})
	checkSum(t, m, requestDuration, 1)
	checkSum(t, m, streamDuration, (2 * time.Hour).Seconds())
	checkSum(t, m, responseSize, 18)
	checkSum(t, m, activeStreams, 0)
}

type flushingWriter struct{ *plainWriter }

func (flushingWriter) Flush() {}

func TestHijackedConnection(t *testing.T) {
	m := newMeters(t)
	s := serve(t, http1, newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	})))
	dial(t, s.Listener.Addr().String(), "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	s.Close()
	ps := m.points(t, requestDuration)
	if len(ps) != 1 || summary(ps[0]) != "method=GET route=unmatched status=101 error=" {
		t.Errorf("recorded %+v, want one request of status 101", ps)
	}
	if got := m.points(t, streamDuration); len(got) != 1 || got[0].count != 1 {
		t.Errorf("streams are %+v, want one", got)
	}
	if got := m.points(t, responseSize); len(got) != 0 {
		t.Errorf("a hijacked connection has a response size: %+v", got)
	}
	checkSum(t, m, activeStreams, 0)
	checkSum(t, m, activeRequests, 0)
}

// dial sends raw bytes and returns the first line of the answer.
func dial(t *testing.T, address, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(conn).ReadString('\n')
	return line
}

func TestClientGone(t *testing.T) {
	tests := []struct {
		name   string
		before func(http.ResponseWriter)
		after  func(http.ResponseWriter)
		want   string
	}{
		{"no answer", nil, nil, "status= error=client_closed_request"},
		{"answer too late", nil, func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, "status=503 error=503"},
		{"answer too late that is no failure", nil, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }, "status=204 error="},
		{"during the body", func(w http.ResponseWriter) { _, _ = io.WriteString(w, "half") }, nil, "status=200 error="},
		{"stream", func(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }, nil, "status=200 error="},
	}
	for _, proto := range protocols {
		for _, tt := range tests {
			t.Run(proto.name+"/"+tt.name, func(t *testing.T) {
				m := newMeters(t)
				started := make(chan struct{})
				s := serve(t, proto, newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if tt.before != nil {
						tt.before(w)
					}
					close(started)
					<-r.Context().Done()
					if tt.after != nil {
						tt.after(w)
					}
				})))
				ctx, cancel := context.WithCancel(t.Context())
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
				if err != nil {
					t.Fatal(err)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					send(t, s.Client(), r)
				}()
				<-started
				cancel()
				<-done
				s.Close()
				ps := m.points(t, requestDuration)
				if len(ps) != 1 || summary(ps[0]) != "method=GET route=unmatched "+tt.want {
					t.Errorf("recorded %+v, want one request with %s", ps, tt.want)
				}
			})
		}
	}
}

func TestTimeoutHandler(t *testing.T) {
	m := newMeters(t)
	end := make(chan struct{}) // later than the time-out: of both at once, TimeoutHandler may choose either
	defer close(end)
	slow := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end })
	mux := muxOf(map[string]http.Handler{"/slow": http.TimeoutHandler(slow, time.Millisecond, "")})
	s := serve(t, http1, newMiddleware(t, m).Handler(mux))
	if status, _ := fetch(t, s, "GET", "/slow", nil); status != http.StatusServiceUnavailable {
		t.Errorf("the client got %d, want 503", status)
	}
	s.Close()
	ps := m.points(t, requestDuration)
	if len(ps) != 1 || summary(ps[0]) != "method=GET route=/slow status=503 error=503" {
		t.Errorf("recorded %+v, want one request of status 503", ps)
	}
}

// TestUnreadBody has handlers that answer without reading the body, to clients that have not sent it
// yet. The answer must not wait for it, as it does not without the middleware.
func TestUnreadBody(t *testing.T) {
	tests := []struct {
		name, header string
		size         float64
	}{
		{"expecting to continue", "Content-Length: 5\r\nExpect: 100-continue\r\n", 5},
		{"large", "Content-Length: 300000\r\n", 300000},
		{"absurd", "Content-Length: 9223372036854775807\r\n", 1 << 30},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeters(t)
			s := serve(t, http1, newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				_ = http.NewResponseController(w).Flush()
			})))
			line := dial(t, s.Listener.Addr().String(), "POST /up HTTP/1.1\r\nHost: x\r\n"+tt.header+"\r\n")
			if !strings.Contains(line, "413") {
				t.Errorf("the client got %q, want status 413", line)
			}
			s.Close()
			checkSum(t, m, requestSize, tt.size)
		})
	}
}

func TestHandlerOfNilPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"Handler": func() { newMiddleware(t, newMeters(t)).Handler(nil) },
		"Routes":  func() { middleware.Routes(nil) },
	} {
		func() {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), name) {
					t.Errorf("%s(nil) panicked with %v, want its name", name, v)
				}
			}()
			f()
		}()
	}
}

// TestBodyIsTheServers: net/http looks at the type of its request's body while the response is written and later, so
// that one stays where it is, whatever the handler does with its own.
func TestBodyIsTheServers(t *testing.T) {
	mine, other := io.NopCloser(strings.NewReader("mine")), io.NopCloser(strings.NewReader("other"))
	for name, handler := range map[string]http.HandlerFunc{
		"returned": func(http.ResponseWriter, *http.Request) {},
		"panicked": func(http.ResponseWriter, *http.Request) { panic("as planned") },
		"replaced": func(_ http.ResponseWriter, r *http.Request) { r.Body = other },
	} {
		r := newRequest(t, "POST", "/")
		r.Body = mine
		func() {
			defer func() { _ = recover() }()
			newMiddleware(t, newMeters(t)).Handler(handler).ServeHTTP(newPlainWriter(), r)
		}()
		if r.Body != mine {
			t.Errorf("%s: the request has the body %v, want its own", name, r.Body)
		}
	}
}
