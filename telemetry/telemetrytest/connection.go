package telemetrytest

import (
	"net"
	"sync"
)

// connections knows the open connections of a listener by the client's address, so that one can be
// reset from inside the handler of any protocol.
type connections struct {
	mu   sync.Mutex
	open map[string]net.Conn
}

// reset closes the connection from remote with an RST instead of a FIN.
func (c *connections) reset(remote string) {
	c.mu.Lock()
	conn := c.open[remote]
	c.mu.Unlock()
	if conn == nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// listener notes what it accepts in connections.
type listener struct {
	net.Listener
	connections *connections
}

func listen(addr string) (*listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &listener{Listener: l, connections: &connections{open: map[string]net.Conn{}}}, nil
}

// Accept waits for the next connection.
func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := l.connections
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn.RemoteAddr().String()] = conn
	return &connection{Conn: conn, connections: c}, nil
}

// connection forgets itself when it is closed.
type connection struct {
	net.Conn
	connections *connections
}

// Close closes the connection.
func (c *connection) Close() error {
	remote := c.RemoteAddr().String()
	c.connections.mu.Lock()
	if c.connections.open[remote] == c.Conn {
		delete(c.connections.open, remote)
	}
	c.connections.mu.Unlock()
	return c.Conn.Close()
}
