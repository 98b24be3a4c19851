package vocabulary

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	handlerKey attribute.Key = "handler"
	methodKey  attribute.Key = "method"
	statusKey  attribute.Key = "status"

	// noStatus is the status of requests whose client was sent none.
	noStatus = "none"

	overflowKey attribute.Key = "otel.metric.overflow"
)

// labels are the attributes that a classic metric has.
type labels struct{ handler, method, status bool }

// of renames the attributes in s that are classic, and leaves out the others of the conventions.
func (l labels) of(s attribute.Set) attribute.Set {
	out := make([]attribute.KeyValue, 0, s.Len()+1)
	hasStatus := false
	for i := s.Iter(); i.Next(); {
		kv := i.Attribute()
		switch kv.Key {
		case semconv.HTTPRouteKey:
			out = l.add(out, l.handler, handlerKey, kv.Value.String())
		case semconv.HTTPRequestMethodKey:
			out = l.add(out, l.method, methodKey, kv.Value.String())
		case semconv.HTTPResponseStatusCodeKey:
			hasStatus = true
			out = l.add(out, l.status, statusKey, kv.Value.String())
		case semconv.URLSchemeKey, semconv.NetworkProtocolVersionKey, semconv.ErrorTypeKey,
			handlerKey, methodKey, statusKey:
		default:
			out = append(out, kv)
		}
	}
	if !hasStatus && !s.HasValue(overflowKey) {
		out = l.add(out, l.status, statusKey, noStatus)
	}
	return attribute.NewSet(out...)
}

func (l labels) add(to []attribute.KeyValue, shown bool, key attribute.Key, value string) []attribute.KeyValue {
	if !shown {
		return to
	}
	return append(to, key.String(value))
}
