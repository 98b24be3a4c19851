package exporter_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

type (
	// What a backend does instead of accepting, over HTTP and over gRPC.
	httpAnswer = func(http.ResponseWriter, *http.Request)
	grpcReply  = func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error)
)

// backend records what arrives over HTTP and gRPC and answers as it is told.
type backend struct {
	colmetricpb.UnimplementedMetricsServiceServer
	wires map[exporter.Protocol]*wire // nil on loopback
	urls  map[exporter.Protocol]string

	mu        sync.Mutex
	condition fault
	arrivals  []arrival
	judge     func(arrival) (httpAnswer, grpcReply) // nil accepts
}

// newBackend is reached in memory, by what b.to returns.
func newBackend(tb testing.TB) *backend {
	b := &backend{urls: map[exporter.Protocol]string{
		exporter.ProtocolHTTPProtobuf: "http://backend/v1/metrics", exporter.ProtocolGRPC: "http://backend",
	}}
	b.wires = map[exporter.Protocol]*wire{
		exporter.ProtocolHTTPProtobuf: newWire(b.mode), exporter.ProtocolGRPC: newWire(b.mode),
	}
	b.serve(tb, b.wires[exporter.ProtocolHTTPProtobuf], b.wires[exporter.ProtocolGRPC])
	return b
}

// newLoopback is reached over sockets.
func newLoopback(tb testing.TB) *backend {
	tb.Helper()
	web, rpc := listen(tb), listen(tb)
	b := &backend{urls: map[exporter.Protocol]string{
		exporter.ProtocolHTTPProtobuf: "http://" + web.Addr().String() + "/v1/metrics",
		exporter.ProtocolGRPC:         "http://" + rpc.Addr().String(),
	}}
	b.serve(tb, web, rpc)
	return b
}

func listen(tb testing.TB) net.Listener {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return listener
}

func (b *backend) serve(tb testing.TB, web, rpc net.Listener) {
	quiet := log.New(io.Discard, "", 0)
	h, g := &http.Server{Handler: b, ErrorLog: quiet}, grpc.NewServer()
	colmetricpb.RegisterMetricsServiceServer(g, b)
	var serving sync.WaitGroup
	serving.Go(func() { _ = h.Serve(web) })
	serving.Go(func() { _ = g.Serve(rpc) })
	tb.Cleanup(func() {
		_ = h.Close()
		g.Stop()
		serving.Wait()
	})
}

// to returns cfg with what it takes to reach the backend.
func (b *backend) to(p exporter.Protocol, cfg exporter.PushConfig) exporter.PushConfig {
	cfg.Protocol = p
	p = cmp.Or(p, exporter.ProtocolHTTPProtobuf)
	if cfg.Endpoint == "" {
		cfg.Endpoint = b.urls[p]
	}
	if w := b.wires[p]; w != nil && cfg.Dial == nil {
		cfg.Dial = w.dial
	}
	return cfg
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // to return would be to accept
	}
	met := b.meet(r.Context(), exporter.ProtocolHTTPProtobuf)
	switch met {
	case up, taken:
	case unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	default:
		panic(http.ErrAbortHandler) // also of a hanging request, whose client may still be there
	}
	request := new(colmetricpb.ExportMetricsServiceRequest)
	if err := unmarshal(raw, r.Header.Get("Content-Encoding"), request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer, _ := b.record(arrival{header: r.Header.Clone(), url: r.URL.String(), request: request})
	if met == taken {
		b.wires[exporter.ProtocolHTTPProtobuf].cut()
	}
	if answer != nil {
		answer(w, r)
	}
}

func unmarshal(raw []byte, encoding string, into proto.Message) error {
	if encoding == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return err
		}
		raw, _ = io.ReadAll(z)
	}
	return proto.Unmarshal(raw, into)
}

func (b *backend) Export(ctx context.Context, r *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	met := b.meet(ctx, exporter.ProtocolGRPC)
	switch met {
	case up, taken:
	case unavailable:
		return nil, status.Error(codes.Unavailable, "")
	default:
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	header := http.Header{}
	for key, values := range md {
		header[http.CanonicalHeaderKey(key)] = values
	}
	_, reply := b.record(arrival{header: header, request: r})
	if met == taken {
		b.wires[exporter.ProtocolGRPC].cut()
	}
	if reply != nil {
		return reply(ctx)
	}
	return &colmetricpb.ExportMetricsServiceResponse{}, nil
}

// meet lets a request meet the backend's condition.
func (b *backend) meet(ctx context.Context, p exporter.Protocol) fault {
	mode := b.mode()
	switch mode {
	case hanging, blackholed:
		<-ctx.Done()
	case refused, resetting:
		b.wires[p].cut()
	}
	return mode
}

func (b *backend) mode() fault {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.condition
}

// set changes the backend's condition. One that refuses is a process that is gone.
func (b *backend) set(mode fault) {
	b.mu.Lock()
	b.condition = mode
	b.mu.Unlock()
	if mode == refused {
		for _, w := range b.wires {
			w.cut()
		}
	}
}

func (b *backend) record(a arrival) (answer httpAnswer, reply grpcReply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judge != nil {
		answer, reply = b.judge(a)
	}
	a.accepted = answer == nil && reply == nil
	b.arrivals = append(b.arrivals, a)
	return answer, reply
}

// script answers instead of accepting, until it is set to nil.
func (b *backend) script(answer httpAnswer, reply grpcReply) {
	b.judgeBy(func(arrival) (httpAnswer, grpcReply) { return answer, reply })
}

// limit accepts no request with more data points than that.
func (b *backend) limit(points int) {
	b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
		if a.points() > points {
			return tooLarge()
		}
		return nil, nil
	})
}

func tooLarge() (httpAnswer, grpcReply) {
	return respond(http.StatusRequestEntityTooLarge, "", ""), refuse(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 3)")
}

func (b *backend) judgeBy(judge func(arrival) (httpAnswer, grpcReply)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judge = judge
}

func (b *backend) all() []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]arrival(nil), b.arrivals...)
}
