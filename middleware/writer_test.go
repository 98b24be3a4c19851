package middleware_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// plainWriter is an http.ResponseWriter and nothing else.
type plainWriter struct {
	header http.Header
	status int
	size   int
}

func newPlainWriter() *plainWriter { return &plainWriter{header: http.Header{}} }

func (w *plainWriter) Header() http.Header         { return w.header }
func (w *plainWriter) WriteHeader(code int)        { w.status = code }
func (w *plainWriter) Write(p []byte) (int, error) { w.size += len(p); return len(p), nil }

func newRequest(tb testing.TB, method, path string) *http.Request {
	tb.Helper()
	return httptest.NewRequestWithContext(context.Background(), method, path, nil)
}

// The optional interfaces, each noting that it was reached.
type (
	calls    map[string]bool
	flusher  struct{ calls }
	hijacker struct{ calls }
	pusher   struct{ calls }
	notifier struct{ calls }
)

func (f flusher) Flush()                              { f.calls["flush"] = true }
func (p pusher) Push(string, *http.PushOptions) error { p.calls["push"] = true; return nil }
func (n notifier) CloseNotify() <-chan bool           { n.calls["notify"] = true; return nil }
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h.calls["hijack"] = true
	return nil, nil, nil
}

// TestWriterKeepsInterfaces gives the middleware every set of optional interfaces, and wants a handler to
// find the same set and to reach the writer underneath with it.
func TestWriterKeepsInterfaces(t *testing.T) {
	type base struct{ http.ResponseWriter }
	b := base{newPlainWriter()}
	c := calls{}
	f, h, p, n := flusher{c}, hijacker{c}, pusher{c}, notifier{c}
	tests := map[string]http.ResponseWriter{
		"": b,
		"flush": struct {
			base
			flusher
		}{b, f},
		"hijack": struct {
			base
			hijacker
		}{b, h},
		"push": struct {
			base
			pusher
		}{b, p},
		"notify": struct {
			base
			notifier
		}{b, n},
		"flush hijack": struct {
			base
			flusher
			hijacker
		}{b, f, h},
		"flush push": struct {
			base
			flusher
			pusher
		}{b, f, p},
		"flush notify": struct {
			base
			flusher
			notifier
		}{b, f, n},
		"hijack push": struct {
			base
			hijacker
			pusher
		}{b, h, p},
		"hijack notify": struct {
			base
			hijacker
			notifier
		}{b, h, n},
		"push notify": struct {
			base
			pusher
			notifier
		}{b, p, n},
		"flush hijack push": struct {
			base
			flusher
			hijacker
			pusher
		}{b, f, h, p},
		"flush hijack notify": struct {
			base
			flusher
			hijacker
			notifier
		}{b, f, h, n},
		"flush push notify": struct {
			base
			flusher
			pusher
			notifier
		}{b, f, p, n},
		"hijack push notify": struct {
			base
			hijacker
			pusher
			notifier
		}{b, h, p, n},
		"flush hijack push notify": struct {
			base
			flusher
			hijacker
			pusher
			notifier
		}{b, f, h, p, n},
	}
	mw := newMiddleware(t, newMeters(t))
	for want, w := range tests {
		t.Run(want, func(t *testing.T) {
			clear(c)
			var found string
			mw.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { found = use(w) })).
				ServeHTTP(w, newRequest(t, "GET", "/"))
			if found != want {
				t.Errorf("the handler found %q, want %q", found, want)
			}
			for _, name := range strings.Fields(want) {
				if !c[name] {
					t.Errorf("%s did not reach the writer underneath", name)
				}
			}
		})
	}
}

// use calls every optional method of w and returns which there are.
func use(w http.ResponseWriter) string {
	var found []string
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
		found = append(found, "flush")
	}
	if h, ok := w.(http.Hijacker); ok {
		_, _, _ = h.Hijack()
		found = append(found, "hijack")
	}
	if p, ok := w.(http.Pusher); ok {
		_ = p.Push("/", nil)
		found = append(found, "push")
	}
	//lint:ignore SA1019 it is what is tested
	if n, ok := w.(http.CloseNotifier); ok {
		n.CloseNotify()
		found = append(found, "notify")
	}
	return strings.Join(found, " ")
}

// sender is a writer that would hand files to the kernel.
type sender struct {
	http.ResponseWriter
	source io.Reader
}

func (s *sender) ReadFrom(src io.Reader) (int64, error) {
	s.source = src
	return io.Copy(s.ResponseWriter, src)
}

// TestReadFromReachesTheWriter copies a file to writers as servers have them. Only with the file itself in its
// hands can a writer let the kernel send it.
func TestReadFromReachesTheWriter(t *testing.T) {
	c := calls{}
	for name, wrap := range map[string]func(*sender) http.ResponseWriter{
		"plain":        func(s *sender) http.ResponseWriter { return s },
		"flush hijack": func(s *sender) http.ResponseWriter { return sendingHTTP1{s, flusher{c}, hijacker{c}} },
	} {
		t.Run(name, func(t *testing.T) {
			m, s, file := newMeters(t), &sender{ResponseWriter: newPlainWriter()}, strings.NewReader("content")
			newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if n, err := w.(io.ReaderFrom).ReadFrom(file); n != 7 || err != nil {
					t.Errorf("%d bytes were sent, %v", n, err)
				}
			})).ServeHTTP(wrap(s), newRequest(t, "GET", "/"))
			if s.source != io.Reader(file) {
				t.Errorf("the writer underneath was given %T to read from, want the file", s.source)
			}
			checkSum(t, m, responseSize, 7)
		})
	}
}

type sendingHTTP1 struct {
	*sender
	flusher
	hijacker
}

// TestReadFromWithoutHelp copies a file to a writer that knows no better than to be written to.
func TestReadFromWithoutHelp(t *testing.T) {
	m, w := newMeters(t), newPlainWriter()
	newMiddleware(t, m).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("content")); n != 7 || err != nil {
			t.Errorf("%d bytes were sent, %v", n, err)
		}
	})).ServeHTTP(w, newRequest(t, "GET", "/"))
	if w.size != 7 {
		t.Errorf("%d bytes were written, want 7", w.size)
	}
	checkSum(t, m, responseSize, 7)
}
