package otlptransport

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// connection is a gRPC connection that is made anew once it has failed. grpc-go keeps one that cannot
// connect: it answers with the failure it remembers while it tries in the background, at times of its
// own, and resolves names twice a minute at most. When to try is decided above, and a request after
// the backend came back has to reach it.
type connection struct {
	target  string
	options []grpc.DialOption

	mu     sync.Mutex
	conn   *grpc.ClientConn
	calls  int // under way
	closed bool
}

func newConnection(target string, options []grpc.DialOption) (*connection, error) {
	conn, err := grpc.NewClient(target, options...)
	if err != nil {
		return nil, err
	}
	return &connection{target: target, options: options, conn: conn}, nil
}

// invoke is [grpc.ClientConn.Invoke].
func (c *connection) invoke(ctx context.Context, method string, req, reply any, options []grpc.CallOption) error {
	c.mu.Lock()
	conn := c.conn
	c.calls++
	c.mu.Unlock()
	err := conn.Invoke(ctx, method, req, reply, options...)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	if err != nil && c.calls == 0 && !c.closed {
		c.renew()
	}
	return err
}

// renew gives up a connection that is not established.
func (c *connection) renew() {
	switch c.conn.GetState() {
	case connectivity.Connecting, connectivity.TransientFailure:
	default:
		return
	}
	fresh, err := grpc.NewClient(c.target, c.options...)
	if err != nil {
		return // it was possible before; the old one still works, if more slowly
	}
	_ = c.conn.Close() // a second Close is all that can fail
	c.conn = fresh
}

func (c *connection) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	_ = c.conn.Close() // a second Close is all that can fail
}
