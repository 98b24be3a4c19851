package middleware

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
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

// labeled reads the Labeler that otelhttp, or [WithLabeler], put into the request's context under key.
func labeled(r *http.Request, key any) []attribute.KeyValue {
	if l, ok := r.Context().Value(key).(*otelhttp.Labeler); ok {
		return l.Get()
	}
	return nil
}

// withLabeler returns r, or a copy of it that has a Labeler, and what to call when it was served.
func withLabeler(r *http.Request) (labeled *http.Request, done func()) {
	l, ok := otelhttp.LabelerFromContext(r.Context())
	if ok {
		return r, func() {}
	}
	c := r.WithContext(otelhttp.ContextWithLabeler(r.Context(), l))
	return c, func() {
		// net/http removes the temporary files of the form it finds in its own request.
		r.MultipartForm, r.Pattern = c.MultipartForm, c.Pattern
	}
}
