package bound

import (
	"go.opentelemetry.io/otel/attribute"
)

// rawOption is the shape of x.WithUnsafeAttributes, which the attribute configuration leaves out.
type rawOption interface {
	RawAttributes() []attribute.KeyValue
	Experimental()
}

// rawAttributes returns the attributes of all unsafe options among opts, in order.
func rawAttributes[T any](opts []T) []attribute.KeyValue {
	var raw []attribute.KeyValue
	for _, o := range opts {
		if r, ok := any(o).(rawOption); ok {
			raw = append(raw, r.RawAttributes()...)
		}
	}
	return raw
}

// defaultKeys returns the keys advised with x.WithDefaultAttributes, nil if that option is not among opts.
func defaultKeys[T any](opts []T) []attribute.Key {
	var keys []attribute.Key
	for _, o := range opts {
		if d, ok := any(o).(interface{ AllowedKeys() []attribute.Key }); ok {
			if keys == nil {
				keys = []attribute.Key{}
			}
			keys = append(keys, d.AllowedKeys()...)
		}
	}
	return keys
}

// combine returns the union of what was bound, what was given with the measurement, and raw. For a key
// that is in several of them the last one's value counts.
func combine(bound, given attribute.Set, raw []attribute.KeyValue) attribute.Set {
	switch {
	case len(raw) == 0 && given.Len() == 0:
		return bound
	case len(raw) == 0 && bound.Len() == 0:
		return given
	}
	all := make([]attribute.KeyValue, 0, bound.Len()+given.Len()+len(raw))
	for _, set := range [...]attribute.Set{bound, given} {
		for it := set.Iter(); it.Next(); {
			all = append(all, it.Attribute())
		}
	}
	return attribute.NewSet(append(all, raw...)...)
}

// kept returns the key of the series that set belongs to, which is the hash of what keep lets through.
func kept(set attribute.Set, keep attribute.Filter) attribute.Distinct {
	if keep == nil {
		return set.Equivalent()
	}
	h := attribute.NewHasher()
	for i := range set.Len() {
		if kv, _ := set.Get(i); keep(kv) {
			h.Write(kv)
		}
	}
	return h.Distinct()
}

// split returns what keep lets through and what it does not, each in the order of the keys.
func split(set attribute.Set, keep attribute.Filter) (attribute.Set, []attribute.KeyValue) {
	if keep == nil {
		return set, nil
	}
	var in, out []attribute.KeyValue
	for it := set.Iter(); it.Next(); {
		if kv := it.Attribute(); keep(kv) {
			in = append(in, kv)
		} else {
			out = append(out, kv)
		}
	}
	if len(out) == 0 {
		return set, nil
	}
	return attribute.NewSet(in...), out
}

// normalize returns set with the duplicate keys inside map values resolved, the last one's value
// counting, as the SDK does. Almost always that is set itself.
func normalize(set attribute.Set) attribute.Set {
	var out []attribute.KeyValue
	for it := set.Iter(); it.Next(); {
		kv := it.Attribute()
		v, changed := normalizeValue(kv.Value)
		if !changed {
			continue
		}
		if out == nil {
			out = set.ToSlice()
		}
		i, _ := it.IndexedAttribute()
		out[i].Value = v
	}
	if out == nil {
		return set
	}
	return attribute.NewSet(out...)
}

func normalizeValue(v attribute.Value) (attribute.Value, bool) {
	switch v.Type() {
	case attribute.SLICE:
		return normalizeSlice(v)
	case attribute.MAP:
		return normalizeMap(v)
	default:
		return v, false
	}
}

func normalizeSlice(v attribute.Value) (attribute.Value, bool) {
	elems, changed := v.AsSlice(), false
	for i, e := range elems {
		n, c := normalizeValue(e)
		elems[i], changed = n, changed || c
	}
	if !changed {
		return v, false
	}
	return attribute.SliceValue(elems...), true
}

// normalizeMap relies on a map value's entries being sorted by key, in the order given where equal.
func normalizeMap(v attribute.Value) (attribute.Value, bool) {
	entries, changed := v.AsMap(), false
	out := entries[:0]
	for i, kv := range entries {
		if i+1 < len(entries) && entries[i+1].Key == kv.Key {
			changed = true
			continue
		}
		n, c := normalizeValue(kv.Value)
		out, changed = append(out, attribute.KeyValue{Key: kv.Key, Value: n}), changed || c
	}
	if !changed {
		return v, false
	}
	return attribute.MapValue(out...), true
}
