package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc/credentials"
)

// handshakes remembers why the latest TLS handshake failed. Requests wait for a connection until their time is over and say only that, and
// whoever reads "deadline exceeded" does not look at certificates.
type handshakes struct {
	credentials.TransportCredentials
	failed *failure
}

// failure is the latest error, nil after a success.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// ClientHandshake implements [credentials.TransportCredentials].
func (h handshakes) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if !errors.Is(err, context.Canceled) {
		h.failed.set(err)
	}
	return conn, info, err
}

// Clone implements [credentials.TransportCredentials].
func (h handshakes) Clone() credentials.TransportCredentials {
	return handshakes{h.TransportCredentials.Clone(), h.failed}
}

// because adds to the error of a request why there is no connection, where that is known.
func (s *Store) because(err error) error {
	if failed := s.handshake.get(); failed != nil {
		return fmt.Errorf("%w; the latest connection failed: %w", err, failed)
	}
	return err
}
