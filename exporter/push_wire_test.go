package exporter_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"google.golang.org/grpc/test/bufconn"
)

// fault is what an outage looks like from outside.
type fault int

const (
	up          fault = iota
	refused           // nothing listens
	blackholed        // connections are never established
	hanging           // requests get no answer
	unavailable       // 503, UNAVAILABLE
	resetting         // requests end the connection
	faults
	taken // requests are taken, and then end the connection
)

// wire is a listener and its dialer in memory, so that the clock of a synctest bubble rules.
type wire struct {
	*bufconn.Listener
	mode func() fault

	mu    sync.Mutex
	conns []net.Conn
}

func newWire(mode func() fault) *wire {
	return &wire{Listener: bufconn.Listen(64 << 10), mode: mode}
}

// dial is what a Push calls. It fails the way the mode says.
func (w *wire) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var err error
	switch w.mode() {
	case refused:
		err = syscall.ECONNREFUSED
	case blackholed:
		<-ctx.Done()
		err = context.Cause(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded // as a real dialer
		}
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	conn, err := w.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conn)
	return link{conn}, nil
}

// Accept also remembers the connection for cut.
func (w *wire) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, conn)
	return conn, nil
}

// cut ends every connection, as a process that dies does.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, conn := range w.conns {
		_ = conn.Close() // in memory, where closing cannot fail
	}
	w.conns = nil
}

// link is a client's connection, with the errors of a real one.
type link struct{ net.Conn }

func (l link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	return n, reset("read", syscall.ECONNRESET, err)
}

func (l link) Write(p []byte) (int, error) {
	n, err := l.Conn.Write(p)
	return n, reset("write", syscall.EPIPE, err)
}

func reset(op string, cause, err error) error {
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.EOF) {
		return &net.OpError{Op: op, Net: "tcp", Err: cause}
	}
	return err
}
