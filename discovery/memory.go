package discovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is the [Store] of one process: what it keeps is gone with the process, unless a snapshot file
// is given. It is safe for concurrent use.
type Memory struct {
	file *snapshotFile // nil when there is none

	mu        sync.Mutex
	revision  uint64
	groups    map[string]map[string]Entry
	size      int // of all groups
	followers map[*feed]struct{}
	broken    map[string]error // entries of the snapshot file that were left out
}

// feed is what one follower has not been told yet.
type feed struct {
	wake    chan struct{} // holds a token while there is something to tell
	batches []batch
}

type batch struct {
	revision uint64
	events   []Event
}

// NewMemory returns an empty store. Its revisions begin with the time, so that those of an earlier process are none of its own: the late goodbye of
// somebody who was registered there removes nobody here.
func NewMemory() *Memory {
	return &Memory{revision: uint64(time.Now().UnixMicro()), groups: map[string]map[string]Entry{}, followers: map[*feed]struct{}{}, broken: map[string]error{}}
}

// Put implements [Store].
func (m *Memory) Put(_ context.Context, t Target, held bool) (uint64, error) {
	t = t.withDefaults()
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.groups[t.Group][t.ID]; !known {
		if err := m.room(t.Group, len(m.groups[t.Group])+1); err != nil {
			return 0, err
		}
	}
	m.revision++
	m.tell([]Event{m.put(t, held)})
	return m.revision, nil
}

// room returns an error where a group, or all of them together, would become too large. The caller holds the lock.
func (m *Memory) room(group string, size int) error {
	if size > MaxGroupTargets {
		return fmt.Errorf("discovery: Group=%q: would have %d targets; at most %d", cut(group), size, MaxGroupTargets)
	}
	if all := m.size - len(m.groups[group]) + size; all > MaxTargets {
		return fmt.Errorf("discovery: Group=%q: there would be %d targets in all groups; at most %d", cut(group), all, MaxTargets)
	}
	return nil
}

// put writes an entry at the current revision. The caller holds the lock.
func (m *Memory) put(t Target, held bool) Event {
	entry := Entry{Target: t, Generation: m.revision, Held: held}
	if m.groups[t.Group] == nil {
		m.groups[t.Group] = map[string]Entry{}
	}
	if _, known := m.groups[t.Group][t.ID]; !known {
		m.size++
	}
	m.groups[t.Group][t.ID] = entry
	return Event{Entry: entry}
}

// drop takes an entry out. The caller holds the lock.
func (m *Memory) drop(entry Entry, reason Reason) Event {
	key := entry.Target.Key()
	delete(m.groups[key.Group], key.ID)
	m.size--
	if len(m.groups[key.Group]) == 0 {
		delete(m.groups, key.Group)
	}
	return Event{Entry: entry, Reason: reason}
}

// find returns the entry of that generation. The caller holds the lock.
func (m *Memory) find(key Key, generation uint64) (Entry, error) {
	entry, ok := m.groups[key.Group][key.ID]
	switch {
	case !ok:
		return Entry{}, fmt.Errorf("%w: %s", ErrNotRegistered, key)
	case entry.Generation != generation:
		return Entry{}, fmt.Errorf("%w: %s", ErrReplaced, key)
	}
	return entry, nil
}

// Refresh implements [Store].
func (m *Memory) Refresh(_ context.Context, key Key, generation uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry, err := m.find(key, generation)
	if err == nil {
		m.revision++
		m.tell([]Event{{Entry: entry}})
	}
	return err
}

// Remove implements [Store].
func (m *Memory) Remove(_ context.Context, key Key, generation uint64, reason Reason) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	entry, err := m.find(key, generation)
	if err == nil {
		m.revision++
		m.tell([]Event{m.drop(entry, reason)})
	}
	return err
}

// Replace implements [Store]. Followers are told of the whole change at once.
func (m *Memory) Replace(_ context.Context, group string, targets []Target, held bool) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.room(group, len(targets)); err != nil {
		return 0, err
	}
	m.revision++
	var events []Event
	listed := map[string]bool{}
	for _, t := range targets {
		t = t.withDefaults()
		listed[t.ID] = true
		if entry, ok := m.groups[group][t.ID]; ok && entry.Target.equal(t) && entry.Held == held {
			events = append(events, Event{Entry: entry})
			continue
		}
		events = append(events, m.put(t, held))
	}
	for _, id := range slices.Sorted(maps.Keys(m.groups[group])) {
		if !listed[id] {
			events = append(events, m.drop(m.groups[group][id], Removed))
		}
	}
	m.tell(events)
	return m.revision, nil
}

// tell hands events to the followers and to the snapshot file. The caller holds the lock; what is told is told
// from the followers' own goroutines.
func (m *Memory) tell(events []Event) {
	for f := range m.followers {
		f.batches = append(f.batches, batch{m.revision, events})
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
	m.file.changed()
}

// Follow implements [Store].
func (m *Memory) Follow(ctx context.Context, f Follower) {
	own := &feed{wake: make(chan struct{}, 1)}
	m.mu.Lock()
	m.followers[own] = struct{}{}
	revision, entries, broken := m.revision, m.entries(), maps.Clone(m.broken)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.followers, own)
	}()
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		f.Reject(name, broken[name])
	}
	f.Load(revision, entries)
	for {
		select {
		case <-ctx.Done():
			return
		case <-own.wake:
		}
		m.mu.Lock()
		batches := own.batches
		own.batches = nil
		m.mu.Unlock()
		for _, b := range batches {
			f.Apply(b.revision, b.events)
		}
	}
}

// entries returns everything that is listed, sorted by name. The caller holds the lock.
func (m *Memory) entries() []Entry {
	var out []Entry
	for _, group := range slices.Sorted(maps.Keys(m.groups)) {
		for _, id := range slices.Sorted(maps.Keys(m.groups[group])) {
			out = append(out, m.groups[group][id])
		}
	}
	return out
}
