// Package clean makes metric data valid UTF-8: every invalid sequence in a name, description, unit,
// attribute or scope becomes U+FFFD. One such string would otherwise fail a whole push and a whole
// scrape.
//
// Data that is shared is never changed: what needs a repair is copied, as little of it as possible.
// Data that is valid costs one map lookup for each of its points.
package clean

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Cleaner repairs collections and remembers which attribute sets it has looked at. It must not be
// used concurrently.
type Cleaner struct {
	// Two generations: a set seen in neither of the last two collections is forgotten.
	young, old map[attribute.Distinct]verdict
	repaired   int
	series     int
}

// verdict is what a look at an attribute set found: nil means that it is valid.
type verdict = *attribute.Set

// New returns a Cleaner.
func New() *Cleaner {
	return &Cleaner{young: make(map[attribute.Distinct]verdict), old: make(map[attribute.Distinct]verdict)}
}

// Scopes returns in with every string valid, and the number of series and metrics that were
// repaired. It returns in itself when that is none.
func (c *Cleaner) Scopes(in []metricdata.ScopeMetrics) (out []metricdata.ScopeMetrics, repaired int) {
	c.young, c.old = c.old, c.young
	clear(c.young)
	c.repaired, c.series = 0, 0
	out = in
	for i := range in {
		sm, changed := c.scopeMetrics(in[i])
		if changed {
			out = own(out, in)
			out[i] = sm
		}
	}
	return out, c.repaired
}

// Series returns how many of what the latest Scopes repaired were series.
func (c *Cleaner) Series() int { return c.series }

func (c *Cleaner) scopeMetrics(sm metricdata.ScopeMetrics) (metricdata.ScopeMetrics, bool) {
	scope, changed := Scope(sm.Scope)
	if changed {
		sm.Scope = scope
		c.repaired++
	}
	metrics := sm.Metrics
	for i, m := range metrics {
		if repaired, ok := c.metric(m); ok {
			sm.Metrics = own(sm.Metrics, metrics)
			sm.Metrics[i] = repaired
			changed = true
		}
	}
	return sm, changed
}

// own returns current, or a copy of original if current is still the original.
func own[T any](current, original []T) []T {
	if len(original) > 0 && &current[0] == &original[0] {
		return append([]T(nil), original...)
	}
	return current
}

func (c *Cleaner) metric(m metricdata.Metrics) (metricdata.Metrics, bool) {
	name, a := text(m.Name)
	description, b := text(m.Description)
	unit, d := text(m.Unit)
	changed := a || b || d
	if changed {
		m.Name, m.Description, m.Unit = name, description, unit
		c.repaired++
	}
	if data, ok := c.data(m.Data); ok {
		m.Data, changed = data, true
	}
	return m, changed
}

// set returns a valid set for s; false when that is s itself.
func (c *Cleaner) set(s *attribute.Set) (attribute.Set, bool) {
	key := s.Equivalent()
	v, seen := c.young[key]
	if !seen {
		if v, seen = c.old[key]; !seen {
			v = examine(s)
		}
		c.young[key] = v
	}
	if v == nil {
		return attribute.Set{}, false
	}
	c.repaired++
	c.series++
	return *v, true
}

func examine(s *attribute.Set) verdict {
	for i := range s.Len() {
		kv, _ := s.Get(i)
		if _, changed := keyValue(kv); changed {
			repaired := Set(*s)
			return &repaired
		}
	}
	return nil
}

// Set returns s with every string valid and every key one that a label can be made of. Keys that become the same are one
// attribute, whose value is those of all, sorted, with semicolons between, as the specification of the translation to
// Prometheus has it for labels.
func Set(s attribute.Set) attribute.Set {
	kvs := s.ToSlice()
	for i := range kvs {
		kvs[i], _ = keyValue(kvs[i])
	}
	slices.SortStableFunc(kvs, func(a, b attribute.KeyValue) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value.String(), b.Value.String()))
	})
	joined := kvs[:0]
	for _, kv := range kvs {
		if n := len(joined); n > 0 && joined[n-1].Key == kv.Key {
			joined[n-1].Value = attribute.StringValue(joined[n-1].Value.String() + ";" + kv.Value.String())
			continue
		}
		joined = append(joined, kv)
	}
	return attribute.NewSet(joined...)
}

// Scope returns s with every string valid, and whether that changed it.
func Scope(s instrumentation.Scope) (instrumentation.Scope, bool) {
	name, a := text(s.Name)
	version, b := text(s.Version)
	schema, c := text(s.SchemaURL)
	bad := examine(&s.Attributes)
	if !a && !b && !c && bad == nil {
		return s, false
	}
	s.Name, s.Version, s.SchemaURL = name, version, schema
	if bad != nil {
		s.Attributes = *bad
	}
	return s, true
}

// Resource returns r with every string valid: r itself when it is already.
func Resource(r *resource.Resource) *resource.Resource {
	schema, changed := text(r.SchemaURL())
	bad := examine(r.Set())
	if !changed && bad == nil {
		return r
	}
	kvs := Set(*r.Set())
	return resource.NewWithAttributes(schema, kvs.ToSlice()...)
}

// Text returns s with every invalid sequence replaced by U+FFFD.
func Text(s string) string {
	s, _ = text(s)
	return s
}

func text(s string) (string, bool) {
	if utf8.ValidString(s) {
		return s, false
	}
	return toValid(s), true
}
