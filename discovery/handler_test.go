package discovery_test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/duotel/duotel/discovery"
)

// sync lists n targets in group fleet, with two colours and a state.
func fleet(t *testing.T, r *discovery.Registry, n int) {
	t.Helper()
	targets := make([]discovery.Target, 0, n)
	for i := range n {
		member := target("fleet", fmt.Sprintf("m%05d", i))
		member.Labels = map[string]string{"colour": []string{"red", "blue"}[i%2]}
		targets = append(targets, member)
	}
	if err := r.Sync(t.Context(), "fleet", targets); err != nil {
		t.Fatal(err)
	}
}

func TestHandlerFilters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		fleet(t, r, 4)
		if _, err := r.Register(t.Context(), target("other", "1")); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]int{
			"":                                     5,
			"?group=fleet":                         4,
			"?group=fleet&group=other":             5,
			"?group=nobody":                        0,
			"?label=colour=red":                    2,
			"?label=colour%3Dred&group=other":      0,
			"?health=passing":                      5,
			"?health=unhealthy":                    0,
			"?health=unhealthy&health=healthy":     5,
			"?health=unknown&label=colour=red":     0,
			"?health=healthy&label=colour=nothing": 0,
		} {
			w := get(r.Handler(), "/sd"+query, nil)
			if got := len(answer(t, w.Body)); w.Code != http.StatusOK || got != want {
				t.Errorf("%q: %d targets, HTTP %d; want %d", query, got, w.Code, want)
			}
		}
		for query, want := range map[string]string{
			"?colour=red":     "colour",
			"?health=sick":    `health="sick"`,
			"?label=colour":   `label="colour"`,
			"?group=a&limi=3": "limi",
		} {
			if w := get(r.Handler(), "/sd"+query, nil); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
				t.Errorf("%q: HTTP %d %q; want 400 that names %s", query, w.Code, w.Body, want)
			}
		}
	})
}

// TestHandlerFollowsTheListWithAFilter has the same question twice, with a change between.
func TestHandlerFollowsTheListWithAFilter(t *testing.T) {
	r := start(t, discovery.Config{})
	const query = "/sd?label=colour=red"
	for n := range 3 {
		fleet(t, r, 2*n)
		if got := len(answer(t, get(r.Handler(), query, nil).Body)); got != n {
			t.Errorf("of %d targets: %d; want %d", 2*n, got, n)
		}
	}
	for n := range 70 { // more questions than are remembered
		if got := len(answer(t, get(r.Handler(), fmt.Sprintf("%s&group=fleet&group=g%d", query, n), nil).Body)); got != 2 {
			t.Errorf("question %d: %d targets; want 2", n, got)
		}
	}
}

func TestHandlerSortsGzipsAndAnswersHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		fleet(t, r, 100)
		plain := get(r.Handler(), "/sd", nil)
		for i, g := range answer(t, strings.NewReader(plain.Body.String())) {
			if want := fmt.Sprintf("m%05d", i); g.Labels["__meta_duotel_id"] != want {
				t.Fatalf("element %d is %s; want %s", i, g.Labels["__meta_duotel_id"], want)
			}
		}
		zipped := get(r.Handler(), "/sd", http.Header{"Accept-Encoding": {"br", "gzip;q=0.5"}})
		reader, err := gzip.NewReader(zipped.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(reader)
		if err != nil || string(text) != plain.Body.String() || zipped.Header().Get("Content-Encoding") != "gzip" {
			t.Errorf("the gzip answer differs from the plain one, error %v", err)
		}
		if w := get(r.Handler(), "/sd", http.Header{"Accept-Encoding": {"gzip;q=0"}}); w.Header().Get("Content-Encoding") != "" {
			t.Error("gzip for a client that refuses it")
		}
		head := httptest.NewRecorder()
		r.Handler().ServeHTTP(head, httptest.NewRequest(http.MethodHead, "/sd", nil))
		if head.Body.Len() != 0 || head.Header().Get("Content-Length") != plain.Header().Get("Content-Length") || head.Header().Get("Age") != "0" {
			t.Errorf("HEAD: %d bytes, header %v", head.Body.Len(), head.Header())
		}
		post := httptest.NewRecorder()
		r.Handler().ServeHTTP(post, httptest.NewRequest(http.MethodPost, "/sd", nil))
		if post.Code != http.StatusMethodNotAllowed || post.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST: HTTP %d, Allow %q", post.Code, post.Header().Get("Allow"))
		}
	})
}

func TestHandlerAsksTheAuthorizer(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusUnauthorized: fmt.Errorf("who are you: %w", discovery.ErrUnauthenticated),
		http.StatusForbidden:    errors.New("not for you"),
	} {
		r := start(t, discovery.Config{Authorize: func(*http.Request) error { return err }})
		if w := get(r.Handler(), "/sd", nil); w.Code != want || !strings.Contains(w.Body.String(), err.Error()) {
			t.Errorf("HTTP %d %q; want %d", w.Code, w.Body, want)
		}
		if w := get(r.API(nil), "/v1/targets", nil); w.Code != want {
			t.Errorf("the API's list: HTTP %d; want %d", w.Code, want)
		}
	}
}

// TestD14ManyReadersCostOneEncodingConcurrentSafe pins what an answer of 10,000 targets allocates: the list is
// encoded when it has changed, and never because somebody asks.
func TestD14ManyReadersCostOneEncodingConcurrentSafe(t *testing.T) {
	r := start(t, discovery.Config{})
	h := r.Handler()
	fleet(t, r, 1)
	get(h, "/sd", nil) // so that the list changes once
	fleet(t, r, discovery.MaxGroupTargets)
	first := get(h, "/sd", nil).Body.Len()
	if first < 1<<20 {
		t.Fatalf("the answer has %d bytes; this test wants a large one", first)
	}
	for _, url := range []string{"/sd", "/sd?label=colour=red&health=passing"} {
		req := httptest.NewRequest(http.MethodGet, url, nil)
		req.Header.Set("Accept-Encoding", "gzip")
		if allocations := testing.AllocsPerRun(100, func() { h.ServeHTTP(discard{http.Header{}}, req) }); allocations > 60 {
			t.Errorf("%s: %v allocations an answer; want those of a few headers", url, allocations)
		}
	}
	var readers sync.WaitGroup
	for range 100 {
		readers.Go(func() {
			if n := get(h, "/sd", nil).Body.Len(); n != first {
				t.Errorf("an answer of %d bytes; want %d", n, first)
			}
		})
	}
	readers.Wait()
}

// discard is a response writer that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// TestAQueryThatCannotBeReadIsRefused: what net/url leaves out of a query would be a filter that is not there, and the answer would be everything.
func TestAQueryThatCannotBeReadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		if _, err := r.Put(t.Context(), target("secret", "1"), 0); err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{"group=open;health=passing", "group=%zz", "group=open&%", "health=passing;group=open"} {
			for path, h := range map[string]http.Handler{"/sd": r.Handler(), "/v1/targets": r.API(nil)} {
				req := httptest.NewRequest(http.MethodGet, path, nil)
				req.URL.RawQuery, req.RemoteAddr = query, "127.0.0.1:5000"
				w := httptest.NewRecorder()
				h.ServeHTTP(w, req)
				if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "secret") {
					t.Errorf("%s?%s: HTTP %d %s", path, query, w.Code, w.Body)
				}
			}
		}
	})
}
