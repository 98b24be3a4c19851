package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"

	"github.com/duotel/duotel/discovery"
)

// Store is a [discovery.Store] in etcd. It is safe for concurrent use. Make one with [New] or [Open], and end it with
// [Store.Close] after the registries that use it.
type Store struct {
	cfg  Config
	keys keys

	dialing chan struct{} // holds a token while somebody makes the client
	client  *clientv3.Client
	// turn holds a token while something that this process holds, or its lease, is being changed. Unlike a mutex it
	// can be waited for with a deadline: etcd is on the other side of a network.
	turn chan struct{}

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	done sync.WaitGroup

	mu    sync.Mutex
	lease clientv3.LeaseID
	ready chan struct{} // closed while there is a lease
	lost  chan struct{} // closed when somebody has seen that the lease is gone
	held  map[discovery.Key]*holding
	stats Stats
}

// Stats is what a store has done so far.
type Stats struct {
	Held     int    // entries that this process holds
	Leases   uint64 // leases that were granted; more than one means that one was lost
	PutAgain uint64 // entries that were put again after a lease was lost
	Yielded  uint64 // entries that were not put again, because somebody else has registered them since
	Lists    uint64 // times that everything was read
	Rejected uint64 // entries that were left out because they are broken
}

// ErrClosed is returned by a store that has been closed.
var ErrClosed = errors.New("etcd: the store is closed")

// New returns a store. An error names everything that is wrong in cfg; nothing has been started then. etcd does
// not have to be up.
func New(cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	s := &Store{
		cfg: cfg, keys: keys(cfg.Prefix), dialing: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		ready: make(chan struct{}), held: map[discovery.Key]*holding{},
	}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.done.Go(s.supervise)
	return s, nil
}

// Open is [New] with the endpoints and the prefix in a URL: etcd://host:2379,host2:2379/prefix, or etcds:// for TLS. The
// port defaults to 2379. Credentials are in cfg, never in the URL.
func Open(rawURL string, cfg Config) (*Store, error) {
	cfg, err := fromURL(rawURL, cfg)
	if err != nil {
		return nil, err
	}
	return New(cfg)
}

// Close revokes the lease, so that what this process still holds is gone at once, and closes the connection. It returns
// within ctx's time; the error says that etcd was not told, and the lease then ends with its TTL.
func (s *Store) Close(ctx context.Context) error {
	s.stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.done.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		return fmt.Errorf("etcd: close: a request has not ended: %w", context.Cause(ctx))
	}
	if err := enter(ctx, s.turn); err != nil {
		return err
	}
	defer leave(s.turn)
	if err := enter(ctx, s.dialing); err != nil {
		return err
	}
	defer leave(s.dialing)
	s.mu.Lock()
	lease, client := s.lease, s.client
	s.lease = 0
	s.mu.Unlock()
	if client == nil {
		return nil
	}
	var err error
	if lease != 0 {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
		defer cancel()
		if _, err = client.Revoke(ctx, lease); err != nil {
			err = fmt.Errorf("etcd: close: the lease was not revoked, and ends within %s: %w", s.cfg.TTL, err)
		}
	}
	s.client = nil
	return errors.Join(err, ignoreCanceled(client.Close()))
}

// ignoreCanceled makes no error of what a client says that is closed.
func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// Stats returns what the store has done so far.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Held = len(s.held)
	return stats
}

func (s *Store) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func enter(ctx context.Context, token chan struct{}) error {
	select {
	case token <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func leave(token chan struct{}) { <-token }

// dial returns the client, which is made when it is first needed: with a password, making it asks etcd.
func (s *Store) dial(ctx context.Context) (*clientv3.Client, error) {
	if err := enter(ctx, s.dialing); err != nil {
		return nil, err
	}
	defer leave(s.dialing)
	if s.ctx.Err() != nil {
		return nil, ErrClosed
	}
	if s.client != nil {
		return s.client, nil
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: s.cfg.Endpoints, TLS: s.cfg.TLS, Username: s.cfg.Username, Password: s.cfg.Password.Reveal(),
		DialTimeout: s.cfg.DialTimeout, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: s.cfg.DialTimeout,
		Logger: zap.NewNop(), // what matters is an error of a call, which we report
		// gRPC would wait up to two minutes between two attempts, longer than a lease lives.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: s.longestWait()},
			MinConnectTimeout: s.cfg.DialTimeout,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: connect: %w", err)
	}
	s.client = client
	return client, nil
}

// commit runs a transaction within the time of one request.
func (s *Store) commit(ctx context.Context, ifs []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	response, err := client.Txn(ctx).If(ifs...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return response, nil
}

// is compares a key's generation.
func is(key string, generation uint64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", int64(generation))
}

// Put implements [discovery.Store].
func (s *Store) Put(ctx context.Context, t discovery.Target, held bool) (uint64, error) {
	value, err := encode(t)
	if err != nil {
		return 0, err
	}
	if err := s.room(ctx, t.Key()); err != nil {
		return 0, err
	}
	if held {
		return s.hold(ctx, t.Key(), value)
	}
	response, err := s.commit(ctx, nil, s.put(t.Key(), value, clientv3.NoLease), nil)
	if err != nil {
		return 0, err
	}
	return uint64(response.Header.Revision), nil
}

// put is the writing of an entry. A sign of life of the one before is none of the new one.
func (s *Store) put(key discovery.Key, value string, lease clientv3.LeaseID) []clientv3.Op {
	return []clientv3.Op{clientv3.OpPut(s.keys.target(key), value, clientv3.WithLease(lease)), clientv3.OpDelete(s.keys.alive(key))}
}

// room returns an error where a new entry would make its group, or all of them, too large. Two processes that ask
// at the same time may both be let in.
func (s *Store) room(ctx context.Context, key discovery.Key) error {
	count := func(key string) clientv3.Op {
		return clientv3.OpGet(key, clientv3.WithPrefix(), clientv3.WithCountOnly())
	}
	response, err := s.commit(ctx, []clientv3.Cmp{is(s.keys.target(key), 0)}, []clientv3.Op{count(s.keys.group(key.Group)), count(s.keys.targets())}, nil)
	if err != nil || !response.Succeeded {
		return err
	}
	return crowded(key.Group, response.Responses[0].GetResponseRange().Count+1, response.Responses[1].GetResponseRange().Count+1)
}

func crowded(group string, size, all int64) error {
	if size > discovery.MaxGroupTargets {
		return fmt.Errorf("etcd: Group=%q: would have %d targets; at most %d", group, size, discovery.MaxGroupTargets)
	}
	if all > discovery.MaxTargets {
		return fmt.Errorf("etcd: Group=%q: there would be %d targets in all groups; at most %d", group, all, discovery.MaxTargets)
	}
	return nil
}

// Refresh implements [discovery.Store]. An entry that is held needs no sign of life, and none is written.
func (s *Store) Refresh(ctx context.Context, key discovery.Key, generation uint64) error {
	generation = s.current(key, generation)
	name := s.keys.target(key)
	response, err := s.commit(ctx,
		[]clientv3.Cmp{is(name, generation), clientv3.Compare(clientv3.LeaseValue(name), "=", clientv3.NoLease)},
		[]clientv3.Op{clientv3.OpPut(s.keys.alive(key), strconv.FormatUint(generation, 10))},
		[]clientv3.Op{clientv3.OpGet(name, clientv3.WithKeysOnly())})
	if err != nil || response.Succeeded {
		return err
	}
	return gone(response, key, generation)
}

// gone says why a transaction that named a generation was not done: nil where it was there after all.
func gone(response *clientv3.TxnResponse, key discovery.Key, generation uint64) error {
	kvs := response.Responses[0].GetResponseRange().Kvs
	switch {
	case len(kvs) == 0:
		return fmt.Errorf("%w: %s", discovery.ErrNotRegistered, key)
	case uint64(kvs[0].ModRevision) != generation:
		return fmt.Errorf("%w: %s", discovery.ErrReplaced, key)
	}
	return nil
}

// Remove implements [discovery.Store].
func (s *Store) Remove(ctx context.Context, key discovery.Key, generation uint64, reason discovery.Reason) error {
	s.mu.Lock()
	_, mine := s.held[key]
	s.mu.Unlock()
	if mine {
		if err := enter(ctx, s.turn); err != nil {
			return err
		}
		defer leave(s.turn)
	}
	now := s.current(key, generation)
	response, err := s.commit(ctx, []clientv3.Cmp{is(s.keys.target(key), now)}, s.drop(reason, key),
		[]clientv3.Op{clientv3.OpGet(s.keys.target(key), clientv3.WithKeysOnly())})
	if err != nil {
		return err
	}
	s.release(key, now)
	if response.Succeeded {
		return nil
	}
	return gone(response, key, now)
}

// drop is the removal of entries, with the note that it was meant.
func (s *Store) drop(reason discovery.Reason, names ...discovery.Key) []clientv3.Op {
	var ops []clientv3.Op
	for _, key := range names {
		ops = append(ops, clientv3.OpDelete(s.keys.target(key)), clientv3.OpDelete(s.keys.alive(key)))
	}
	if reason == discovery.Removed {
		ops = append(ops, clientv3.OpPut(s.keys.removed(), ""))
	}
	return ops
}
