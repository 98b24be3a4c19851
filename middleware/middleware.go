package middleware

import "net/http"

// Middleware instruments HTTP handlers. All handlers of one Middleware share its instruments; two
// Middlewares of one meter provider share the series. It is safe for concurrent use.
type Middleware struct {
	config *config
	server *server
}

// New creates a Middleware and its instruments. Every invalid option, and every instrument the meter
// provider refuses, is in the error.
func New(opts ...Option) (*Middleware, error) {
	c, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return &Middleware{config: c, server: s}, nil
}

// Handler returns next, measured. It may wrap an inner handler of one that it already wraps: a request
// is counted once, by the outermost, and the inner ones tell it their routes as [Routes] does. It
// panics when next is nil.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("middleware: Handler(nil): a handler is needed")
	}
	mux := m.config.mux
	if asked, ok := next.(*http.ServeMux); ok && asked == mux {
		mux = nil
	}
	h := &measured{server: m.server, next: next, mux: mux, traced: m.config.tracers != nil}
	var instrumented http.Handler = h
	switch {
	case h.traced:
		instrumented = m.config.tracedHandler(h)
	case m.config.labeler:
		instrumented = &labeling{next: h}
	}
	return &gate{exclusion: &m.server.exclusion, instrumented: instrumented, bare: next}
}

// measured is a handler that is measured.
type measured struct {
	server *server
	next   http.Handler
	mux    *http.ServeMux // to be asked for a route that is not known otherwise, or nil
	traced bool
}

func (h *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s := shapeOf(w)
	if !s.plain {
		if outer := h.outer(w); outer != nil {
			outer.nest(h.next, w, r)
			return
		}
	}
	rec := h.server.recorders.Get().(*recorder)
	rec.begin(h, w, r)
	// Not recover: the panic's stack and http.ErrAbortHandler have to reach the server.
	defer rec.end()
	h.next.ServeHTTP(writerOf(s.offers, rec.face), r)
	rec.done = true
}

// pathOfRequest is empty where there is no URL, as there always is on a server.
func pathOfRequest(r *http.Request) string {
	if r.URL == nil {
		return ""
	}
	return r.URL.Path
}

// outer finds the face of the same server that the request has already.
func (h *measured) outer(w http.ResponseWriter) *face {
	for f := findFace(w); f != nil; f = findFace(f.w) {
		if f.rec.server == h.server {
			return f
		}
	}
	return nil
}
