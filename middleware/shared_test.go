package middleware_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/middleware"
)

// F45: what a handler was given is the handler's. These tests have handlers that share their request with goroutines;
// the race detector is what they are for, and each also looks at what was recorded.

// chains are the ways in which the middleware puts something between the server and the handler.
var chains = map[string][]middleware.Option{
	"usual":   nil,
	"labeler": {middleware.WithLabeler()},
	"traced":  {middleware.WithTracerProvider(trace.NewTracerProvider())},
}

// overChains runs a test over every protocol and with every chain.
func overChains(t *testing.T, name string, test func(t *testing.T, proto protocol, opts []middleware.Option)) {
	t.Helper()
	for chain, opts := range chains {
		overAll(t, name+chain, func(t *testing.T, proto protocol) { test(t, proto, opts) })
	}
}

// upload is larger than what net/http reads away of a body that nobody read.
const upload = 400 << 10

// TestF45FullDuplex answers first, and reads the body in another goroutine meanwhile.
func TestF45FullDuplex(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		m := newMeters(t)
		s := serve(t, proto, newMiddleware(t, m, opts...).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if proto == http1 {
				if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
					t.Error(err)
				}
			}
			read := make(chan int64)
			go func() {
				n, _ := io.CopyN(io.Discard, r.Body, 10)
				read <- n
				rest, _ := io.Copy(io.Discard, r.Body)
				read <- rest
			}()
			n := <-read
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
			if n += <-read; n != upload {
				t.Errorf("the handler read %d bytes, want %d", n, upload)
			}
		})))
		fetch(t, s, http.MethodPost, "/", bytes.NewReader(make([]byte, upload)))
		s.Close()
		checkSum(t, m, requestSize, upload)
	})
}

// TestF45ContinueExpected has a client that waits for the server before it sends its body.
func TestF45ContinueExpected(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		m := newMeters(t)
		s := serve(t, proto, newMiddleware(t, m, opts...).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.CopyN(io.Discard, r.Body, 10)
			w.WriteHeader(http.StatusAccepted)
			_ = http.NewResponseController(w).Flush()
			_, _ = io.Copy(io.Discard, r.Body)
		})))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewReader(make([]byte, upload)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Expect", "100-continue")
		if status, answer := send(t, s.Client(), r); status != http.StatusAccepted {
			t.Errorf("the client got %d %s", status, answer)
		}
		s.Close()
		checkSum(t, m, requestSize, upload)
	})
}

// TestF45RequestOutlivesItsHandler has goroutines that copy and read a request while its handler returns and later.
func TestF45RequestOutlivesItsHandler(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		m := newMeters(t)
		var outliving sync.WaitGroup
		mux := http.NewServeMux()
		mux.HandleFunc("/form", func(_ http.ResponseWriter, r *http.Request) {
			outliving.Go(func() { _ = r.ParseForm() }) // which writes the request, that is the handler's alone
		})
		mux.HandleFunc("/up/{id}", func(_ http.ResponseWriter, r *http.Request) {
			for _, use := range []func(){
				func() { _ = r.WithContext(context.Background()) },
				func() { _ = r.Clone(context.Background()) },
				func() { _, _ = r.Body.Read(make([]byte, 1)) },
				func() { _, _ = r.Pattern, r.PathValue("id") },
			} {
				started := make(chan struct{})
				outliving.Go(func() {
					close(started)
					for range 100 {
						use()
					}
				})
				<-started
			}
		})
		s := serve(t, proto, newMiddleware(t, m, opts...).Handler(mux))
		for range 20 {
			fetch(t, s, http.MethodPost, "/up/7", strings.NewReader("0123456789"))
			fetch(t, s, http.MethodGet, "/up/7", nil)
			fetch(t, s, http.MethodPost, "/form", strings.NewReader("0123456789"))
		}
		s.Close()
		outliving.Wait()
		requireRoutes(t, m, map[string]uint64{"/up/{id}": 40, "/form": 20})
	})
}

// TestF45TimeoutHandler leaves a handler behind that goes on with its request, inside of the middleware and outside.
func TestF45TimeoutHandler(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		var left sync.WaitGroup
		mux := http.NewServeMux()
		mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
			defer left.Done()
			<-r.Context().Done()
			_, _ = io.Copy(io.Discard, r.Clone(context.Background()).Body)
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, "too late")
		})
		m := newMeters(t)
		mw := newMiddleware(t, m, opts...)
		for name, h := range map[string]http.Handler{
			"inside":  mw.Handler(http.TimeoutHandler(mux, 5*time.Millisecond, "")),
			"outside": http.TimeoutHandler(mw.Handler(mux), 5*time.Millisecond, ""),
		} {
			s := serve(t, proto, h)
			left.Add(1) // here, because the time can be over before the handler begins
			if status, _ := fetch(t, s, http.MethodPost, "/slow", strings.NewReader("0123456789")); status != http.StatusServiceUnavailable {
				t.Errorf("%s: the client got %d, want 503", name, status)
			}
			s.Close()
			left.Wait()
		}
	})
}

// TestF45ReverseProxy has a proxy, whose transport reads the body on a goroutine of its own, in front of a backend
// that answers without reading it.
func TestF45ReverseProxy(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/read" {
				_, _ = io.Copy(io.Discard, r.Body)
			}
			_, _ = io.WriteString(w, "ok")
		}))
		t.Cleanup(backend.Close)
		u, err := url.Parse(backend.URL)
		if err != nil {
			t.Fatal(err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		t.Cleanup(transport.CloseIdleConnections)
		m := newMeters(t)
		s := serve(t, proto, newMiddleware(t, m, opts...).Handler(&httputil.ReverseProxy{
			Transport: transport,
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) },
		}))
		for range 5 {
			fetch(t, s, http.MethodPost, "/unread", bytes.NewReader(make([]byte, upload)))
			if status, answer := fetch(t, s, http.MethodPost, "/read", bytes.NewReader(make([]byte, upload))); status != http.StatusOK {
				t.Errorf("the client got %d %s", status, answer)
			}
		}
		s.Close()
	})
}

// TestF45UploadedFilesAreRemoved looks for the file of a form when the server is done with the request.
func TestF45UploadedFilesAreRemoved(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		t.Setenv("TMPDIR", t.TempDir())
		mux := http.NewServeMux()
		mux.HandleFunc("/up/{id}", func(_ http.ResponseWriter, r *http.Request) {
			if err := r.ParseMultipartForm(1); err != nil {
				t.Error(err)
				return
			}
			if files, _ := os.ReadDir(os.TempDir()); len(files) != 1 {
				t.Errorf("the upload made %d files, want one", len(files))
			}
			if r.URL.Query().Has("panic") {
				panic(http.ErrAbortHandler)
			}
		})
		s := serve(t, proto, newMiddleware(t, newMeters(t), opts...).Handler(mux))
		paths := []string{"/up/7"}
		if proto != http1 { // where net/http leaves the files of an aborted request behind, whoever is in between
			paths = append(paths, "/up/7?panic")
		}
		for _, path := range paths {
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			file, _ := form.CreateFormFile("file", "name")
			_, _ = file.Write(make([]byte, upload))
			_ = form.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, &body)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", form.FormDataContentType())
			send(t, s.Client(), r)
		}
		s.Close()
		if files, _ := os.ReadDir(os.TempDir()); len(files) != 0 {
			t.Errorf("the server left %d files behind", len(files))
		}
	})
}

// TestF45PatternIsFoundFurtherOut has a middleware around ours that looks at its request when it was served.
func TestF45PatternIsFoundFurtherOut(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		mux := http.NewServeMux()
		mux.HandleFunc("POST /a/{id}/{rest...}", nothing)
		mux.HandleFunc("GET /a/{id}/{rest...}", nothing)
		mux.HandleFunc("/exact/{$}", nothing)
		h := newMiddleware(t, newMeters(t), opts...).Handler(mux)
		var got []string
		s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body := r.Body
			h.ServeHTTP(w, r)
			if r.Body != body {
				t.Errorf("the server finds a body of type %T in its request", r.Body)
			}
			got = append(got, r.Pattern+" "+r.PathValue("id")+" "+r.PathValue("rest"))
		}))
		fetch(t, s, http.MethodGet, "/a/7/b/c", nil)
		fetch(t, s, http.MethodPost, "/a/7/b/c", strings.NewReader("body"))
		fetch(t, s, http.MethodPost, "/exact/", strings.NewReader("body"))
		fetch(t, s, http.MethodPost, "/nothing", strings.NewReader("body"))
		s.Close()
		want := "GET /a/{id}/{rest...} 7 b/c\nPOST /a/{id}/{rest...} 7 b/c\n/exact/{$}  \n  "
		if strings.Join(got, "\n") != want {
			t.Errorf("further out it is\n%s\nwant\n%s", strings.Join(got, "\n"), want)
		}
	})
}
