package middleware

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// otelhttp's functions make a Labeler where they find none, for every request. So each is asked once, for the
// key that it looks for.
var (
	labelerKey       = keyOf(func(ctx context.Context) { otelhttp.LabelerFromContext(ctx) })
	clientLabelerKey = keyOf(func(ctx context.Context) { otelhttp.ClientLabelerFromContext(ctx) })
)

func keyOf(look func(context.Context)) any {
	p := &keyProbe{Context: context.Background()}
	look(p)
	return p.key
}

// keyProbe remembers the last key that it was asked for.
type keyProbe struct {
	context.Context
	key any
}

func (p *keyProbe) Value(key any) any {
	p.key = key
	return nil
}

// labeling puts a Labeler into requests that have none. A gate is in front.
type labeling struct{ next http.Handler }

func (h *labeling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l, ok := otelhttp.LabelerFromContext(r.Context())
	if ok {
		h.next.ServeHTTP(w, r)
		return
	}
	c := r.WithContext(otelhttp.ContextWithLabeler(r.Context(), l))
	// net/http removes the temporary files of the form it finds in its own request.
	defer func() { r.MultipartForm, r.Pattern = c.MultipartForm, c.Pattern }()
	h.next.ServeHTTP(w, c)
}
