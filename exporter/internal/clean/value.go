package clean

import (
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
)

func toValid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// Unnamed is the key, and the label, of an attribute whose own key no label can be made of: it is empty, or nothing is left of
// it but underscores. Prometheus refuses a whole push for one such key.
const Unnamed = "unnamed"

// labels is the rule that Prometheus's own receiver goes by.
var labels otlptranslator.LabelNamer

// Key returns key made valid, or [Unnamed], and whether that changed it.
func Key(key string) (string, bool) {
	key, changed := text(key)
	if _, err := labels.Build(key); err != nil {
		return Unnamed, true
	}
	return key, changed
}

// keyValue repairs an attribute.
func keyValue(kv attribute.KeyValue) (attribute.KeyValue, bool) {
	key, a := Key(string(kv.Key))
	v, b := value(kv.Value)
	return attribute.KeyValue{Key: attribute.Key(key), Value: v}, a || b
}

// entry repairs a part of a value. Its key becomes no label.
func entry(kv attribute.KeyValue) (attribute.KeyValue, bool) {
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
		if all, changed := each(v.AsMap(), entry); changed {
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
