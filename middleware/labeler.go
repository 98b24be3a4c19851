package middleware

import (
	"context"

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
