package discovery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// Config says how a [Registry] works. The zero value is all defaults.
type Config struct {
	// Store keeps the entries. Default: [NewMemory]. The registry does not close it.
	Store Store
	// Addresses says which addresses may be registered and probed. Default: all but loopback, link-local (the
	// metadata services of clouds among them), multicast and unspecified addresses.
	Addresses AddressPolicy
	// Probe, when set, asks the targets' pages whether they answer. Default: signs of life alone count.
	Probe *Probe
	// Authorize, when set, decides about each request to [Registry.Handler]: nil answers it, an error that wraps
	// [ErrUnauthenticated] is answered 401, any other 403. The error's text goes to the client.
	Authorize func(*http.Request) error
	// Logger gets one line per change of state. Default: [slog.Default].
	Logger *slog.Logger
	// MeterProvider makes the registry's own metrics. Default: OpenTelemetry's global one.
	MeterProvider metric.MeterProvider
}

// Registry knows who is to be scraped: it registers targets in a store, follows the store, and answers
// Prometheus from memory. It is safe for concurrent use. Make one with [New], and end it with [Registry.Close].
type Registry struct {
	cfg     Config
	view    *view
	stats   *stats
	answers answers
	metrics metric.Registration

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	done sync.WaitGroup

	mu   sync.Mutex
	held map[*Registration]struct{}
}

// New starts a registry. An error names what is wrong in cfg; nothing has been started then.
func New(cfg Config) (*Registry, error) {
	if cfg.Store == nil {
		cfg.Store = NewMemory()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if err := cfg.Probe.validate(); err != nil {
		return nil, err
	}
	r := &Registry{cfg: cfg, held: map[*Registration]struct{}{}}
	var err error
	r.stats, r.metrics, err = newStats(cfg.Logger, cfg.MeterProvider, func() *view { return r.view })
	if err != nil {
		return nil, fmt.Errorf("discovery: metrics: %w", err)
	}
	r.view = newView(r.stats, cfg.Addresses)
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.done.Go(func() { cfg.Store.Follow(r.ctx, r.view) })
	r.done.Go(r.judge)
	if cfg.Probe != nil {
		r.done.Go(func() { r.probe(newProber(*cfg.Probe, cfg.Addresses)) })
	}
	return r, nil
}

// judge checks once a second who has shown no sign of life, and removes him from the store.
func (r *Registry) judge() {
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case now := <-tick.C:
			expired := r.view.check(now)
			r.stats.expired(len(expired))
			for _, entry := range expired {
				if entry.Held {
					continue // the store has ended it already
				}
				ctx, cancel := context.WithTimeout(r.ctx, checkInterval)
				// Another registry may have done it, or the target may be back: either is well.
				_ = r.cfg.Store.Remove(ctx, entry.Target.Key(), entry.Generation, Expired)
				cancel()
			}
		}
	}
}

// Put lists t for its TTL; the caller has to repeat it in time, with the generation that it returned, or 0 for a
// new registration. It returns [ErrReplaced] when somebody else has registered under that name since.
// It is what a server calls for a heartbeat from elsewhere; who lives in this process uses [Registry.Register].
func (r *Registry) Put(ctx context.Context, t Target, generation uint64) (uint64, error) {
	if err := r.admit(t); err != nil {
		return 0, err
	}
	if generation != 0 {
		err := r.cfg.Store.Refresh(ctx, t.Key(), generation)
		if err == nil || !errors.Is(err, ErrNotRegistered) {
			return generation, err
		}
	}
	generation, err := r.cfg.Store.Put(ctx, t, false)
	if err != nil {
		return 0, err
	}
	r.await(ctx, generation)
	return generation, nil
}

// Remove takes a target out of the list at once. generation 0 means whichever is listed. It returns
// [ErrNotRegistered], or [ErrReplaced] when a later registration has taken the name.
func (r *Registry) Remove(ctx context.Context, key Key, generation uint64) error {
	if generation == 0 {
		var ok bool
		if generation, ok = r.view.generation(key); !ok {
			return fmt.Errorf("%w: %s", ErrNotRegistered, key)
		}
	}
	return r.cfg.Store.Remove(ctx, key, generation, Removed)
}

// Sync makes group exactly these targets, the empty set included: what is new is listed before what is
// gone leaves. The targets' Group may be empty. They are held by this process, as those of [Registry.Register].
// Nothing is changed when one target is not valid; the error names those that are not, ten at most.
func (r *Registry) Sync(ctx context.Context, group string, targets []Target) error {
	own, err := r.admitGroup(group, targets)
	if err != nil {
		return err
	}
	return r.replace(ctx, group, own, true)
}

// admitGroup returns targets with their group, or why they may not be the group.
func (r *Registry) admitGroup(group string, targets []Target) ([]Target, error) {
	if len(targets) > MaxGroupTargets {
		return nil, fmt.Errorf("discovery: Group=%q: would have %d targets; at most %d", cut(group), len(targets), MaxGroupTargets)
	}
	if err := validName("Group", group); err != nil {
		return nil, err
	}
	var errs []error
	own := make([]Target, 0, len(targets))
	seen := map[string]bool{}
	for i, t := range targets {
		if t.Group == "" {
			t.Group = group
		}
		switch {
		case t.Group != group:
			errs = append(errs, fmt.Errorf("discovery: target %d: %w", i, invalid("Group", t.Group, "is another group", "none, or "+group)))
		case seen[t.ID]:
			errs = append(errs, fmt.Errorf("discovery: target %d: %w", i, invalid("ID", t.ID, "is there twice", "each ID once")))
		}
		if err := r.admit(t); err != nil {
			errs = append(errs, fmt.Errorf("target %d: %w", i, err))
		}
		seen[t.ID] = true
		own = append(own, t)
		if len(errs) >= maxErrors {
			break
		}
	}
	return own, errors.Join(errs...)
}

func (r *Registry) replace(ctx context.Context, group string, targets []Target, held bool) error {
	revision, err := r.cfg.Store.Replace(ctx, group, targets, held)
	if err != nil {
		return err
	}
	r.await(ctx, revision)
	return nil
}

// admit returns why t may not be registered.
func (r *Registry) admit(t Target) error {
	return errors.Join(t.Validate(), r.cfg.Addresses.registrable(t.Address))
}

// listedWithin is how long a registration waits to see itself in the list. A store that lags does not hold
// anybody up longer than that.
const listedWithin = time.Second

// await waits until this registry has heard of revision.
func (r *Registry) await(ctx context.Context, revision uint64) {
	ctx, cancel := context.WithTimeout(ctx, listedWithin)
	defer cancel()
	for {
		seen, progress := r.view.follow()
		if seen >= revision {
			return
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return
		case <-r.ctx.Done():
			return
		}
	}
}

// ErrNotLoaded is returned while nobody knows what is registered, because the store has not been read yet.
var ErrNotLoaded = errors.New("discovery: the store has not been read yet")

// Targets returns what is listed and q admits, sorted by group and ID. The result is the caller's, but the
// maps in it are not. It returns [ErrNotLoaded] before the store was read.
func (r *Registry) Targets(q Query) ([]Listed, error) {
	list, _, loaded := r.view.list()
	if !loaded {
		return nil, ErrNotLoaded
	}
	return q.filter(list), nil
}

// Watch yields what q admits now and after every change of the list, until ctx ends or the registry is closed. Changes
// that come quickly are one, and a change that q does not see yields the same again. It runs in the caller's goroutine.
func (r *Registry) Watch(ctx context.Context, q Query) iter.Seq[[]Listed] {
	return func(yield func([]Listed) bool) {
		for {
			_, loaded, changed := r.view.watch()
			if loaded {
				list, _, _ := r.view.list()
				if !yield(q.filter(list)) {
					return
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return
			case <-r.ctx.Done():
				return
			}
		}
	}
}

// Close removes what this registry holds, so that it leaves the list at once, and ends its goroutines. It
// returns within ctx's time; the error names what could not be removed, which then expires. The store stays open.
func (r *Registry) Close(ctx context.Context) error {
	r.mu.Lock()
	held := make([]*Registration, 0, len(r.held))
	for registration := range r.held {
		held = append(held, registration)
	}
	r.mu.Unlock()
	var errs []error
	for _, registration := range held {
		errs = append(errs, registration.Close(ctx))
	}
	r.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		errs = append(errs, fmt.Errorf("discovery: close: the store has not let go: %w", context.Cause(ctx)))
	}
	return errors.Join(append(errs, r.metrics.Unregister())...)
}
