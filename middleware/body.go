package middleware

import (
	"io"
	"net/http"
	"sync/atomic"
)

const (
	// maxUnreadSize is the most that an unread Content-Length counts for. It is only a claim, and a
	// claim of eight exabytes would make the sum of all sizes overflow.
	maxUnreadSize = 1 << 30

	// discardLimit is how much of an unread body net/http reads away before it closes the connection.
	discardLimit = 256 << 10
)

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

// countBody puts a counted body in the place of the request's.
func (rec *recorder) countBody() {
	rec.body = rec.unused.body(rec.r.Body)
	rec.r.Body = rec.body
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

// restoreBody gives the request its own body back, unless somebody replaced it in between. net/http
// looks at its type when the handler has returned.
func (rec *recorder) restoreBody() {
	if rec.r.Body == io.ReadCloser(rec.body) {
		rec.r.Body = rec.body.ReadCloser
	}
}

// discardsUnread reports whether net/http, about to write the header of an HTTP/1 response, would mistake
// a body that it does not know: it would wait for a body that a client has not sent yet (Expect:
// 100-continue), or read away one that is too large to be worth it. It then gets its own body back early;
// the length of those is announced, and counts where nothing was read.
func (rec *recorder) discardsUnread() bool {
	r := rec.r
	return r.ProtoMajor == 1 &&
		(r.ContentLength >= discardLimit || len(r.Header["Expect"]) > 0)
}
