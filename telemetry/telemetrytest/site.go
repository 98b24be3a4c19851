package telemetrytest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// site is a backend while it is up: two listeners, their servers, and the requests in flight.
type site struct {
	backend            *Backend
	onHTTP, onGRPC     *listener
	httpServer         *http.Server
	grpcServer         *grpc.Server
	down               chan struct{} // closed when going down begins
	servers, httpConns sync.WaitGroup

	mu       sync.Mutex
	leaving  bool
	inFlight sync.WaitGroup
}

func openSite(b *Backend, httpAddr, grpcAddr string) (*site, error) {
	onHTTP, err := listen(httpAddr)
	if err != nil {
		return nil, err
	}
	onGRPC, err := listen(grpcAddr)
	if err != nil {
		return nil, errors.Join(err, onHTTP.Close())
	}
	s := &site{backend: b, onHTTP: onHTTP, onGRPC: onGRPC, down: make(chan struct{})}
	s.httpServer = s.newHTTPServer()
	s.grpcServer = s.newGRPCServer()
	s.servers.Go(s.serveHTTP)
	s.servers.Go(func() { _ = s.grpcServer.Serve(s.onGRPC) })
	return s, nil
}

func (s *site) newHTTPServer() *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           httpFront{s},
		TLSConfig:         s.backend.tls,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				s.httpConns.Add(1)
			case http.StateClosed:
				s.httpConns.Done()
			}
		},
	}
}

func (s *site) newGRPCServer() *grpc.Server {
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(s.backend.options.bodyLimit()),
		grpc.WaitForHandlers(true),
		grpc.StatsHandler(wireStats{}),
	}
	if s.backend.tls != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(s.backend.tls)))
	}
	server := grpc.NewServer(opts...)
	colmetricpb.RegisterMetricsServiceServer(server, &grpcFront{site: s})
	return server
}

func (s *site) serveHTTP() {
	if s.backend.tls != nil {
		_ = s.httpServer.ServeTLS(s.onHTTP, "", "")
		return
	}
	_ = s.httpServer.Serve(s.onHTTP)
}

func (s *site) httpAddr() string { return s.onHTTP.Addr().String() }
func (s *site) grpcAddr() string { return s.onGRPC.Addr().String() }

// arrive is the way in for a request of either protocol. It is false when the backend is going down:
// then nothing was recorded. Otherwise the caller calls leave when it has answered.
func (s *site) arrive(r Request, refusal Answer) (Answer, bool) {
	s.mu.Lock()
	if s.leaving {
		s.mu.Unlock()
		return Answer{}, false
	}
	s.inFlight.Add(1)
	s.mu.Unlock()
	r.Received = time.Now()
	return s.backend.journal.enter(r, refusal), true
}

func (s *site) leave() { s.inFlight.Done() }

// close refuses what comes, lets what was recorded be answered, and waits until nothing is left.
func (s *site) close() {
	s.mu.Lock()
	s.leaving = true
	s.mu.Unlock()
	close(s.down)
	_ = s.onHTTP.Close()
	_ = s.onGRPC.Close()
	s.inFlight.Wait()
	s.closeGRPC()
	_ = s.httpServer.Close()
	s.servers.Wait()
	s.httpConns.Wait()
}

// closeGRPC gives the answers on their way a moment to be written, which only GracefulStop waits for.
func (s *site) closeGRPC() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var graceful sync.WaitGroup
	graceful.Go(func() {
		defer cancel()
		s.grpcServer.GracefulStop()
	})
	<-ctx.Done()
	s.grpcServer.Stop()
	graceful.Wait()
}

// authorized says whether header carries the token the backend asks for.
func (b *Backend) authorized(header http.Header) bool {
	return b.options.bearer == "" || header.Get("Authorization") == "Bearer "+b.options.bearer
}

// unauthorized refuses what is not authorized; it is the zero Answer for what is.
func (b *Backend) unauthorized(header http.Header) Answer {
	if b.authorized(header) {
		return Answer{}
	}
	return Status(http.StatusUnauthorized).WithMessage("authorization: not the bearer token this backend asks for")
}

// tooBig refuses a message over the backend's limit.
func (b *Backend) tooBig() Answer {
	return TooLarge().WithMessage(fmt.Sprintf("at most %d bytes", b.options.bodyLimit()))
}
