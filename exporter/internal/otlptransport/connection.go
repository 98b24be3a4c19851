package otlptransport

import (
	"context"
	"crypto/tls"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
)

// connection is a gRPC connection that is made anew once it has failed, and when its TLS configuration is another than
// before. grpc-go keeps one that cannot connect: it answers with the failure it remembers while it tries in the background, at times of its
// own, and resolves names twice a minute at most. It also keeps one on which nothing comes back any more, as when a firewall has forgotten
// it: every request would run out of time until the operating system gives up, a quarter of an hour later. When to try is
// decided above, and a request after the backend came back has to reach it.
type connection struct {
	config func() *tls.Config
	open   func(*tls.Config) (*grpc.ClientConn, error)

	mu     sync.Mutex
	tls    *tls.Config // of conn
	conn   *grpc.ClientConn
	calls  int // under way
	closed bool

	closing sync.WaitGroup // of connections that have been replaced
}

func newConnection(config func() *tls.Config, open func(*tls.Config) (*grpc.ClientConn, error)) (*connection, error) {
	current := config()
	conn, err := open(current)
	if err != nil {
		return nil, err
	}
	return &connection{config: config, open: open, tls: current, conn: conn}, nil
}

// invoke is [grpc.ClientConn.Invoke].
func (c *connection) invoke(ctx context.Context, method string, req, reply any, options []grpc.CallOption) error {
	conn := c.begin(c.config())
	err := conn.Invoke(ctx, method, req, reply, options...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	if err != nil && c.calls == 0 && !c.closed {
		c.giveUp(err)
	}
	return err
}

// begin returns the connection for a call that has config. One that other calls are on is not closed under them: the
// next call sees to it.
func (c *connection) begin(config *tls.Config) *grpc.ClientConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	if config != c.tls && c.calls == 0 && !c.closed {
		c.renew(config)
	}
	c.calls++
	return c.conn
}

// giveUp makes a connection anew that is not established, or on which a request ran out of time.
func (c *connection) giveUp(err error) {
	state := c.conn.GetState()
	if state == connectivity.Connecting || state == connectivity.TransientFailure || status.Code(err) == codes.DeadlineExceeded {
		c.renew(c.tls)
	}
}

func (c *connection) renew(config *tls.Config) {
	fresh, err := c.open(config)
	if err != nil {
		return // it was possible before; the old one still works, if more slowly
	}
	old := c.conn
	c.closing.Go(func() { _ = old.Close() }) // it says goodbye, and waits up to 5 s where nobody reads that
	c.tls, c.conn = config, fresh
}

// close ends the connection, and waits for those that it has replaced.
func (c *connection) close() {
	c.mu.Lock()
	c.closed = true
	conn := c.conn
	c.mu.Unlock()
	_ = conn.Close() // a second Close is all that can fail
	c.closing.Wait()
}
