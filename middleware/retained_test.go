package middleware_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/duotel/duotel/middleware"
)

// A handler that keeps what it was given reaches its own response for ever, and the measurements of no other
// request.
func TestRetainedAreNobodyElses(t *testing.T) {
	type kept struct {
		w    http.ResponseWriter
		body io.ReadCloser
	}
	var all []kept
	m := newMeters(t)
	mw := newMiddleware(t, m)
	h := mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, before := range all {
			_, _ = io.WriteString(before.w, "too late")
			_, _ = io.ReadAll(before.body)
			_ = http.NewResponseController(before.w).Flush()
			if middleware.SetRoute(before.w, "/elsewhere") {
				t.Error("a request that was served took a route")
			}
		}
		all = append(all, kept{w, r.Body})
		_, _ = io.WriteString(w, "ok")
	}))
	var writers []*plainWriter
	for range 100 {
		w, r := newPlainWriter(), newRequest(t, "POST", "/")
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader("body")), 10
		h.ServeHTTP(w, r)
		writers = append(writers, w)
	}
	for i, w := range writers {
		if want := len("ok") + (len(writers)-1-i)*len("too late"); w.size != want {
			t.Fatalf("response %d has %d bytes, want %d", i, w.size, want)
		}
	}
	again := newRequest(t, "GET", "/again")
	mw.Handler(http.NotFoundHandler()).ServeHTTP(wrapped{all[0].w}, again) // a part of a request that was counted
	for name, want := range map[string]float64{responseSize: 100 * 2, requestSize: 100 * 10} {
		if got := m.points(t, name); len(got) != 1 || got[0].count != 100 || got[0].sum != want {
			t.Errorf("%s: %+v, want one series of 100 with a sum of %g", name, got, want)
		}
	}
	if got := m.points(t, activeStreams); len(got) != 0 {
		t.Errorf("%s: a late flush began a stream: %+v", activeStreams, got)
	}
}

// Few series and many are found in different ways.
func TestEverySeriesHasItsOwnRequests(t *testing.T) {
	m := newMeters(t)
	mux := http.NewServeMux()
	for i := range 30 {
		mux.HandleFunc("/r"+strconv.Itoa(i)+"/{status}", func(w http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.PathValue("status"))
			w.WriteHeader(status)
		})
	}
	h := newMiddleware(t, m).Handler(mux)
	for round := range 2 { // the second finds what the first made
		for i := range 30 {
			for status := 200; status < 200+i; status++ {
				for range i + round {
					h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/r"+strconv.Itoa(i)+"/"+strconv.Itoa(status)))
				}
			}
		}
	}
	series := 0
	for _, p := range m.points(t, requestDuration) {
		i, _ := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(p.label("http.route"), "/r"), "/{status}"))
		if want := uint64(2*i + 1); p.count != want {
			t.Errorf("%s, %s: %d requests, want %d", p.label("http.route"), p.label("http.response.status_code"), p.count, want)
		}
		series++
	}
	if want := 30 * 29 / 2; series != want {
		t.Errorf("%d series, want %d", series, want)
	}
}

// wrapped is a ResponseWriter that hides what it wraps from everybody but a ResponseController.
type wrapped struct{ w http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.w.Header() }
func (w wrapped) WriteHeader(code int)        { w.w.WriteHeader(code) }
func (w wrapped) Write(p []byte) (int, error) { return w.w.Write(p) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.w }

// A handler that answers while an inner one is still at work, as after a timeout, leaves that one behind.
// What it finds out about its route later is nobody's.
func TestInnerHandlerOutlastsItsRequest(t *testing.T) {
	t.Run("unmatched", func(t *testing.T) { outlastRequest(t, "", "unmatched") })
	t.Run("matched", func(t *testing.T) { outlastRequest(t, "/abandoned", "/abandoned") })
}

// outlastRequest leaves requests behind that a router matched, where there is a pattern.
func outlastRequest(t *testing.T, pattern, route string) {
	t.Helper()
	for name, inner := range map[string]func(*middleware.Middleware, http.Handler) http.Handler{
		"Routes":  func(_ *middleware.Middleware, h http.Handler) http.Handler { return middleware.Routes(h) },
		"Handler": func(m *middleware.Middleware, h http.Handler) http.Handler { return m.Handler(h) },
		"SetRoute": func(_ *middleware.Middleware, h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				h.ServeHTTP(w, r)
				middleware.SetRoute(w, "/late/{id}")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeters(t)
			mw := newMiddleware(t, m)
			leave, entered := make(chan struct{}), make(chan struct{}, 1)
			mux := http.NewServeMux()
			mux.HandleFunc("/late/{id}", func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-leave })
			var once sync.Once
			left, handler := make(chan struct{}), inner(mw, mux)
			abandoning := mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				inside := r.Clone(r.Context())
				r.Pattern = pattern
				go func() {
					defer close(left)
					handler.ServeHTTP(wrapped{w}, inside)
				}()
				<-entered
				if pattern != "" && name != "SetRoute" {
					middleware.SetRoute(w, "/told") // not to be read while others may write it
				}
			}))
			abandoning.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/late/1"))
			others := http.NewServeMux()
			others.HandleFunc("/others", func(http.ResponseWriter, *http.Request) {
				once.Do(func() { close(leave) }) // while this request is served
				<-left
			})
			served := mw.Handler(others)
			for range 100 {
				served.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/others"))
			}
			got := map[string]uint64{}
			for _, p := range m.points(t, requestDuration) {
				got[p.label("http.route")] += p.count
			}
			if len(got) != 2 || got["/others"] != 100 || got[route] != 1 {
				t.Errorf("requests by route: %v", got)
			}
		})
	}
}

// A connection that is hijacked by a ResponseController, past a writer that is no Hijacker, is seen.
func TestHijackBehindAWriterThatOnlyUnwraps(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		w.WriteHeader(http.StatusTeapot) // too late
		_ = conn.Close()
	}))
	s := serve(t, http1, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(wrapped{w}, r) }))
	r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "x")
	if status, answer := send(t, s.Client(), r); status != http.StatusSwitchingProtocols {
		t.Fatalf("%d %s", status, answer)
	}
	s.Close()
	if got := m.points(t, streamDuration); len(got) != 1 || got[0].label("http.response.status_code") != "101" {
		t.Errorf("%s: %+v", streamDuration, got)
	}
}
