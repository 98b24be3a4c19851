package middleware

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// cacheLimit bounds every cache. Keys are made of patterns and of short lists, so it is never reached
// by requests alone; it is there for the day someone sets a raw path as a route.
const cacheLimit = 4096

// cache is a map that is read without a lock and copied on every write: after the first minutes of a
// service's life there are no writes. It is safe for concurrent use; its zero value is empty.
type cache[K comparable, V any] struct {
	read atomic.Pointer[contents[K, V]]
	mu   sync.Mutex
}

// contents is immutable.
type contents[K comparable, V any] struct {
	few  []entry[K, V] // all of them, where there are no more than fewEntries
	many map[K]V       // all of them, where there are
}

type entry[K comparable, V any] struct {
	key   K
	value V
}

// fewEntries are compared one by one in less time than a map takes for its hash.
const fewEntries = 8

func (c *cache[K, V]) get(k K) (v V, ok bool) {
	m := c.read.Load()
	if m == nil {
		return v, false
	}
	for i := range m.few {
		if m.few[i].key == k {
			return m.few[i].value, true
		}
	}
	v, ok = m.many[k]
	return v, ok
}

func (m *contents[K, V]) len() int {
	if m == nil {
		return 0
	}
	return len(m.few) + len(m.many)
}

// with returns a copy of m that has k, which m has not.
func (m *contents[K, V]) with(k K, v V) *contents[K, V] {
	next := &contents[K, V]{}
	switch {
	case m.len() < fewEntries:
		if m != nil {
			next.few = slices.Clone(m.few)
		}
		next.few = append(next.few, entry[K, V]{k, v})
		return next
	case m.many != nil:
		next.many = maps.Clone(m.many)
	default:
		next.many = make(map[K]V, len(m.few)+1)
		for _, e := range m.few {
			next.many[e.key] = e.value
		}
	}
	next.many[k] = v
	return next
}

// putUpTo stores what build makes for k unless it is there already, and returns what is stored; where the
// cache has limit keys, it returns the zero V.
func (c *cache[K, V]) putUpTo(limit int, k K, build func() V) (v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.get(k); ok {
		return old
	}
	m := c.read.Load()
	if m.len() >= limit {
		return v
	}
	v = build()
	c.read.Store(m.with(k, v))
	return v
}

// put stores v unless k is there already or the cache is full, and returns what to use for k.
func (c *cache[K, V]) put(k K, v V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.get(k); ok {
		return old
	}
	if m := c.read.Load(); m.len() < cacheLimit {
		c.read.Store(m.with(k, v))
	}
	return v
}
