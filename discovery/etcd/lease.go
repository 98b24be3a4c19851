package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duotel/duotel/discovery"
)

// holding is an entry that this process holds.
type holding struct {
	value string
	// first is the generation that the registrant knows. now is that of etcd: putting it again makes a new one.
	first, now uint64
}

// longestWait is the longest time between two attempts: several fit into a lease's time.
func (s *Store) longestWait() time.Duration {
	return min(max(s.cfg.TTL/4, 250*time.Millisecond), 5*time.Second)
}

func (s *Store) newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff() // with jitter: a fleet does not come back at one moment
	b.InitialInterval, b.MaxInterval = 100*time.Millisecond, s.longestWait()
	return b
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// supervise sees to it that there is a lease and that everything held is attached to it, until the store is closed.
func (s *Store) supervise() {
	wait := s.newBackOff()
	for down := false; s.ctx.Err() == nil; {
		err := s.renew()
		if err == nil {
			wait.Reset()
			if down {
				s.cfg.Logger.Info("etcd: what this process holds is registered again")
			}
			down = false
			err = s.keep()
		}
		if s.ctx.Err() != nil {
			return
		}
		s.unready()
		if !down {
			down = true
			s.cfg.Logger.Warn("etcd: there is no lease; what this process holds is put again when there is one", "error", err)
		}
		pause(s.ctx, wait.NextBackOff())
	}
}

// renew grants a lease and attaches everything that is held to it.
func (s *Store) renew() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.DialTimeout)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return err
	}
	granted, err := client.Grant(ctx, int64(s.cfg.TTL/time.Second))
	if err != nil {
		return s.because(fmt.Errorf("etcd: lease: %w", err))
	}
	if err := enter(s.ctx, s.turn); err != nil {
		return err
	}
	defer leave(s.turn)
	s.mu.Lock()
	s.lease, s.lost = granted.ID, make(chan struct{})
	s.stats.Leases++
	held := slices.Collect(maps.Keys(s.held))
	s.mu.Unlock()
	// What is missing is more urgent than what is only attached to an old lease, but both take the same call.
	for chunk := range slices.Chunk(held, chunkTargets) {
		if err := s.putAgain(chunk, granted.ID); err != nil {
			return err
		}
	}
	s.mu.Lock()
	close(s.ready)
	s.mu.Unlock()
	return nil
}

// putAgain attaches entries to a new lease, unless somebody else has registered them since. The caller has the turn.
func (s *Store) putAgain(names []discovery.Key, lease clientv3.LeaseID) error {
	for _, key := range names {
		s.mu.Lock()
		own := *s.held[key]
		s.mu.Unlock()
		name := s.keys.target(key)
		put := s.put(key, own.value, lease)
		response, err := s.commit(s.ctx, []clientv3.Cmp{is(name, own.now)}, put,
			// Not as it was put: it is missing, or it is another's.
			[]clientv3.Op{clientv3.OpTxn([]clientv3.Cmp{is(name, 0)}, put, nil)})
		if err != nil {
			return err
		}
		if !response.Succeeded && !response.Responses[0].GetResponseTxn().Succeeded {
			s.release(key, own.now)
			s.count(func(st *Stats) { st.Yielded++ })
			continue
		}
		s.mu.Lock()
		s.held[key].now = uint64(response.Header.Revision)
		s.stats.PutAgain++
		s.mu.Unlock()
	}
	return nil
}

// keep keeps the lease alive, and returns why it ended.
func (s *Store) keep() error {
	s.mu.Lock()
	lease, lost := s.lease, s.lost
	s.mu.Unlock()
	client, err := s.dial(s.ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	answers, err := client.KeepAlive(ctx, lease)
	if err != nil {
		return fmt.Errorf("etcd: lease: %w", err)
	}
	for {
		select {
		case _, ok := <-answers:
			if !ok {
				return errors.New("etcd: the lease was lost: revoked, or etcd did not answer for its time")
			}
		case <-lost:
			return errors.New("etcd: the lease was lost: etcd does not know it")
		}
	}
}

// unready has those wait who want to attach something to the lease.
func (s *Store) unready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease = 0
	select {
	case <-s.ready:
		s.ready = make(chan struct{})
	default:
	}
}

// attached calls f with the lease and with the turn, and again with the next lease where etcd does not know that one.
func (s *Store) attached(ctx context.Context, f func(clientv3.LeaseID) error) error {
	for {
		s.mu.Lock()
		ready := s.ready
		s.mu.Unlock()
		select {
		case <-ready:
		case <-s.ctx.Done():
			return ErrClosed
		case <-ctx.Done():
			return s.because(fmt.Errorf("etcd: there is no lease yet: %w", context.Cause(ctx)))
		}
		if err := enter(ctx, s.turn); err != nil {
			return err
		}
		s.mu.Lock()
		lease, lost := s.lease, s.lost
		s.mu.Unlock()
		var err error
		if lease != 0 {
			err = f(lease)
		}
		if isLeaseGone(err) {
			s.mu.Lock()
			if s.lease == lease {
				s.lease, s.ready = 0, make(chan struct{})
				close(lost)
			}
			s.mu.Unlock()
		}
		leave(s.turn)
		if lease != 0 && !isLeaseGone(err) {
			return err
		}
	}
}

func isLeaseGone(err error) bool {
	return err != nil && (errors.Is(err, rpctypes.ErrLeaseNotFound) || strings.Contains(err.Error(), rpctypes.ErrLeaseNotFound.Error()))
}

// hold puts an entry that lives as long as this process.
func (s *Store) hold(ctx context.Context, key discovery.Key, value string) (generation uint64, err error) {
	err = s.attached(ctx, func(lease clientv3.LeaseID) error {
		response, err := s.commit(ctx, nil, s.put(key, value, lease), nil)
		if err == nil {
			generation = uint64(response.Header.Revision)
			s.keepInMind(key, value, generation)
		}
		return err
	})
	return generation, err
}

func (s *Store) keepInMind(key discovery.Key, value string, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[key] = &holding{value: value, first: generation, now: generation}
}

// release forgets an entry of that generation: it is gone, or another's.
func (s *Store) release(key discovery.Key, generation uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, ok := s.held[key]; ok && own.now == generation {
		delete(s.held, key)
	}
}

// current returns what has become of a generation that a registrant knows.
func (s *Store) current(key discovery.Key, generation uint64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own, ok := s.held[key]; ok && own.first == generation {
		return own.now
	}
	return generation
}
