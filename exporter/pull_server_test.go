package exporter_test

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// oneConn is a listener that accepts one connection, whose ends hold nothing that is not read.
type oneConn struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *oneConn) Accept() (net.Conn, error) {
	conn, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (l *oneConn) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// connect serves handler to one client until the test ends, and returns the client's end.
func connect(t *testing.T, handler http.Handler) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	l, s, served := &oneConn{conns: make(chan net.Conn, 1)}, &http.Server{Handler: handler}, make(chan struct{})
	l.conns <- server
	go func() { defer close(served); _ = s.Serve(l) }()
	t.Cleanup(func() {
		_, _ = client.Close(), s.Close()
		<-served
	})
	return client
}

// TestStalledConnectionIsCutOff has a client that asks and never reads: its slot comes back after the time
// of a scrape and that of reading the answer, both by a bubble's clock.
func TestStalledConnectionIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newPull(t, func(c *exporter.PullConfig) {
			c.MaxInFlight = 1
			c.Timeout = 2 * time.Second
			c.WriteGrace = 3 * time.Second
		})
		c := must(r.meter.Int64Counter("jobs"))
		for i := range 100 { // more than the server holds back
			c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", strconv.Itoa(i)+strings.Repeat("x", 1000))))
		}
		conn := connect(t, r)
		if _, err := conn.Write([]byte("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5*time.Second - time.Nanosecond)
		synctest.Wait()
		if got := r.get(http.MethodGet).Code; got != http.StatusServiceUnavailable {
			t.Errorf("while the slot is held, a scrape is answered %d, want 503", got)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := r.get(http.MethodGet).Code; got != http.StatusOK {
			t.Errorf("afterwards a scrape is answered %d, want 200", got)
		}
		if n := r.Stats().Scrapes["client"]; n != 1 {
			t.Errorf("the scrapes were %v, want one that the client did not read", r.Stats().Scrapes)
		}
	})
}
