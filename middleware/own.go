package middleware

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	defaultAttributeLimit = 100

	// otherValue is what a value becomes that came after the limit, as in the conventions.
	otherValue = "_OTHER"

	maxOwnAttributes = 16  // of one request
	maxOwnString     = 256 // bytes of one value
)

// reserved are the keys that are the middleware's to set.
var reserved = map[attribute.Key]bool{
	semconv.HTTPRequestMethodKey: true, semconv.HTTPRouteKey: true, semconv.HTTPResponseStatusCodeKey: true,
	semconv.URLSchemeKey: true, semconv.URLTemplateKey: true, semconv.NetworkProtocolVersionKey: true,
	semconv.ErrorTypeKey: true, semconv.ServerAddressKey: true, semconv.ServerPortKey: true,
}

// attributesFunc gives attributes of a request that are the application's own.
type attributesFunc func(*http.Request) []attribute.KeyValue

// ownAttributes bounds the attributes of applications. It is safe for concurrent use.
type ownAttributes struct {
	labelerKey any
	from       []attributesFunc
	sets       boundedSets
	failures   recurring
}

func newOwnAttributes(c *config, labelerKey any) ownAttributes {
	return ownAttributes{from: c.attributes, labelerKey: labelerKey, sets: boundedSets{limit: c.attributeLimit}, failures: recurring{handle: c.errorHandler}}
}

// of returns the set of r's own attributes, or nil where it has none. Equal sets are one pointer.
func (o *ownAttributes) of(r *http.Request) *attribute.Set {
	var attrs []attribute.KeyValue
	if l := o.labeler(r.Context()); l != nil {
		attrs = l.Get()
	}
	for _, f := range o.from {
		attrs = append(attrs, o.call(f, r)...)
	}
	if len(attrs) == 0 {
		return nil
	}
	return o.sets.intern(admitted(attrs))
}

// labeler returns the Labeler that otelhttp, or [WithLabeler], put into a request's context, or nil.
func (o *ownAttributes) labeler(ctx context.Context) *otelhttp.Labeler {
	l, _ := ctx.Value(o.labelerKey).(*otelhttp.Labeler)
	return l
}

// call keeps a panic of the application's function away from its requests, and reports it.
func (o *ownAttributes) call(f attributesFunc, r *http.Request) (attrs []attribute.KeyValue) {
	defer func() {
		if p := recover(); p != nil {
			attrs = nil
			o.failures.failed(fmt.Errorf("middleware: WithAttributes: the function panicked: %v", p))
		}
	}()
	return f(r)
}

// admitted returns the attributes that may be on a series.
func admitted(attrs []attribute.KeyValue) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, min(len(attrs), maxOwnAttributes))
	for _, kv := range attrs {
		if len(out) < maxOwnAttributes && kv.Valid() && !reserved[kv.Key] {
			out = append(out, kv)
		}
	}
	return out
}

// boundedSets keeps one copy of each attribute set, and of so many. It is safe for concurrent use.
type boundedSets struct {
	limit int

	sets   cache[attribute.Distinct, *attribute.Set]
	others cache[attribute.Distinct, *attribute.Set]
}

// intern returns the one copy of the set of attrs. After the limit, sets that are new have otherValue in
// place of their values; where there are too many keys even for that, it returns nil.
func (b *boundedSets) intern(attrs []attribute.KeyValue) *attribute.Set {
	if len(attrs) == 0 {
		return nil
	}
	set := attribute.NewSet(attrs...)
	if known, ok := b.sets.get(set.Equivalent()); ok {
		return known
	}
	if one := b.sets.putUpTo(b.limit, set.Equivalent(), func() *attribute.Set { return keep(set, kept) }); one != nil {
		return one
	}
	other := keep(set, func(attribute.Value) attribute.Value { return attribute.StringValue(otherValue) })
	if known, ok := b.others.get(other.Equivalent()); ok {
		return known
	}
	return b.others.putUpTo(b.limit, other.Equivalent(), func() *attribute.Set { return other })
}

// keep returns a copy of set for longer than its request.
func keep(set attribute.Set, value func(attribute.Value) attribute.Value) *attribute.Set {
	attrs := set.ToSlice()
	for i, kv := range attrs {
		attrs[i] = attribute.KeyValue{Key: attribute.Key(strings.Clone(string(kv.Key))), Value: value(kv.Value)}
	}
	out := attribute.NewSet(attrs...)
	return &out
}

// kept is a value that does not hold on to the header it was cut from, nor is as long as one may be.
func kept(v attribute.Value) attribute.Value {
	if v.Type() != attribute.STRING {
		return v
	}
	s := v.AsString()
	return attribute.StringValue(strings.Clone(s[:min(len(s), maxOwnString)]))
}
