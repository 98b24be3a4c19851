package middleware

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// UnmatchedRoute is the http.route of requests that no route matched. Routes have a slash in them, so
// it cannot be one.
const UnmatchedRoute = "unmatched"

// Routes returns next, which tells the route that it matched to the [Middleware] further out. It is put
// right around a router that the Middleware cannot see the request of:
//
//	m.Handler(logging(middleware.Routes(mux)))                          // logging copies the request
//	mux.Handle("/api/", http.StripPrefix("/api", middleware.Routes(api)))  // route: /api/items/{id}
//
// The part of a route that was stripped is taken from the outer pattern, never from the path. Outside
// of any Middleware it does nothing. It panics when next is nil.
func Routes(next http.Handler) http.Handler {
	if next == nil {
		panic("middleware: Routes(nil): a handler is needed")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := findResponseWriter(w); f != nil {
			f.nest(next, w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SetRoute sets the route of the request that w answers, and reports whether a [Middleware] is there to
// hear it. It is for routers other than [http.ServeMux]; route is the whole pattern as the router has
// it, never a path. The last call wins, also over every other way to know the route. It finds the
// Middleware through the Unwrap methods of the writers in between, and must be called before the handler
// returns.
func SetRoute(w http.ResponseWriter, route string) bool {
	found := false
	for f := findResponseWriter(w); f != nil; f = findResponseWriter(f.w) {
		if rec := f.borrow(); rec != nil {
			rec.route.set = route
			rec.giveBack()
			found = true
		}
	}
	return found
}

// findResponseWriter returns the outermost writer of ours that w is, or unwraps to.
func findResponseWriter(w http.ResponseWriter) *responseWriter {
	for w != nil {
		if f, ok := w.(interface{ self() *responseWriter }); ok {
			return f.self()
		}
		u, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return nil
		}
		w = u.Unwrap()
	}
	return nil
}

// routeTrack follows a request through nested routers.
type routeTrack struct {
	path   string // the path as the router further out saw it
	set    string // the route, once it is known
	prefix string // of the patterns of the routers further out, what was stripped from the path
	outer  string // the pattern of that router
}

// begin, of an empty track, starts at the outermost instrumented handler. A pattern that is there already is that of a mux
// further out still, which then saw the path of the request line.
func (t *routeTrack) begin(r *http.Request) {
	t.path = pathOfRequest(r)
	if r.Pattern == "" || r.URL == nil {
		return
	}
	if target, _, _ := strings.Cut(r.RequestURI, "?"); target != t.path {
		if p, err := url.PathUnescape(target); err == nil && strings.HasPrefix(p, "/") {
			t.path = p
		}
	}
	t.descend(r)
}

// descend notes that r goes to a router further in.
func (t *routeTrack) descend(r *http.Request) {
	stripped, ok := strings.CutSuffix(t.path, r.URL.Path)
	if ok && stripped != "" {
		t.prefix += leading(patternPath(r), strings.Count(strings.TrimSuffix(stripped, "/"), "/"))
	}
	t.path, t.outer = r.URL.Path, r.Pattern
}

// leading returns the first n segments of a pattern.
func leading(pattern string, n int) string {
	for i := range len(pattern) {
		if pattern[i] == '/' {
			if n == 0 {
				return pattern[:i]
			}
			n--
		}
	}
	return strings.TrimSuffix(pattern, "/")
}

// nest serves r by next, an inner router or handler, and notes the route that was matched there. When the
// request has ended already, as one that timed out, there is nothing to note.
func (f *responseWriter) nest(next http.Handler, w http.ResponseWriter, r *http.Request) {
	rec := f.borrow()
	if rec == nil {
		next.ServeHTTP(w, r)
		return
	}
	defer rec.giveBack()
	t := &rec.route
	before := *t
	t.descend(r)
	level := *t
	defer func() {
		if t.set == "" {
			t.set = rec.matched(r, before.prefix, level)
		}
		t.prefix, t.path, t.outer = before.prefix, before.path, before.outer
	}()
	next.ServeHTTP(w, r)
}

// matched returns the route of r, after it was served at a level.
func (rec *recorder) matched(r *http.Request, outerPrefix string, level routeTrack) string {
	p := patternPath(r)
	switch {
	case r.Pattern == level.outer && r.Pattern == "":
		return ""
	case r.Pattern == level.outer:
		// No router further in: what matched is the one further out.
		return rec.server.join(outerPrefix, p)
	case p == "":
		return UnmatchedRoute
	default:
		return rec.server.join(level.prefix, p)
	}
}

// servedBy is the route of the request, when it was served. While the recorder is not alone, inner handlers
// are still at work, and what they note is not ours to read.
func (rec *recorder) servedBy(alone bool) *route {
	s, r, t := rec.server, rec.r, &rec.route
	if !alone {
		t = new(routeTrack)
		t.begin(r)
	}
	if *t == (routeTrack{path: t.path}) && r.Pattern != "" && r.Method != http.MethodConnect {
		return s.routeOfPattern(r.Pattern, t.path == "/")
	}
	return s.route(rec.routeBy(t))
}

// routeOfPattern is the route of a request that one router matched. root says that its path is "/".
func (s *server) routeOfPattern(pattern string, root bool) *route {
	if one, ok := s.patterns.get(pattern); ok {
		return one
	}
	one := s.route(orUnmatched(pathOf(pattern), root))
	if one.name != UnmatchedRoute && one.name != "/" { // a catch-all is told from unmatched by the path
		s.patterns.put(pattern, one)
	}
	return one
}

// finalRoute is the value of http.route, as far as it is known.
func (rec *recorder) finalRoute() string { return rec.routeBy(&rec.route) }

func (rec *recorder) routeBy(t *routeTrack) string {
	r := rec.r
	route := t.set
	if route == "" {
		route = rec.matched(r, "", *t)
	}
	if mux := rec.handler.mux; route == "" && mux != nil && r.URL != nil {
		_, pattern := mux.Handler(r)
		route = matchedPath(r, pattern)
	}
	return orUnmatched(route, t.path == "/")
}

// orUnmatched returns route unless there is none, or it is a catch-all, which matches everything that nothing
// else does, and the path is not the root.
func orUnmatched(route string, root bool) string {
	if route == "" || (route == "/" && !root) {
		return UnmatchedRoute
	}
	return route
}

// patternPath is the path of the pattern that matched r, or empty.
func patternPath(r *http.Request) string { return matchedPath(r, r.Pattern) }

// matchedPath is the path of a pattern of [http.ServeMux] that matched r, or empty.
func matchedPath(r *http.Request, pattern string) string {
	if isRedirect(r, pattern) {
		return ""
	}
	return pathOf(pattern)
}

// pathOf cuts method and host off a pattern.
func pathOf(pattern string) string {
	if i := strings.IndexByte(pattern, '/'); i >= 0 {
		return pattern[i:]
	}
	return ""
}

// isRedirect reports whether pattern is not one: for a CONNECT request that the mux redirects to the path
// with a slash at the end, it gives that path, which the client chose.
func isRedirect(r *http.Request, pattern string) bool {
	if r.Method != http.MethodConnect || r.URL == nil {
		return false
	}
	clean := path.Clean("/" + r.URL.Path)
	if clean != "/" && strings.HasSuffix(r.URL.Path, "/") {
		clean += "/" // an escaped one, which the mux takes for a part of the segment
	}
	return pattern == clean+"/"
}
