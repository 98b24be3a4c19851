package telemetry

import (
	"errors"
	"time"

	"github.com/duotel/duotel/discovery"
)

// DiscoveryState says whether the process is listed.
type DiscoveryState string

// The states.
const (
	DiscoveryStarting DiscoveryState = "starting" // not listed yet
	DiscoveryListed   DiscoveryState = "listed"   // the last sign of life arrived
	DiscoveryFailing  DiscoveryState = "failing"  // the last sign of life did not arrive; it is tried again
	DiscoveryReplaced DiscoveryState = "replaced" // another process has taken the name, and stays
	DiscoveryStopped  DiscoveryState = "stopped"  // Shutdown was called
)

// DiscoveryStatus says how the process's own entry in the list of [DiscoveryConfig] stands. It is a snapshot.
type DiscoveryStatus struct {
	// State is the state, and Since when it began.
	State DiscoveryState
	Since time.Time
	// Registry is the URL, without user, password and query.
	Registry string
	// Target is the name in the list, group/id, and Address what is listed. They are empty until they are known.
	Target, Address string
	// LastSuccess is when a sign of life last arrived; zero before the first.
	LastSuccess time.Time
	// LastError is why the last sign of life did not arrive; empty when it did. It has no secrets.
	LastError string
	// Failures counts signs of life that did not arrive, and ConsecutiveFailures those since the last that did.
	Failures, ConsecutiveFailures int64
}

// snapshot returns the status.
func (r *registrar) snapshot() DiscoveryStatus {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// note keeps what became of a sign of life, and writes a line when the state has changed.
func (r *registrar) note(err error) {
	r.mu.Lock()
	before, since, failures := r.status.State, r.status.Since, r.status.ConsecutiveFailures
	if err == nil {
		r.enter(DiscoveryListed)
		r.status.LastSuccess, r.status.LastError, r.status.ConsecutiveFailures = time.Now(), "", 0
	} else {
		r.enter(DiscoveryFailing)
		if errors.Is(err, discovery.ErrReplaced) {
			r.enter(DiscoveryReplaced)
		}
		r.status.LastError = abridge(err.Error())
		r.status.Failures++
		r.status.ConsecutiveFailures++
	}
	now := r.status
	r.mu.Unlock()
	if now.State == before {
		return
	}
	logger := r.logger.With("registry", now.Registry, "target", now.Target, "address", now.Address)
	switch {
	case now.State == DiscoveryReplaced:
		logger.Warn("discovery: another process has registered under this name; it stays, and this one is not listed any more", "error", now.LastError)
	case now.State == DiscoveryFailing:
		logger.Warn("discovery: failing; it is tried again", "error", now.LastError)
	case before == DiscoveryFailing:
		logger.Info("discovery: listed again", "failures", failures, "after", now.Since.Sub(since).Round(time.Millisecond))
	default:
		logger.Info("discovery: listed")
	}
}

// stop is the last state.
func (r *registrar) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enter(DiscoveryStopped)
}

// enter changes the state. The caller holds the lock.
func (r *registrar) enter(state DiscoveryState) {
	if r.status.State != state && r.status.State != DiscoveryStopped {
		r.status.State, r.status.Since = state, time.Now()
	}
}
