package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/discovery"
)

const (
	// A listed process shows a sign of life three times in its TTL, so that two may be lost.
	signInterval = discovery.DefaultTTL / 3
	// signTimeout bounds one attempt, as long as the list would wait for the next.
	signTimeout = signInterval
	// pageWait is how long a page that the application serves itself may take to answer before it is listed all the same.
	pageWait = 10 * time.Second
	// leaveGrace is what a registry that hangs has, after its time is up, to notice it.
	leaveGrace = 100 * time.Millisecond
)

// A seat is a place in a list: a registry's API, or a store.
type seat interface {
	// sign lists t, or is a sign of life of what has that generation. It returns [discovery.ErrReplaced] when another has the name.
	sign(ctx context.Context, t discovery.Target, generation uint64) (uint64, error)
	// leave takes the target out of the list.
	leave(ctx context.Context, key discovery.Key, generation uint64) error
	// close lets go of the connections.
	close(ctx context.Context) error
}

// A registrar keeps the process listed where [DiscoveryConfig] says. It owns one goroutine, and nobody waits for it but shutdown:
// a registry that is down or hangs costs its own list alone.
type registrar struct {
	seat   seat
	logger *slog.Logger
	// locate says what to list. It may have to ask the network, and returns when its context ends.
	locate func(context.Context) (discovery.Target, error)
	// answers returns when the page does, or its context ends.
	answers func(context.Context)

	cancel  context.CancelFunc   // ends what is under way
	leaving chan context.Context // holds the context of shutdown
	ended   chan struct{}
	endErr  error // of ended

	mu     sync.Mutex
	status DiscoveryStatus
}

// openRegistrar reads the files of Discovery and opens no connection.
func (s *SDK) openRegistrar(_ context.Context, res *resource.Resource) error {
	c := s.cfg.Discovery
	scheme := "http"
	secure, err := servesTLS(s.cfg.Listener.WebConfigFile)
	if err != nil {
		return fmt.Errorf("config: Listener.WebConfigFile: %w", err)
	}
	if secure {
		scheme = "https"
	}
	var place seat
	if slices.Contains(registrySchemes, c.scheme()) {
		place, err = newRegistrySeat(c, s)
	} else {
		place, err = newStoreSeat(c, s)
	}
	if err != nil {
		return err
	}
	s.registrar = &registrar{
		seat: place, logger: s.opts.logger, leaving: make(chan context.Context, 1), ended: make(chan struct{}),
		status: DiscoveryStatus{State: DiscoveryStarting, Since: time.Now(), Registry: showRegistry(c.URL)},
		locate: func(ctx context.Context) (discovery.Target, error) {
			address, err := s.listedAddress(ctx)
			return target(address, scheme, res), err
		},
		answers: s.pageAnswers,
	}
	return nil
}

func (s *SDK) startRegistrar(context.Context, *resource.Resource) error {
	s.registrar.start()
	return nil
}

// start begins to list the process. It returns at once.
func (r *registrar) start() {
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	go func() {
		defer close(r.ended)
		r.endErr = r.run(ctx)
	}()
}

// run lists the process until shutdown asks it to leave, and returns what went wrong with that.
func (r *registrar) run(ctx context.Context) error {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = time.Second, discovery.DefaultTTL
	var t discovery.Target
	var generation uint64
	last, over := r.await(ctx)
	for !over {
		err := r.sign(ctx, &t, &generation)
		if last, over = r.asked(); over {
			break // what failed now failed because it was asked to
		}
		r.note(err)
		pause := signInterval - rand.N(signInterval/10) // processes that started together do not sign together
		switch {
		case errors.Is(err, discovery.ErrReplaced):
			pause = 0 // the other one stays
		case err != nil:
			pause = retry.NextBackOff()
		default:
			retry.Reset()
		}
		last, over = r.rest(pause)
	}
	return r.end(last, t.Key(), generation)
}

// await waits for the page.
func (r *registrar) await(ctx context.Context) (last context.Context, over bool) {
	ctx, cancel := context.WithTimeout(ctx, pageWait)
	up := make(chan struct{})
	go func() {
		defer close(up)
		r.answers(ctx)
	}()
	defer func() {
		cancel()
		<-up
	}()
	select {
	case last = <-r.leaving:
		return last, true
	case <-up:
		return nil, false
	}
}

// asked says whether shutdown wants the process to leave.
func (r *registrar) asked() (last context.Context, over bool) {
	select {
	case last = <-r.leaving:
		return last, true
	default:
		return nil, false
	}
}

// rest waits until the next sign of life is due, or for shutdown alone where none is.
func (r *registrar) rest(pause time.Duration) (last context.Context, over bool) {
	var due <-chan time.Time
	if pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case last = <-r.leaving:
		return last, true
	case <-due:
		return nil, false
	}
}

// sign finds out what to list, once, and shows a sign of life.
func (r *registrar) sign(ctx context.Context, t *discovery.Target, generation *uint64) error {
	ctx, cancel := context.WithTimeout(ctx, signTimeout)
	defer cancel()
	if t.Address == "" {
		found, err := r.locate(ctx)
		if err != nil {
			return err
		}
		*t = found
		r.mu.Lock()
		r.status.Target, r.status.Address = found.Key().String(), found.Address
		r.mu.Unlock()
	}
	listed, err := r.seat.sign(ctx, *t, *generation)
	if err == nil {
		*generation = listed
	}
	return err
}

// end leaves the list, unless the process was never in it.
func (r *registrar) end(ctx context.Context, key discovery.Key, generation uint64) error {
	var err error
	if generation != 0 {
		err = r.seat.leave(ctx, key, generation)
	}
	if errors.Is(err, discovery.ErrReplaced) || errors.Is(err, discovery.ErrNotRegistered) {
		err = nil
	}
	if err != nil {
		err = fmt.Errorf("discovery: shutdown: %s stays listed for up to %v: %w", key, discovery.DefaultTTL, err)
	}
	return errors.Join(err, r.seat.close(ctx))
}

// shutdown takes the process out of the list, within half of the time that ctx has: the page has to be closed after it, and
// within that deadline, too. It is called once.
func (r *registrar) shutdown(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	defer r.cancel()
	defer r.stop()
	r.leaving <- ctx
	select {
	case <-r.ended:
		return r.endErr
	case <-ctx.Done():
	}
	r.cancel()
	select {
	case <-r.ended:
		return r.endErr
	case <-time.After(leaveGrace):
		return fmt.Errorf("discovery: shutdown: the registry hangs, and the process stays listed for up to %v: %w", discovery.DefaultTTL, context.Cause(ctx))
	}
}
