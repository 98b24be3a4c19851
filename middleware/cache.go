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
	read atomic.Pointer[map[K]V]
	mu   sync.Mutex
}

func (c *cache[K, V]) get(k K) (v V, ok bool) {
	if m := c.read.Load(); m != nil {
		v, ok = (*m)[k]
	}
	return v, ok
}

// putUpTo stores what build makes for k unless it is there already, and returns what is stored; where the
// cache has limit keys, it returns the zero V.
func (c *cache[K, V]) putUpTo(limit int, k K, build func() V) (v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.get(k); ok {
		return old
	}
	if m := c.read.Load(); m != nil && len(*m) >= limit {
		return v
	}
	v = build()
	c.store(k, v)
	return v
}

// store adds to a copy of the map. c.mu is held.
func (c *cache[K, V]) store(k K, v V) {
	next := map[K]V{}
	if m := c.read.Load(); m != nil {
		next = maps.Clone(*m)
	}
	next[k] = v
	c.read.Store(&next)
}

// put stores v unless k is there already or the cache is full, and returns what to use for k.
func (c *cache[K, V]) put(k K, v V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.get(k); ok {
		return old
	}
	if m := c.read.Load(); m == nil || len(*m) < cacheLimit {
		c.store(k, v)
	}
	return v
}
