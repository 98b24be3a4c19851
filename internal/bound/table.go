package bound

import (
	"hash/maphash"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// table finds a series by its attributes. Reading takes no lock; writers must exclude each other.
// Series are only ever added: a reader that still sees the table before its last growth misses what is
// new, and whoever misses asks again as a writer.
type table[N number] struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[entry[N]]]
	all   []*series[N]
}

type entry[N number] struct {
	key    attribute.Distinct
	series *series[N]
}

const firstSlots = 8

func (t *table[N]) init() {
	t.seed = maphash.MakeSeed()
	slots := make([]atomic.Pointer[entry[N]], firstSlots)
	t.slots.Store(&slots)
}

// get returns the series stored under key, nil if there is none.
func (t *table[N]) get(key attribute.Distinct) *series[N] {
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := maphash.Comparable(t.seed, key) & mask; ; i = (i + 1) & mask {
		e := slots[i].Load()
		if e == nil {
			return nil
		}
		if e.key == key {
			return e.series
		}
	}
}

// add stores s under key, which must not be there yet.
func (t *table[N]) add(key attribute.Distinct, s *series[N]) {
	slots := *t.slots.Load()
	if 2*(len(t.all)+1) > len(slots) {
		slots = t.rehash(slots)
		t.slots.Store(&slots)
	}
	t.put(slots, &entry[N]{key, s})
	t.all = append(t.all, s)
}

func (t *table[N]) rehash(old []atomic.Pointer[entry[N]]) []atomic.Pointer[entry[N]] {
	slots := make([]atomic.Pointer[entry[N]], 2*len(old))
	for i := range old {
		if e := old[i].Load(); e != nil {
			t.put(slots, e)
		}
	}
	return slots
}

func (t *table[N]) put(slots []atomic.Pointer[entry[N]], e *entry[N]) {
	mask := uint64(len(slots) - 1)
	i := maphash.Comparable(t.seed, e.key) & mask
	for slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	slots[i].Store(e)
}
