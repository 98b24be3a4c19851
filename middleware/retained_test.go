package middleware_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
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
	h := newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
