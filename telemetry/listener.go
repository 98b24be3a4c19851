package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The defaults of the OpenTelemetry specification's Prometheus exporter.
const (
	defaultListenerHost = "localhost"
	defaultListenerPort = 9464
)

// A listener serves the pull exit and the health of the process on a port of their own. It owns one
// goroutine, for which shutdown waits.
type listener struct {
	net    net.Listener
	server *http.Server
	silent *silentConns
	done   chan struct{}
}

// silentConns are the connections on which no request has begun. A server's Shutdown takes them for busy during their first
// five seconds, which is the whole deadline of many a caller.
type silentConns struct {
	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	closing bool
}

// track is the server's ConnState. A connection is active from when the whole header of a request was read.
func (s *silentConns) track(conn net.Conn, state http.ConnState) {
	if state == http.StateNew && !s.add(conn) {
		_ = conn.Close()
	}
	if state != http.StateNew {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, conn)
	}
}

// add reports whether conn may stay.
func (s *silentConns) add(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.conns[conn] = struct{}{}
	}
	return !s.closing
}

// close closes them, and every one that is accepted later. A TLS connection may write when it is closed, so no lock is held.
func (s *silentConns) close() {
	s.mu.Lock()
	s.closing = true
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

// openListener binds the address of cfg and serves from it. A nil handler leaves /metrics out. ready
// says, when it returns an error, why the process is not ready.
func openListener(cfg ListenerConfig, handler http.Handler, ready func() error, logger *slog.Logger) (*listener, error) {
	if problems := cfg.check(); len(problems) > 0 {
		return nil, joinProblems("listener", problems)
	}
	address := cfg.address()
	bound, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listener: OTEL_EXPORTER_PROMETHEUS_PORT=%q: cannot listen on %s: %w; a free port, or none for no listener",
			strconv.Itoa(cmp.Or(cfg.Port, defaultListenerPort)), address, err)
	}
	l := &listener{
		net: bound, server: newListenerServer(listenerMux(handler, ready), logger),
		silent: &silentConns{conns: make(map[net.Conn]struct{})}, done: make(chan struct{}),
	}
	l.server.ConnState = l.silent.track
	go func() {
		defer close(l.done)
		if err := serve(bound, l.server, cfg.WebConfigFile, logger); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("telemetry: the listener stopped", "address", bound.Addr().String(), "error", err)
		}
	}()
	return l, nil
}

// address is where to listen; a negative port is a free one.
func (c ListenerConfig) address() string {
	port := max(cmp.Or(c.Port, defaultListenerPort), 0)
	return net.JoinHostPort(c.host(), strconv.Itoa(port))
}

func (c ListenerConfig) host() string { return cmp.Or(c.Host, defaultListenerHost) }

// newListenerServer has a limit for everything a client could hold on to.
func newListenerServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

func listenerMux(handler http.Handler, ready func() error) http.Handler {
	mux := http.NewServeMux()
	if handler != nil {
		mux.Handle("/metrics", handler)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
			return
		}
		answer(w, http.StatusOK, "ok")
	})
	return mux
}

func answer(w http.ResponseWriter, status int, sentence string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, sentence+"\n")
}

// addr returns the address that is listened on.
func (l *listener) addr() string { return l.net.Addr().String() }

// shutdown lets requests under way finish until ctx ends, then closes their connections. It waits for
// the listener's goroutine, and may be called again.
func (l *listener) shutdown(ctx context.Context) error {
	l.silent.close()
	err := l.server.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("listener: requests were cut off: %w", errors.Join(err, l.server.Close()))
	}
	_ = l.net.Close() // for a Serve that had not begun yet
	<-l.done
	return err
}
