package middleware_test

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/duotel/duotel/middleware"
)

// shop is a small service with a handler for each way a request can end.
func shop() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "item") })
	mux.HandleFunc("/home/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	})
	mux.HandleFunc("POST /ignored", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) })
	mux.HandleFunc("/twice", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("/panics", func(http.ResponseWriter, *http.Request) { panic("as planned") })
	mux.HandleFunc("/panics-late", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		panic("as planned")
	})
	mux.HandleFunc("/aborts", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("/metrics", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func TestRequestIsRecorded(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		status                   int // as the client sees it, 0 for none
		want                     string
		requestSize, size        float64
	}{
		{"matched", "GET", "/items/7", "", 200, "method=GET route=/items/{id} status=200 error=", 0, 4},
		{"head has no body", "HEAD", "/items/7", "", 200, "method=HEAD route=/items/{id} status=200 error=", 0, 0},
		{"implicit 200", "GET", "/home/", "", 200, "method=GET route=/home/{$} status=200 error=", 0, 0},
		{"body is read", "POST", "/upload", "12345", 201, "method=POST route=/upload status=201 error=", 5, 0},
		{"body is not read", "POST", "/ignored", "12345", 200, "method=POST route=/ignored status=200 error=", 5, 0},
		{"server error", "GET", "/fails", "", 502, "method=GET route=/fails status=502 error=502", 0, 3},
		{"first status counts", "GET", "/twice", "", 418, "method=GET route=/twice status=418 error=", 0, 0},
		{"informational is not final", "GET", "/hints", "", 202, "method=GET route=/hints status=202 error=", 0, 0},
		{"unknown method", "BREW", "/home/", "", 200, "method=_OTHER route=/home/{$} status=200 error=", 0, 0},
		{"not found", "GET", "/nope", "", 404, "method=GET route=unmatched status=404 error=", 0, 19},
		{"method not allowed", "PUT", "/items/7", "", 405, "method=PUT route=unmatched status=405 error=", 0, 19},
		{"F21 panic", "GET", "/panics", "", 0, "method=GET route=/panics status=500 error=panic", 0, 0},
		{"F21 panic after the header", "GET", "/panics-late", "", 0, "method=GET route=/panics-late status=202 error=panic", 0, 0},
		{"F31 abort", "GET", "/aborts", "", 0, "method=GET route=/aborts status= error=aborted", 0, 0},
	}
	for _, proto := range protocols {
		for _, tt := range tests {
			t.Run(proto.name+"/"+tt.name, func(t *testing.T) {
				m := newMeters(t)
				s := serve(t, proto, newMiddleware(t, m).Handler(shop()))
				var body io.Reader
				if tt.body != "" {
					body = strings.NewReader(tt.body)
				}
				if status, answer := fetch(t, s, tt.method, tt.path, body); status != tt.status {
					t.Errorf("the client got %d %s, want %d", status, answer, tt.status)
				}
				s.Close()
				ps := m.points(t, requestDuration)
				if len(ps) != 1 || ps[0].count != 1 {
					t.Fatalf("recorded %+v, want one request", ps)
				}
				if got := summary(ps[0]); got != tt.want {
					t.Errorf("recorded %s, want %s", got, tt.want)
				}
				if v, s := ps[0].label("network.protocol.version"), ps[0].label("url.scheme"); v != proto.version || s != proto.scheme {
					t.Errorf("recorded %s over %s, want %s over %s", v, s, proto.version, proto.scheme)
				}
				checkSum(t, m, requestSize, tt.requestSize)
				checkSum(t, m, responseSize, tt.size)
				checkSum(t, m, activeRequests, 0)
			})
		}
	}
}

func summary(p point) string {
	return fmt.Sprintf("method=%s route=%s status=%s error=%s",
		p.label("http.request.method"), p.label("http.route"), p.label("http.response.status_code"), p.label("error.type"))
}

func checkSum(t *testing.T, m *meters, name string, want float64) {
	t.Helper()
	ps := m.points(t, name)
	if len(ps) != 1 || ps[0].sum != want {
		t.Errorf("%s is %+v, want one point of %g", name, ps, want)
	}
}

func TestPanicIsNotRecovered(t *testing.T) {
	for _, want := range []any{"as planned", http.ErrAbortHandler} {
		h := newMiddleware(t, newMeters(t)).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(want) }))
		func() {
			defer func() {
				if got := recover(); got != want {
					t.Errorf("panic(%v) came out as %v", want, got)
				}
			}()
			h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/"))
		}()
	}
}

// TestF22SpoofedRequests attacks one service with everything a client can choose.
func TestF22SpoofedRequests(t *testing.T) {
	const attacks = 3000
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			m := newMeters(t)
			s := serve(t, proto, newMiddleware(t, m).Handler(shop()))
			for i := range attacks {
				r, err := http.NewRequestWithContext(t.Context(), []string{"GET", fmt.Sprintf("M%d", i)}[i%2], s.URL+[]string{"/items/", "/x/"}[i/2%2]+fmt.Sprint(i), nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Host = fmt.Sprintf("host-%d.example", i)
				r.Header.Set("User-Agent", r.Host)
				r.Header.Set("X-Forwarded-Host", r.Host)
				r.Header.Set("X-Forwarded-Proto", r.Host)
				r.Header.Set("Forwarded", "host="+r.Host)
				send(t, s.Client(), r)
			}
			s.Close()
			var total uint64
			for _, p := range m.points(t, requestDuration) {
				total += p.count
				for _, kv := range p.attrs.ToSlice() {
					if strings.Contains(kv.Value.String(), "host-") {
						t.Errorf("the client chose %s", p.attrs.Encoded(attribute.DefaultEncoder()))
					}
				}
			}
			if total != attacks {
				t.Errorf("%d requests were recorded, want %d", total, attacks)
			}
			// GET found and not found, any other method not allowed and not found.
			if got := m.lines(t, requestDuration); len(got) != 4 {
				t.Errorf("%d series after the attack, want 4: %v", len(got), got)
			}
			if got := m.lines(t, activeRequests); len(got) != 2 {
				t.Errorf("%d series of active requests, want 2: %v", len(got), got)
			}
		})
	}
}

func TestF27Excluded(t *testing.T) {
	item := regexp.MustCompile(`^/items/\{id\}$`)
	tests := []struct {
		name     string
		opts     []middleware.Option
		recorded []string
	}{
		{"default", nil, []string{"/home/{$}", "/items/{id}"}},
		{"list replaced", []middleware.Option{middleware.WithExcludedPaths("/home/")}, []string{"/healthz", "/items/{id}", "/metrics"}},
		{"list empty", []middleware.Option{middleware.WithExcludedPaths()}, []string{"/healthz", "/home/{$}", "/items/{id}", "/metrics"}},
		{"route", []middleware.Option{middleware.WithExcluded(item)}, []string{"/home/{$}"}},
		{"path", []middleware.Option{middleware.WithExcluded(regexp.MustCompile(`^/home`), regexp.MustCompile(`/7$`))}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMeters(t)
			s := serve(t, http1, newMiddleware(t, m, tt.opts...).Handler(shop()))
			for _, path := range []string{"/metrics", "/healthz", "/home/", "/items/7"} {
				if status, _ := fetch(t, s, "GET", path, nil); status != 200 {
					t.Errorf("%s was answered with %d", path, status)
				}
			}
			s.Close()
			var got []string
			for _, p := range m.points(t, requestDuration) {
				got = append(got, p.label("http.route"))
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.recorded) {
				t.Errorf("recorded %v, want %v", got, tt.recorded)
			}
		})
	}
}

func TestF26Buckets(t *testing.T) {
	m := newMeters(t)
	s := serve(t, http1, newMiddleware(t, m).Handler(shop()))
	fetch(t, s, "GET", "/items/7", nil)
	s.Close()
	seconds := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	bytes := []float64{100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8}
	for name, want := range map[string][]float64{requestDuration: seconds, requestSize: bytes, responseSize: bytes} {
		if got := m.points(t, name); len(got) != 1 || !slices.Equal(got[0].bounds, want) {
			t.Errorf("%s has %+v, want one point with the bounds %v", name, got, want)
		}
	}
}

func TestActiveWhileServed(t *testing.T) {
	m := newMeters(t)
	started, finish := make(chan struct{}), make(chan struct{})
	h := newMiddleware(t, m).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(started)
		<-finish
	}))
	s := serve(t, http1, h)
	done := make(chan struct{})
	go func() {
		defer close(done)
		fetch(t, s, "GET", "/", nil)
	}()
	<-started
	checkSum(t, m, activeRequests, 1)
	close(finish)
	<-done
	s.Close()
	checkSum(t, m, activeRequests, 0)
	want := []string{"http.request.method=GET,url.scheme=http"}
	if got := m.lines(t, activeRequests); !slices.Equal(got, want) {
		t.Errorf("active requests are %v, want %v", got, want)
	}
}
