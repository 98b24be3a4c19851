package service

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// weather is what the network between the service and its backend does.
type weather struct {
	fault string // "", refused, partition, slow, reset-out, reset-in
	bytes int    // a second of slow, or until a reset
}

// network is a listener in memory and the connections to it.
type network struct {
	*bufconn.Listener
	mu    sync.Mutex
	now   weather
	conns map[*conn]struct{}
}

func newNetwork() *network {
	return &network{Listener: bufconn.Listen(256 << 10), conns: map[*conn]struct{}{}}
}

// set changes the weather. A partition forgets the connections there are: they stay open and nothing passes any more, as when a
// firewall lost its state. What is refused is a process that is gone, with its connections.
func (n *network) set(w weather) {
	n.mu.Lock()
	n.now = w
	var open []*conn
	for c := range n.conns {
		open = append(open, c)
	}
	n.mu.Unlock()
	for _, c := range open {
		c.weathered(w)
		if w.fault == "refused" {
			c.cut()
		}
	}
}

// cut ends every connection at once.
func (n *network) cut() {
	n.mu.Lock()
	var open []*conn
	for c := range n.conns {
		open = append(open, c)
	}
	n.mu.Unlock()
	for _, c := range open {
		c.cut()
	}
}

// open returns how many connections there are.
func (n *network) open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.conns)
}

func (n *network) dial(ctx context.Context) (net.Conn, error) {
	n.mu.Lock()
	w := n.now
	n.mu.Unlock()
	var err error
	switch w.fault {
	case "refused":
		err = syscall.ECONNREFUSED
	case "partition":
		<-ctx.Done()
		err = context.Cause(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded // as a real dialer
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	inner, err := n.DialContext(ctx)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: err}
	}
	c := &conn{Conn: inner, network: n, closed: make(chan struct{})}
	c.weathered(w)
	n.mu.Lock()
	n.conns[c] = struct{}{}
	n.mu.Unlock()
	return c, nil
}

// conn is the client's end of a connection.
type conn struct {
	net.Conn
	network *network
	closing sync.Once
	closed  chan struct{}

	mu      sync.Mutex
	weather weather
	dead    bool // a partition forgot it
}

func (c *conn) weathered(w weather) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.weather = w
	if w.fault == "partition" {
		c.dead = true
	}
}

// spend lets n bytes pass in a direction, and reports whether the connection is dead, and how many pass before it is reset.
func (c *conn) spend(direction string, n int) (dead, reset bool, passed int, wait time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.dead:
		return true, false, 0, 0
	case c.weather.fault == direction:
		if c.weather.bytes <= n {
			return false, true, max(0, c.weather.bytes), 0
		}
		c.weather.bytes -= n
	case c.weather.fault == "slow":
		wait = time.Duration(n) * time.Second / time.Duration(c.weather.bytes)
	}
	return false, false, n, wait
}

func (c *conn) Write(p []byte) (int, error) {
	dead, reset, passed, wait := c.spend("reset-out", len(p))
	if dead {
		return len(p), nil // into a buffer that nobody empties
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.closed:
			return 0, net.ErrClosed
		}
	}
	if reset {
		_, _ = c.Conn.Write(p[:passed])
		c.cut()
		return passed, &net.OpError{Op: "write", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return c.Conn.Write(p)
}

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		dead, reset, _, _ := c.spend("reset-in", n)
		if reset && n > 0 {
			c.cut()
			return 0, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
		}
		if !dead || err != nil {
			return n, err
		}
	}
}

// cut ends the connection as a reset does.
func (c *conn) cut() { _ = c.Close() }

func (c *conn) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		c.network.mu.Lock()
		delete(c.network.conns, c)
		c.network.mu.Unlock()
	})
	return c.Conn.Close()
}

// forecast draws a weather of the given fault.
func forecast(rng *rand.Rand, fault string) weather {
	w := weather{fault: fault, bytes: 1 + rng.IntN(4000)}
	if fault == "slow" {
		w.bytes = 2 + rng.IntN(500)
	}
	return w
}
