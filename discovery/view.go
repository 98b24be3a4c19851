package discovery

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Health is what a registry knows of a target.
type Health string

// The states of a target.
const (
	// Healthy shows signs of life, and its page answers where pages are probed.
	Healthy Health = "healthy"
	// Unhealthy shows signs of life, and its page does not answer.
	Unhealthy Health = "unhealthy"
	// Unknown has shown no sign of life in time, together with most of its group: it is kept for one more TTL,
	// because it is more likely that the signs were lost than that everything died at once.
	Unknown Health = "unknown"
)

// Listed is one target of the list.
type Listed struct {
	Target     Target
	Generation uint64
	Health     Health
	// Since is when this registry first heard of the registration, Seen when of its last sign of life; a
	// held target ([Entry]) shows none, and keeps the time of its registration. Both are of this process's clock.
	Since, Seen time.Time
}

// record is what the view keeps of one target.
type record struct {
	entry    Entry
	since    time.Time // when the generation was first heard of
	seen     time.Time // when its last sign of life was
	deadline time.Time // of the next sign of life, by this process's clock; not used for a held entry
	ended    bool      // the store has ended it, and the next check decides what becomes of it
	kept     time.Time // quarantined until then; zero when it is not
	failing  bool      // its page does not answer
}

func (r *record) health() Health {
	switch {
	case !r.kept.IsZero():
		return Unknown
	case r.failing:
		return Unhealthy
	default:
		return Healthy
	}
}

func (r *record) ttl() time.Duration { return time.Duration(r.entry.Target.TTL) }

// alive takes note of a sign of life.
func (r *record) alive(entry Entry, now time.Time) {
	if r.entry.Generation != entry.Generation {
		r.failing, r.since = false, now // another process, perhaps elsewhere
	}
	r.entry, r.seen, r.deadline = entry, now, now.Add(time.Duration(entry.Target.TTL))
	r.ended, r.kept = false, time.Time{}
}

// view is what one registry knows: the store's list, judged by this process's clock. It is changed by
// the goroutine that follows the store and by the check, and read by everybody.
type view struct {
	mu        sync.Mutex
	records   map[Key]*record
	gone      map[string][]gone // by group, what expired lately
	loaded    bool
	connected bool
	contact   time.Time     // when the store was last heard of
	revision  uint64        // of the store
	version   uint64        // grows with what readers can see
	changed   chan struct{} // closed and made anew when version has grown
	progress  chan struct{} // the same when revision has grown
	loads     uint64        // how often the store gave its whole list
	rejected  map[string]rejection
	policy    AddressPolicy
	stats     *stats
}

func newView(s *stats, policy AddressPolicy) *view {
	return &view{
		records: map[Key]*record{}, changed: make(chan struct{}), progress: make(chan struct{}),
		gone: map[string][]gone{}, rejected: map[string]rejection{}, policy: policy, stats: s,
	}
}

// tell wakes those who wait for a change of the list, when it has changed since before, and those who wait for the
// store's progress. The caller holds the lock.
func (v *view) tell(before uint64) {
	close(v.progress)
	v.progress = make(chan struct{})
	if v.version != before {
		close(v.changed)
		v.changed = make(chan struct{})
	}
}

// Load implements [Follower]. What is missing from a later list has ended while nobody looked, for a reason
// that nobody knows, so it is treated as expired.
func (v *view) Load(revision uint64, entries []Entry) {
	now := time.Now()
	entries = v.allowed(entries)
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.version
	listed := make(map[Key]bool, len(entries))
	for _, entry := range entries {
		listed[entry.Target.Key()] = true
		v.alive(entry, now)
	}
	for key, r := range v.records {
		r.ended = r.ended || !listed[key]
	}
	v.forget()
	if !v.loaded {
		v.version++ // from nothing known to nothing registered is a change too
	}
	v.loaded, v.connected, v.contact, v.revision = true, true, now, revision
	v.tell(before)
	v.stats.connected()
}

// Apply implements [Follower].
func (v *view) Apply(revision uint64, events []Event) {
	now := time.Now()
	events = v.withoutForbidden(events)
	v.mu.Lock()
	defer v.mu.Unlock()
	before := v.version
	for _, event := range events {
		key := event.Entry.Target.Key()
		switch r := v.records[key]; {
		case event.Reason == "":
			v.alive(event.Entry, now)
		case r == nil:
		case event.Reason == Removed:
			delete(v.records, key)
			v.version++
		default:
			r.ended = true
		}
	}
	v.contact, v.revision = now, revision
	v.tell(before)
}

// alive lists an entry, or takes note of its sign of life. The caller holds the lock.
func (v *view) alive(entry Entry, now time.Time) {
	key := entry.Target.Key()
	delete(v.rejected, key.String())
	r := v.records[key]
	if r == nil {
		r = &record{}
		v.records[key] = r
		v.version++
	} else if !r.entry.Target.equal(entry.Target) || r.health() == Unknown {
		v.version++
	}
	r.alive(entry, now)
}

// Disconnected implements [Follower]. From now on nothing expires: no sign of life could be seen.
func (v *view) Disconnected(err error) {
	v.mu.Lock()
	if v.connected {
		v.contact = time.Now() // until now it was heard of, or nobody had noticed
	}
	v.connected = false
	v.mu.Unlock()
	v.stats.disconnected(err)
}

// list returns what is listed, sorted by name, with the version of the list. loaded is false before the
// first list of the store: nobody knows then what is there.
func (v *view) list() (list []Listed, version uint64, loaded bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	list = make([]Listed, 0, len(v.records))
	for _, r := range v.records {
		list = append(list, Listed{Target: r.entry.Target, Generation: r.entry.Generation, Health: r.health(), Since: r.since, Seen: r.seen})
	}
	slices.SortFunc(list, func(a, b Listed) int {
		return cmp.Or(cmp.Compare(a.Target.Group, b.Target.Group), cmp.Compare(a.Target.ID, b.Target.ID))
	})
	return list, v.version, v.loaded
}

// state returns what a reader has to know to tell whether its copy is still the list.
func (v *view) state() (version uint64, loaded bool, contact time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	contact = v.contact
	if v.connected {
		contact = time.Now()
	}
	return v.version, v.loaded, contact
}

// generation returns the generation of what is listed under key.
func (v *view) generation(key Key) (uint64, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.records[key]
	if !ok {
		return 0, false
	}
	return r.entry.Generation, true
}

// probed takes note of what a probe of that generation found.
func (v *view) probed(key Key, generation uint64, failing bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.records[key]
	if !ok || r.entry.Generation != generation || r.failing == failing {
		return
	}
	r.failing = failing
	v.version++
	v.tell(v.version - 1)
}

// watch returns the version of the list, and a channel that is closed when there is a later one.
func (v *view) watch() (version uint64, loaded bool, changed <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.version, v.loaded, v.changed
}

// follow returns the store's revision, and a channel that is closed when there is a later one.
func (v *view) follow() (revision uint64, progress <-chan struct{}) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.revision, v.progress
}

// summary returns how many targets there are by health, and the time since the store was heard of.
func (v *view) summary() (counts map[Health]int64, seconds float64, loaded bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	counts = map[Health]int64{}
	for _, r := range v.records {
		counts[r.health()]++
	}
	if !v.connected && v.loaded {
		seconds = time.Since(v.contact).Seconds()
	}
	return counts, seconds, v.loaded
}
