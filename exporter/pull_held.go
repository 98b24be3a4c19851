package exporter

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxHeld is how many collections the answers under way may hold, however many they are and however slowly they are read.
// Answers that joined one collection hold one. See docs/adr/0024-held-collections.md.
const maxHeld = 4

// readingTime is what a client has to read the answer when another scrape needs the place of its collection.
const readingTime = time.Second

// errHeld says that a scrape found no place in its time.
var errHeld = errors.New("pull: clients that do not read hold every collection there may be")

// heldCollections bounds the collections that answers under way hold. A collection is as large as all series are, and its memory
// cannot be used again while a page is written from it.
type heldCollections struct {
	mu    sync.Mutex
	held  []*holding    // oldest first
	freed chan struct{} // closed when a place is free; nil while nobody waits
}

// holding is one collection and the answers that are written from it.
type holding struct {
	of      *Snapshot
	since   time.Time
	answers []*cutter
	cut     bool
}

// cutter ends an answer from outside. A writer belongs to its handler: after done it is not touched.
type cutter struct {
	mu    sync.Mutex
	conn  *http.ResponseController
	ended bool
}

// cut makes the writes of the answer fail, the one that hangs first. A writer without deadlines goes on.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = c.conn.SetWriteDeadline(time.Now().Add(-time.Second))
	}
}

func (c *cutter) done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

// collect returns a collection that has a place, and what gives the place and the collection back. A collection that finds the
// place taken meanwhile is given back at once and made anew, so no value is older than the scrape.
func (h *heldCollections) collect(ctx context.Context, source *Source, answer *cutter) (*Snapshot, func(), error) {
	for {
		if err := h.wait(ctx); err != nil {
			return nil, nil, err
		}
		snap, err := source.Collect(ctx)
		if err != nil {
			return nil, nil, err
		}
		if h.enter(snap.shared, answer) {
			return snap, func() {
				answer.done()
				h.leave(snap.shared, answer)
				snap.Release()
			}, nil
		}
		snap.Release()
	}
}

// wait returns when there is a place. It takes one away from the clients that have had the time to read.
func (h *heldCollections) wait(ctx context.Context) error {
	for {
		freed, victims, next := h.full()
		if freed == nil {
			return nil
		}
		for _, v := range victims {
			v.cut()
		}
		timer := time.NewTimer(next)
		select {
		case <-freed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return errHeld
		}
		timer.Stop()
	}
}

// full returns nil where there is a place, else what to wait for, the answers to cut before, and when to look again.
func (h *heldCollections) full() (freed <-chan struct{}, victims []*cutter, next time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.held) < maxHeld {
		return nil, nil, 0
	}
	if h.freed == nil {
		h.freed = make(chan struct{})
	}
	next = readingTime
	if oldest := h.held[0]; time.Since(oldest.since) < readingTime {
		next -= time.Since(oldest.since)
	} else if i := slices.IndexFunc(h.held, func(o *holding) bool { return !o.cut && time.Since(o.since) >= readingTime }); i >= 0 {
		h.held[i].cut = true
		victims = slices.Clone(h.held[i].answers)
	}
	return h.freed, victims, next
}

// enter reports whether snap has a place, its own or one that is free.
func (h *heldCollections) enter(snap *Snapshot, answer *cutter) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.held, func(o *holding) bool { return o.of == snap && !o.cut })
	if i < 0 && len(h.held) >= maxHeld {
		return false
	}
	if i < 0 {
		i = len(h.held)
		h.held = append(h.held, &holding{of: snap, since: time.Now()})
	}
	h.held[i].answers = append(h.held[i].answers, answer)
	return true
}

func (h *heldCollections) leave(snap *Snapshot, answer *cutter) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.held, func(o *holding) bool { return o.of == snap && slices.Contains(o.answers, answer) })
	o := h.held[i]
	if o.answers = slices.DeleteFunc(o.answers, func(a *cutter) bool { return a == answer }); len(o.answers) > 0 {
		return
	}
	h.held = slices.Delete(h.held, i, i+1)
	if h.freed != nil {
		close(h.freed)
		h.freed = nil
	}
}
