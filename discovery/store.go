package discovery

import (
	"context"
	"errors"
)

// Store keeps who is registered, for one process or for many. [NewMemory] and the package
// discovery/etcd make one. Its methods are safe for concurrent use and return within the context's time.
//
// A revision is a number that grows with every change a store makes. The revision of the registration
// that made an entry is the entry's generation: whoever removes or refreshes an entry says which
// generation he means, so that the late farewell of a process that was replaced does not remove its successor.
type Store interface {
	// Put lists t and replaces what had its name. A held entry lives until it is removed, or until the process
	// that put it is gone for the store; any other needs [Store.Refresh] within its TTL, and the registries
	// that follow the store judge that by their own clocks.
	Put(ctx context.Context, t Target, held bool) (generation uint64, err error)
	// Refresh is a sign of life of an entry. It returns [ErrReplaced] when key is of another generation
	// now, and [ErrNotRegistered] when it is not listed.
	Refresh(ctx context.Context, key Key, generation uint64) error
	// Remove removes an entry if it is of that generation, and returns the errors of Refresh. reason is
	// [Removed] when somebody asked for it and [Expired] when the signs of life have ended.
	Remove(ctx context.Context, key Key, generation uint64, reason Reason) error
	// Replace makes a group exactly these targets: what is new or has changed is put first, what is not among
	// them is removed afterwards, and what is as it was is only refreshed.
	Replace(ctx context.Context, group string, targets []Target, held bool) (revision uint64, err error)
	// Follow tells f of everything that is listed and of every change, from one goroutine, until ctx ends.
	Follow(ctx context.Context, f Follower)
}

// Errors of a [Store] that a caller can act on.
var (
	// ErrNotRegistered is returned for a name that nothing is registered under.
	ErrNotRegistered = errors.New("discovery: not registered")
	// ErrReplaced is returned for a generation that a later registration has replaced.
	ErrReplaced = errors.New("discovery: replaced by a later registration")
)

// Entry is a target as a store lists it.
type Entry struct {
	Target Target
	// Generation is the revision of the registration.
	Generation uint64
	// Held says that the store itself ends the entry. The registries do not ask it for signs of life.
	Held bool
}

// Reason says why an entry went.
type Reason string

// The reasons.
const (
	Removed Reason = "removed" // somebody asked for it
	Expired Reason = "expired" // no sign of life, or the process that held it is gone
)

// Event is one change of an entry.
type Event struct {
	// Entry is what is listed now. Only Target's name counts where Reason is set.
	Entry Entry
	// Reason is empty for an entry that was put or refreshed, and otherwise why it went.
	Reason Reason
}

// Follower is told what a store lists. Its methods are called one at a time and must be quick.
type Follower interface {
	// Load gives the whole list, at the beginning and whenever changes may have been missed.
	Load(revision uint64, entries []Entry)
	// Apply gives the changes of one moment, in their order.
	Apply(revision uint64, events []Event)
	// Reject reports an entry that was left out, and why. name is what the store calls it.
	Reject(name string, err error)
	// Disconnected reports that the store cannot be reached. The next Load says that it can again.
	Disconnected(err error)
}
