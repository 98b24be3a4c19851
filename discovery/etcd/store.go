package etcd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"

	"github.com/duotel/duotel/discovery"
)

// Store is a [discovery.Store] in etcd. It is safe for concurrent use. Make one with [New] or [Open], and end it with
// [Store.Close] after the registries that use it.
type Store struct {
	cfg  Config
	keys keys

	dialing chan struct{} // holds a token while somebody makes the client
	client  *clientv3.Client

	handshake failure
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

// Open is the function Open with cfg, in the form that telemetry.WithDiscoveryStore takes: a process that lists itself straight in etcd has
//
//	telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open)
//
// Credentials and TLS come with at, from the process's variables, or are in cfg; what is in both is an error. It does not connect, so ctx is
// not used.
func (cfg Config) Open(_ context.Context, at discovery.StoreConfig) (discovery.Store, error) {
	if at.TLS != nil {
		if cfg.TLS != nil {
			return nil, errors.New("etcd: TLS: is given in Config and by the process's variables; one of them")
		}
		cfg.TLS = at.TLS
	}
	if at.Username != "" {
		if cfg.Username != "" {
			return nil, fmt.Errorf("etcd: Username=%q: is given in Config beside that of the process's variables; one of them", cfg.Username)
		}
		cfg.Username, cfg.Password = at.Username, at.Password
	}
	s, err := Open(at.URL, cfg)
	if err != nil {
		return nil, err
	}
	return s, nil
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
	// gRPC would wait up to two minutes between two attempts, longer than a lease lives.
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           grpcbackoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: s.longestWait()},
		MinConnectTimeout: s.cfg.DialTimeout,
	})}
	if s.cfg.TLS != nil {
		options = append(options, grpc.WithTransportCredentials(handshakes{credentials.NewTLS(s.cfg.TLS), &s.handshake}))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: s.cfg.Endpoints, TLS: s.cfg.TLS, Username: s.cfg.Username, Password: s.cfg.Password.Reveal(),
		DialTimeout: s.cfg.DialTimeout, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: s.cfg.DialTimeout,
		Logger:      zap.NewNop(), // what matters is an error of a call, which we report
		DialOptions: options,
	})
	if err != nil {
		return nil, s.because(fmt.Errorf("etcd: connect: %w", err))
	}
	s.client = client
	return client, nil
}
