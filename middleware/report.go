package middleware

import (
	"sync"
	"time"
)

// quiet is how long a kind of failure has to be gone before the next is told of as a new one. One request that fails among many
// that do not is no end and no beginning.
const quiet = time.Minute

// recurring is a kind of failure that requests have, which is told of when it begins. It is safe for concurrent use.
type recurring struct {
	handle func(error)

	mu   sync.Mutex
	last time.Time // of the latest, or zero
}

func (f *recurring) failed(err error) {
	if f.begins(time.Now()) {
		f.handle(err)
	}
}

func (f *recurring) begins(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.last
	f.last = now
	return before.IsZero() || now.Sub(before) >= quiet
}
