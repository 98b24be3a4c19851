package discovery

import (
	"fmt"
	"sync"
	"time"

	"github.com/duotel/duotel/discovery"
)

// delay is how long after a TTL a registry may take to notice that it is over.
const delay = 2 * time.Second

// member is what is known of a name: the latest registration, and its latest sign of life that a registry accepted.
type member struct {
	ttl    time.Duration
	worst  time.Duration // the longest TTL that a registry may still know of it
	signed time.Time     // when the latest sign of life was accepted; zero when it said goodbye, or was never listed
	latest uint64        // its generation
	unsure time.Time     // until when a request may still take effect that had no answer
}

// truth knows who lives. A registry that cannot reach the store judges nobody, so the truth also knows since when each can.
type truth struct {
	mu      sync.Mutex
	members map[discovery.Key]*member
	synced  map[string]bool           // the platform's group, by id; nil while a Sync is under way or has failed
	since   [2]time.Time              // since when a registry reaches the store; zero while it does not
	healed  [2]time.Time              // when it did again
	shown   [2]map[discovery.Key]bool // what it listed when somebody looked last
	before  [2]map[discovery.Key]bool // who lived and was listed when it was cut off
	broken  func(law, format string, args ...any)
}

func (m *truth) at(key discovery.Key) *member {
	if m.members[key] == nil {
		m.members[key] = &member{}
	}
	return m.members[key]
}

// mending takes note that a registry will soon hear again what it has missed.
func (m *truth) mending(registry int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.before[registry] = nil
}

// alive reports whether a member gave a sign of life within its TTL, and not a moment ago, when it may be on its way.
func (m *truth) alive(at *member) bool {
	quiet := time.Since(at.signed)
	return !at.signed.IsZero() && quiet > delay && quiet < at.ttl
}

// signed takes note of a registration or sign of life that was accepted.
func (m *truth) signed(key discovery.Key, generation uint64, ttl time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.at(key)
	at.latest = max(at.latest, generation)
	at.ttl, at.worst, at.signed = ttl, max(at.worst, ttl), time.Now()
}

// left takes note of a goodbye that was accepted.
func (m *truth) left(key discovery.Key, generation uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at(key).latest > generation {
		m.broken("a late goodbye removes no successor", "%s, generation %d, said goodbye for generation %d", key, generation, m.at(key).latest)
	}
	m.at(key).signed = time.Time{}
}

// unanswered takes note of a request that failed, and may have been taken.
func (m *truth) unanswered(key discovery.Key, ttl time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := m.at(key)
	at.unsure, at.worst = time.Now().Add(2*ttl+delay), max(at.worst, ttl)
}

// connected takes note that a registry reaches the store, or does not.
func (m *truth) connected(registry int, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since[registry] = (time.Time{}); yes {
		m.since[registry], m.healed[registry] = time.Now(), time.Now()
		return
	}
	m.before[registry] = map[discovery.Key]bool{}
	for key, at := range m.members {
		if m.shown[registry][key] && m.alive(at) && time.Now().After(at.unsure) {
			m.before[registry][key] = true
		}
	}
}

// sync takes note of what the platform's group is; nil while nobody can know.
func (m *truth) sync(ids map[string]bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.synced = ids
}

// list holds what a registry lists against the truth. group is the platform's.
func (m *truth) list(registry int, listed []discovery.Listed, group string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.shown[registry] = map[discovery.Key]bool{}
	for _, l := range listed {
		m.shown[registry][l.Target.Key()] = true
	}
	if m.since[registry].IsZero() { // it shows what it knew, and says how old that is
		for key := range m.before[registry] {
			if !m.shown[registry][key] {
				m.broken("nothing expires while nobody could hear it", "registry %d is cut off, and does not list %s any more", registry, key)
			}
		}
		return
	}
	if now.Sub(m.since[registry]) < delay {
		return
	}
	seen, synced := map[discovery.Key]bool{}, map[string]bool{}
	for _, l := range listed {
		key := l.Target.Key()
		seen[key] = true
		if key.Group == group {
			synced[key.ID] = true
			continue
		}
		m.ghost(registry, key, now)
	}
	for key, at := range m.members {
		if m.alive(at) && !seen[key] && now.After(at.unsure) {
			m.broken("who lives is listed", "registry %d does not list %s, which gave a sign of life %v ago", registry, key, now.Sub(at.signed))
		}
	}
	// What vanished while a registry was cut off is kept for one TTL where it was most of the group.
	if kept := m.healed[registry].Add(discovery.DefaultTTL + delay); m.synced != nil && now.After(kept) && fmt.Sprint(m.synced) != fmt.Sprint(synced) {
		m.broken("a synchronised group is exactly that", "registry %d lists %v, and it is %v", registry, synced, m.synced)
	}
}

// ghost wants a listed name to have lived lately: its TTL, once more where most of a group fell silent within the time between two signs of life, and from when the registry could see signs of
// life again.
func (m *truth) ghost(registry int, key discovery.Key, now time.Time) {
	at := m.members[key]
	if at == nil {
		m.broken("nothing is invented", "registry %d lists %s, which nobody registered", registry, key)
		return
	}
	last := at.signed
	if last.IsZero() {
		last = at.unsure // it said goodbye; only an unanswered request can have brought it back
	}
	if healed := m.healed[registry]; healed.After(last) {
		last = healed
	}
	if until := last.Add(2*at.worst + at.worst/3 + 2*delay); now.After(until) && now.After(at.unsure) {
		m.broken("who is dead is not listed", "registry %d lists %s, whose last sign of life was %v ago, with a TTL of %v", registry, key, now.Sub(at.signed), at.ttl)
	}
}
