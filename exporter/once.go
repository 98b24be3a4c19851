package exporter

import "sync"

// onceCapacity bounds the messages remembered; what comes after is not reported at all, because
// messages may carry values that clients chose.
const onceCapacity = 256

// once lets each message through the first time.
type once struct {
	mu   sync.Mutex
	seen map[string]struct{}
}

func (o *once) first(message string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.seen[message]; ok || len(o.seen) >= onceCapacity {
		return false
	}
	if o.seen == nil {
		o.seen = make(map[string]struct{})
	}
	o.seen[message] = struct{}{}
	return true
}
