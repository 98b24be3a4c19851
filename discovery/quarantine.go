package discovery

import "time"

// Most of a group that vanishes at once is kept for one TTL. At once means within the time between two signs of life, a third of a TTL, because
// those who fall silent together gave their last ones at different moments; and fewer than quarantineAtLeast targets are no fleet: a
// service with one process must be gone when it is dead.
const (
	quarantineAtLeast = 3
	checkInterval     = time.Second
)

// check ends what has expired, and returns it, so that the store can be told. What vanishes with most of its
// group is kept for one TTL more, and so is what had vanished first.
func (v *view) check(now time.Time) (expired []Entry) {
	v.mu.Lock()
	defer v.mu.Unlock()
	sizes, kept, ending := map[string]int{}, map[string]int{}, map[string][]*record{}
	for key, r := range v.records {
		sizes[key.Group]++
		late := !r.entry.Held && v.connected && !now.Before(r.deadline)
		if !r.ended && !late {
			continue
		}
		// What is kept stays while nobody could hear a sign of life of it.
		if r.kept.IsZero() || v.connected && !now.Before(r.kept) {
			ending[key.Group] = append(ending[key.Group], r)
		} else {
			kept[key.Group]++
		}
	}
	before := v.version
	for group, records := range ending {
		lately := v.lately(group, now)
		vanished := len(records) + len(lately) + kept[group]
		mass := vanished >= quarantineAtLeast && 2*vanished > sizes[group]+len(lately)
		for _, r := range records {
			v.version++
			if mass && r.kept.IsZero() {
				r.kept = now.Add(r.ttl())
				continue
			}
			delete(v.records, r.entry.Target.Key())
			expired = append(expired, r.entry)
			if r.kept.IsZero() {
				v.gone[group] = append(v.gone[group], gone{r, now})
			}
		}
		if mass {
			v.bringBack(group, lately, now)
		}
	}
	for group := range v.gone { // of groups that have nothing left, too
		v.lately(group, now)
	}
	v.tell(before)
	return expired
}

// gone is a record that expired by itself, and might have been the first of many.
type gone struct {
	record *record
	at     time.Time
}

// lately returns what of a group has expired within the time between two of its signs of life. The caller holds the lock.
func (v *view) lately(group string, now time.Time) (out []*record) {
	kept := v.gone[group][:0]
	for _, g := range v.gone[group] {
		if now.Sub(g.at) > g.record.ttl()/3+checkInterval {
			continue
		}
		kept = append(kept, g)
		if v.records[g.record.entry.Target.Key()] == nil {
			out = append(out, g.record)
		}
	}
	if v.gone[group] = kept; len(kept) == 0 {
		delete(v.gone, group)
	}
	return out
}

// bringBack lists again, for one TTL, what had vanished first of most of a group. The caller holds the lock.
func (v *view) bringBack(group string, records []*record, now time.Time) {
	for _, r := range records {
		r.ended, r.kept = true, now.Add(r.ttl())
		v.records[r.entry.Target.Key()] = r
		v.version++
	}
	delete(v.gone, group)
}
