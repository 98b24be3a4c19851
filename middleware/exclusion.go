package middleware

import (
	"regexp"
	"slices"
)

// DefaultExcludedPaths returns the paths that are not instrumented unless [WithExcludedPaths] says
// otherwise: the scrape and the health checks. Their answers are fast, frequent and nobody's request,
// and would drown those that are. The slice is the caller's.
func DefaultExcludedPaths() []string {
	return []string{
		"/metrics",
		"/health", "/healthz", "/livez", "/readyz",
		"/-/healthy", "/-/ready",
	}
}

// exclusion decides which requests are none of ours. It is immutable.
type exclusion struct {
	paths       map[string]bool
	expressions []*regexp.Regexp
}

func newExclusion(paths []string, expressions []*regexp.Regexp) exclusion {
	e := exclusion{paths: make(map[string]bool, len(paths)), expressions: slices.Clone(expressions)}
	for _, p := range paths {
		e.paths[p] = true
	}
	return e
}

// path reports whether requests for a raw path are excluded.
func (e *exclusion) path(path string) bool {
	return e.paths[path] || e.matches(path)
}

// matches reports whether an expression matches a path or a route.
func (e *exclusion) matches(s string) bool {
	for _, x := range e.expressions {
		if x.MatchString(s) {
			return true
		}
	}
	return false
}
