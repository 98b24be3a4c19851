package discovery

import (
	"context"
	"errors"
)

// Registration is a target that this process holds: it stays listed until it is closed, or until the process is
// gone. It is safe for concurrent use.
type Registration struct {
	registry *Registry

	// turn holds a token while a method is at work. It guards what follows, and unlike a mutex it can be waited
	// for with a deadline: the store may be on the other side of a network.
	turn       chan struct{}
	target     Target
	generation uint64
	closed     bool
}

// ErrClosed is returned by a [Registration] that has been closed.
var ErrClosed = errors.New("discovery: the registration is closed")

// Register lists t, in the place of what had its name, and returns when the list has it. The process holds the
// target: nothing has to be repeated. An error says what is wrong with t, or that the store did not take it.
func (r *Registry) Register(ctx context.Context, t Target) (*Registration, error) {
	registration := &Registration{registry: r, turn: make(chan struct{}, 1)}
	if err := registration.Update(ctx, t); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held[registration] = struct{}{}
	return registration, nil
}

// Update lists t in the place of the registration's target. Where t has another name, it is listed before the
// old one goes.
func (g *Registration) Update(ctx context.Context, t Target) error {
	if err := g.registry.admit(t); err != nil {
		return err
	}
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	if g.closed {
		return ErrClosed
	}
	store := g.registry.cfg.Store
	generation, err := store.Put(ctx, t, true)
	if err != nil {
		return err
	}
	before, old := g.target, g.generation
	g.target, g.generation = t, generation
	if old != 0 && before.Key() != t.Key() {
		err = unlessGone(store.Remove(ctx, before.Key(), old, Removed))
	}
	g.registry.await(ctx, generation)
	return err
}

// Close takes the target out of the list, unless a later registration has taken its name. Calls after a
// successful one do nothing.
func (g *Registration) Close(ctx context.Context) error {
	if err := g.enter(ctx); err != nil {
		return err
	}
	defer g.leave()
	if g.closed {
		return nil
	}
	if err := unlessGone(g.registry.cfg.Store.Remove(ctx, g.target.Key(), g.generation, Removed)); err != nil {
		return err
	}
	g.closed = true
	g.registry.mu.Lock()
	defer g.registry.mu.Unlock()
	delete(g.registry.held, g)
	return nil
}

func (g *Registration) enter(ctx context.Context) error {
	select {
	case g.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g *Registration) leave() { <-g.turn }

// unlessGone makes no error of a target that is not there any more.
func unlessGone(err error) error {
	if errors.Is(err, ErrNotRegistered) || errors.Is(err, ErrReplaced) {
		return nil
	}
	return err
}
