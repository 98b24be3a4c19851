package middleware

import "net/http"

// Middleware instruments HTTP handlers. All handlers of one Middleware share its instruments; two
// Middlewares of one meter provider share the series, and where one is inside of the other, a request is counted once:
// by the outer one, with its options. It is safe for concurrent use.
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

// Handler returns next, measured. It may wrap an inner handler of one that is measured already, by it or by another
// Middleware of the same meter provider: a request is counted once, by the outermost, and the inner ones tell it their
// routes as [Routes] does, and nothing else. It
// panics when next is nil.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	if next == nil {
		panic("middleware: Handler(nil): a handler is needed")
	}
	mux := m.config.mux
	if asked, ok := next.(*http.ServeMux); ok && asked == mux {
		mux = nil
	}
	h := &measured{server: m.server, next: next, mux: mux}
	if m.config.tracers != nil {
		h.tracing = m.config.tracedHandler(http.HandlerFunc(h.measure))
	}
	h.labeler = m.config.labeler && h.tracing == nil // otelhttp brings its own
	return h
}

// measured is a handler that is measured.
type measured struct {
	server  *server
	next    http.Handler
	mux     *http.ServeMux // to be asked for a route that is not known otherwise, or nil
	labeler bool           // requests get a Labeler
	tracing http.Handler   // otelhttp around measure, or nil
}

func (h *measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.server.exclusion.path(pathOfRequest(r)) {
		h.next.ServeHTTP(w, r)
		return
	}
	if outer := h.server.measuring(w); outer != nil {
		outer.nest(h.next, w, r)
		return
	}
	if h.tracing != nil {
		// A copy, because otelhttp puts a body of its own into the request that it gets.
		h.tracing.ServeHTTP(w, withOriginal(r))
		return
	}
	h.measure(w, r)
}

// measure serves r, and records it.
func (h *measured) measure(w http.ResponseWriter, r *http.Request) {
	rec := h.server.recorders.Get().(*recorder)
	rec.begin(h, w, r)
	defer rec.end()
	h.next.ServeHTTP(writerOf(shapeOf(w).offers, rec.writer), rec.r)
	rec.done = true
}

// pathOfRequest is empty where there is no URL, as there always is on a server.
func pathOfRequest(r *http.Request) string {
	if r.URL == nil {
		return ""
	}
	return r.URL.Path
}

// measuring returns the ResponseWriter of the Middleware further out that measures the request already, or nil.
func (s *server) measuring(w http.ResponseWriter) *responseWriter {
	if shapeOf(w).plain {
		return nil
	}
	for f := findResponseWriter(w); f != nil; f = findResponseWriter(f.w) {
		if f.rec.server == s || (s.meters != nil && f.rec.server.meters == s.meters) {
			return f
		}
	}
	return nil
}
