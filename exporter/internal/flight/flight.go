// Package flight shares one run of a function among everyone who asks for its result while it runs.
//
// It differs from singleflight in three ways that a collection needs: a caller's context ends only
// that caller's wait, a result is counted by its users and can be recycled when the last lets go,
// and a caller can insist on a run that started after it asked. A run that hangs holds one
// goroutine and nothing else; later callers wait for it until their own deadlines.
package flight

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("closed")

// Group runs one function, at most once at a time. Make one with [New].
type Group[T any] struct {
	run     func(context.Context) (T, error)
	recycle func(T)
	timeout time.Duration

	mu     sync.Mutex
	closed bool
	flying *flight[T]
}

type flight[T any] struct {
	landed chan struct{}
	value  T
	err    error
	users  int
}

// New returns a Group of run. The context of a run ends after timeout, or at its first caller's deadline
// if that is later. recycle, which may be nil, is given each successful result that nobody uses any more.
func New[T any](run func(context.Context) (T, error), recycle func(T), timeout time.Duration) *Group[T] {
	return &Group[T]{run: run, recycle: recycle, timeout: timeout}
}

// Do returns the result of the run in progress, or of a new one. With fresh set, it does not join a
// run that had begun before the call. The result is shared: read it only, and call release once when
// done with it (it is never nil). Do returns ctx's error when ctx ends first.
func (g *Group[T]) Do(ctx context.Context, fresh bool) (value T, release func(), err error) {
	none := func() {}
	for {
		f, joined, err := g.join(ctx, fresh)
		if err != nil {
			return value, none, err
		}
		select {
		case <-f.landed:
		case <-ctx.Done():
			if joined {
				g.leave(f)
			}
			return value, none, context.Cause(ctx)
		}
		if !joined {
			fresh = false // whatever flies now took off after this call
			continue
		}
		if f.err != nil {
			g.leave(f)
			return value, none, f.err
		}
		return f.value, sync.OnceFunc(func() { g.leave(f) }), nil
	}
}

// join returns the flight to wait for, and whether the caller is a user of its result.
func (g *Group[T]) join(ctx context.Context, fresh bool) (*flight[T], bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flying; f != nil {
		if fresh {
			return f, false, nil
		}
		f.users++
		return f, true, nil
	}
	if g.closed {
		return nil, false, ErrClosed
	}
	if ctx.Err() != nil {
		return nil, false, context.Cause(ctx)
	}
	f := &flight[T]{landed: make(chan struct{}), users: 1}
	g.flying = f
	go g.fly(ctx, f)
	return f, true, nil
}

// fly runs the function for everyone: the first caller's values apply, but neither its cancellation
// nor a deadline that is near, since others may be waiting too.
func (g *Group[T]) fly(ctx context.Context, f *flight[T]) {
	deadline := time.Now().Add(g.timeout)
	if asked, ok := ctx.Deadline(); ok && asked.After(deadline) {
		deadline = asked
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	defer cancel()
	f.err = errors.New("ended without a result") // what remains when run calls runtime.Goexit
	defer g.land(f)
	defer func() {
		if v := recover(); v != nil {
			f.err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	f.value, f.err = g.run(ctx)
}

func (g *Group[T]) land(f *flight[T]) {
	g.mu.Lock()
	g.flying = nil
	unused := f.users == 0
	close(f.landed)
	g.mu.Unlock()
	if unused {
		g.reuse(f)
	}
}

// leave takes one user off f.
func (g *Group[T]) leave(f *flight[T]) {
	g.mu.Lock()
	f.users--
	unused := f.users == 0 && g.flying != f
	g.mu.Unlock()
	if unused {
		g.reuse(f)
	}
}

func (g *Group[T]) reuse(f *flight[T]) {
	if g.recycle != nil && f.err == nil {
		g.recycle(f.value)
	}
}

// Close makes every later Do return ErrClosed and waits for the run in progress, if there is one,
// until ctx ends.
func (g *Group[T]) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	f := g.flying
	g.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-f.landed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
