package middleware

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// maxUnreadSize is the most that an unread Content-Length counts for. It is only a claim, and a
// claim of eight exabytes would make the sum of all sizes overflow.
const maxUnreadSize = 1 << 30

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// countedBody is a request's body with what is read from it counted. It may be read by another goroutine,
// and for longer than the request is served.
type countedBody struct {
	io.ReadCloser
	read atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

// countedRequest is a request and its body in one allocation.
type countedRequest struct {
	http.Request
	body countedBody
}

// handlersRequest returns the request that the handler gets. It is r, unless something of it has to be another one for
// the handler: then it is a copy. net/http looks at its own request while a response is written, for the type of its
// body, and so must not find a body of ours there. And whoever was given a request may share it with goroutines, which
// read it at any time. So what the handler gets is never written again, nor is anything in r but by writeBack.
func (rec *recorder) handlersRequest(h *measured, r *http.Request) *http.Request {
	ctx := r.Context()
	if h.labeler && rec.server.own.labeler(ctx) == nil {
		r = r.WithContext(otelhttp.ContextWithLabeler(ctx, &otelhttp.Labeler{}))
	} else if h.tracing != nil && !hasBody(r) {
		r = r.WithContext(ctx) // because otelhttp's copy gets the route for the span's name
	}
	if !hasBody(r) {
		return r
	}
	c := &countedRequest{Request: *r, body: countedBody{ReadCloser: r.Body}}
	c.Body, rec.body = &c.body, &c.body
	return &c.Request
}

// originalKey is that of the request which otelhttp was given a copy of.
type originalKey struct{}

func withOriginal(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), originalKey{}, r))
}

func originalOf(r *http.Request) *http.Request {
	original, _ := r.Context().Value(originalKey{}).(*http.Request)
	return original
}

// writeBack tells r, which a middleware further out or the server has, what they look for when its copy was served:
// the pattern that matched it with the values in its path, and the form whose files the server removes.
func writeBack(r, served *http.Request) {
	if r == served {
		return
	}
	if served.MultipartForm != nil {
		r.MultipartForm = served.MultipartForm
	}
	if served.Pattern == r.Pattern {
		return
	}
	r.Pattern = served.Pattern
	for rest := served.Pattern; ; {
		_, from, found := strings.Cut(rest, "{")
		name, after, closed := strings.Cut(from, "}")
		if !found || !closed {
			return
		}
		if name = strings.TrimSuffix(name, "..."); name != "$" {
			r.SetPathValue(name, served.PathValue(name))
		}
		rest = after
	}
}

// requestSize is what was read of the body, or what was announced where nothing was read.
func (rec *recorder) requestSize() int64 {
	if rec.body != nil {
		if n := rec.body.read.Load(); n > 0 {
			return n
		}
	}
	return min(max(rec.r.ContentLength, 0), maxUnreadSize)
}
