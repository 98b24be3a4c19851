package clean

import (
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

func toValid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func keyValue(kv attribute.KeyValue) (attribute.KeyValue, bool) {
	key, a := text(string(kv.Key))
	v, b := value(kv.Value)
	return attribute.KeyValue{Key: attribute.Key(key), Value: v}, a || b
}

func value(v attribute.Value) (attribute.Value, bool) {
	switch v.Type() {
	case attribute.STRING:
		if s, changed := text(v.AsString()); changed {
			return attribute.StringValue(s), true
		}
	case attribute.STRINGSLICE:
		if all, changed := each(v.AsStringSlice(), text); changed {
			return attribute.StringSliceValue(all), true
		}
	case attribute.SLICE:
		if all, changed := each(v.AsSlice(), value); changed {
			return attribute.SliceValue(all...), true
		}
	case attribute.MAP:
		if all, changed := each(v.AsMap(), keyValue); changed {
			return attribute.MapValue(all...), true
		}
	}
	return v, false
}

// each applies repair to all of in, and copies it only if that changes something.
func each[T any](in []T, repair func(T) (T, bool)) (out []T, changed bool) {
	out = in
	for i, v := range in {
		repaired, ok := repair(v)
		if !ok {
			continue
		}
		if !changed {
			out, changed = slices.Clone(in), true
		}
		out[i] = repaired
	}
	return out, changed
}
