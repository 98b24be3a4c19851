package discovery

import (
	"cmp"
	"slices"
	"time"
)

// Rejection is an entry of the store that is not in the list.
type Rejection struct {
	// Name is what the store calls the entry.
	Name string
	// Err says what is wrong with it.
	Err error
	// Time is when the store last showed it.
	Time time.Time
}

// Status is what a registry knows of its store.
type Status struct {
	// Loaded says that the store has been read. Until then nobody knows what is registered.
	Loaded bool
	// Age is the time since the store was last heard of, 0 while it can be reached.
	Age time.Duration
	// Rejected are the entries that were left out, by name: as many as one group may have targets, at most.
	Rejected []Rejection
}

// Status returns what the registry knows of its store now.
func (r *Registry) Status() Status {
	_, loaded, contact := r.view.state()
	status := Status{Loaded: loaded, Rejected: r.view.rejections()}
	if loaded {
		status.Age = max(time.Since(contact), 0).Truncate(time.Second)
	}
	return status
}

// rejection is what the view keeps of an entry that was left out.
type rejection struct {
	err   error
	time  time.Time
	loads uint64 // of the store, when it was seen
}

// Reject implements [Follower].
func (v *view) Reject(name string, err error) {
	v.mu.Lock()
	_, known := v.rejected[name]
	if known || len(v.rejected) < MaxGroupTargets {
		v.rejected[name] = rejection{err, time.Now(), v.loads}
	}
	v.mu.Unlock()
	v.stats.reject(name, err, !known)
}

// forget drops the rejections that the store has not repeated since its last list but one: a store rejects before it
// gives its list, so what came since the last one may be of this. The caller holds the lock.
func (v *view) forget() {
	for name, r := range v.rejected {
		if r.loads < v.loads {
			delete(v.rejected, name)
		}
	}
	v.loads++
}

// rejections returns what was left out, sorted by name.
func (v *view) rejections() []Rejection {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]Rejection, 0, len(v.rejected))
	for name, r := range v.rejected {
		out = append(out, Rejection{name, r.err, r.time})
	}
	slices.SortFunc(out, func(a, b Rejection) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// allowed returns the entries whose addresses this registry's policy allows. Other registries on the same store may have
// another policy, and this one may have had another before it was started again.
func (v *view) allowed(entries []Entry) []Entry {
	out := make([]Entry, 0, len(entries))
	for _, entry := range entries {
		if err := v.policy.registrable(entry.Target.Address); err != nil {
			v.Reject(entry.Target.Key().String(), err)
			continue
		}
		out = append(out, entry)
	}
	return out
}

// withoutForbidden is allowed for changes. An entry that has become one that is not allowed leaves the list.
func (v *view) withoutForbidden(events []Event) []Event {
	out := make([]Event, 0, len(events))
	for _, event := range events {
		if event.Reason == "" {
			if err := v.policy.registrable(event.Entry.Target.Address); err != nil {
				v.Reject(event.Entry.Target.Key().String(), err)
				event.Reason = Removed
			}
		}
		out = append(out, event)
	}
	return out
}
