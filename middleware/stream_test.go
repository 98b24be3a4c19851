package middleware_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/middleware"
)

// TestStreamOverride serves one response on a route with a rule and wants it judged by the rule, also where
// the route is known only in the end.
func TestStreamOverride(t *testing.T) {
	flushes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush(); io.WriteString(w, "tail") })
	writes := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "whole") })
	silent := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	always, never := middleware.WithStreamed("/api/items/{id}"), middleware.WithUnstreamed("/api/items/{id}")
	elsewhere := middleware.WithStreamed("/elsewhere")
	tests := []struct {
		name    string
		opt     middleware.Option
		handler http.Handler
		streams int
	}{
		{"no rule, flushes", elsewhere, flushes, 1},
		{"no rule, writes", elsewhere, writes, 0},
		{"always, writes", always, writes, 1},
		{"always, flushes", always, flushes, 1},
		{"always, but nothing is written", always, silent, 0},
		{"never, flushes", never, flushes, 0},
		{"never, writes", never, writes, 0},
	}
	for _, tt := range tests {
		inner := muxOf(map[string]http.Handler{"/items/{id}": tt.handler})
		muxes := map[string]http.Handler{
			"known early": muxOf(map[string]http.Handler{"/api/items/{id}": tt.handler}),
			"known late":  muxOf(map[string]http.Handler{"/api/": http.StripPrefix("/api", middleware.Routes(inner))}),
		}
		for known, mux := range muxes {
			t.Run(tt.name+"/"+known, func(t *testing.T) {
				m := newMeters(t)
				s := serve(t, http1, newMiddleware(t, m, tt.opt).Handler(mux))
				fetch(t, s, "GET", "/api/items/7", nil)
				s.Close()
				if got := len(m.points(t, streamDuration)); got != tt.streams {
					t.Errorf("%d streams, want %d", got, tt.streams)
				}
				checkTotal(t, m, activeStreams, 0)
				if ps := m.points(t, requestDuration); len(ps) != 1 || ps[0].label("http.route") != "/api/items/{id}" {
					t.Errorf("recorded %+v", ps)
				}
			})
		}
	}
}

// checkTotal adds up the points of one instrument; none are nothing.
func checkTotal(t *testing.T, m *meters, name string, want float64) {
	t.Helper()
	var sum float64
	for _, p := range m.points(t, name) {
		sum += p.sum
	}
	if sum != want {
		t.Errorf("%s adds up to %g, want %g", name, sum, want)
	}
}

// TestStreamOverrideInFlight wants what is measured while the response is under way to follow the rule too.
func TestStreamOverrideInFlight(t *testing.T) {
	m := newMeters(t)
	during := map[string]float64{}
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "head")
		w.(http.Flusher).Flush()
		for _, p := range m.points(t, activeStreams) {
			during[r.URL.Path] += p.sum
		}
	})
	mux := muxOf(map[string]http.Handler{"/always": h, "/never": h})
	s := serve(t, http1, newMiddleware(t, m, middleware.WithStreamed("/always"), middleware.WithUnstreamed("/never")).Handler(mux))
	fetch(t, s, "GET", "/always", nil)
	fetch(t, s, "GET", "/never", nil)
	s.Close()
	if during["/always"] != 1 || during["/never"] != 0 {
		t.Errorf("active streams were %v", during)
	}
	if got := values(t, m, streamDuration, "http.route"); !slices.Equal(got, []string{"/always"}) {
		t.Errorf("the streams are %q", got)
	}
}

// TestStreamedDurationEndsWithTheHeader has an hour before the header and two after it, in a clock of its own.
func TestStreamedDurationEndsWithTheHeader(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Hour)
		w.WriteHeader(http.StatusOK)
		time.Sleep(time.Hour)
		w.(http.Flusher).Flush()
		time.Sleep(time.Hour)
	})
	mux := muxOf(map[string]http.Handler{
		"/early": h, "/never": h, "/flushed": h,
		"/late/": http.StripPrefix("/late", middleware.Routes(muxOf(map[string]http.Handler{"/items": h}))),
	})
	hour := time.Hour.Seconds()
	tests := []struct {
		path               string
		duration, lifetime float64
	}{{"/early", hour, 2 * hour}, {"/late/items", 2 * hour, hour}, {"/flushed", 2 * hour, hour}, {"/never", 3 * hour, 0}}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			m := newMeters(t)
			mw := newMiddleware(t, m, middleware.WithStreamed("/early", "/late/items"), middleware.WithUnstreamed("/never"))
			synctest.Test(t, func(t *testing.T) {
				mw.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, tt.path, nil))
			})
			checkTotal(t, m, requestDuration, tt.duration)
			checkTotal(t, m, streamDuration, tt.lifetime)
		})
	}
}

// TestStreamKnownLateAndNeverFlushed learns in the end that the response was a stream from its header on.
func TestStreamKnownLateAndNeverFlushed(t *testing.T) {
	m := newMeters(t)
	mw := newMiddleware(t, m, middleware.WithStreamed("/late/items"))
	inner := muxOf(map[string]http.Handler{"/items": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		time.Sleep(time.Hour)
	})})
	mux := muxOf(map[string]http.Handler{"/late/": http.StripPrefix("/late", middleware.Routes(inner))})
	synctest.Test(t, func(t *testing.T) {
		mw.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/late/items", nil))
	})
	checkTotal(t, m, requestDuration, 0)
	checkTotal(t, m, streamDuration, time.Hour.Seconds())
	checkTotal(t, m, activeStreams, 0)
}
