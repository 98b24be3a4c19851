package middleware

import (
	"maps"
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
	n    int
	few  [fewEntries]entry[K, V] // the first n are all there are, where many is nil
	many map[K]V
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
	if m.many != nil {
		v, ok = m.many[k]
		return v, ok
	}
	for i := range m.few[:m.n] {
		if e := &m.few[i]; e.key == k {
			return e.value, true
		}
	}
	return v, false
}

func (m *contents[K, V]) len() int {
	if m == nil {
		return 0
	}
	return m.n + len(m.many)
}

// with returns a copy of m, or of nothing, that has k, which m has not.
func (m *contents[K, V]) with(k K, v V) *contents[K, V] {
	next := new(contents[K, V])
	if m != nil {
		*next = *m
	}
	switch {
	case next.many != nil:
		next.many = maps.Clone(next.many)
	case next.n < fewEntries:
		next.few[next.n] = entry[K, V]{k, v}
		next.n++
		return next
	default:
		next.many = make(map[K]V, fewEntries+1)
		for _, e := range next.few {
			next.many[e.key] = e.value
		}
		next.n, next.few = 0, [fewEntries]entry[K, V]{}
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
