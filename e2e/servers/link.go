package servers

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Link is a network between a client and a server that can be partitioned: connections stay open, new ones are taken, and nothing passes.
type Link struct {
	// Address is where clients connect to.
	Address string

	mu     sync.Mutex
	open   chan struct{} // closed while bytes pass
	ending chan struct{}
	conns  sync.WaitGroup
}

// StartLink returns a link to the server at address, which ends with the test.
func StartLink(tb testing.TB, address string) *Link {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	l := &Link{Address: listener.Addr().String(), open: make(chan struct{}), ending: make(chan struct{})}
	close(l.open)
	l.conns.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			l.conns.Go(func() { l.carry(client, address) })
		}
	})
	tb.Cleanup(func() {
		close(l.ending)
		_ = listener.Close()
		l.conns.Wait()
	})
	return l
}

// Partition lets nothing pass any more.
func (l *Link) Partition() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = make(chan struct{})
}

// Heal lets pass what waits, and everything after it.
func (l *Link) Heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.open)
}

// passable waits until bytes pass, and reports whether they ever will.
func (l *Link) passable() bool {
	l.mu.Lock()
	open := l.open
	l.mu.Unlock()
	select {
	case <-open:
		return true
	case <-l.ending:
		return false
	}
}

func (l *Link) carry(client net.Conn, address string) {
	defer client.Close()
	if !l.passable() {
		return
	}
	server, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, way := range []struct{ to, from net.Conn }{{server, client}, {client, server}} {
		l.conns.Go(func() {
			l.copy(way.to, way.from)
			done <- struct{}{}
		})
	}
	select {
	case <-done:
	case <-l.ending:
	}
}

func (l *Link) copy(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !l.passable() {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
