package telemetrytest

import (
	"context"
	"net/http"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // registers the compressor clients may use
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

// grpcFront is the gRPC side of a site.
type grpcFront struct {
	colmetricpb.UnimplementedMetricsServiceServer
	site *site
}

// Export records a request and answers it.
func (f *grpcFront) Export(ctx context.Context, m *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	req := newGRPCRequest(ctx, m)
	answer, ok := f.site.arrive(req, f.site.backend.unauthorized(req.Header))
	if !ok {
		return nil, status.Error(codes.Unavailable, "the backend is going down")
	}
	defer f.site.leave()
	answer.wait(ctx.Done(), f.site.down)
	if answer.effect != respond {
		f.breakOff(ctx, answer.effect)
		return nil, status.Error(codes.Unavailable, "no answer")
	}
	if err := answer.err(); err != nil {
		return nil, err
	}
	return answer.success(), nil
}

// breakOff ends a request without an answer.
func (f *grpcFront) breakOff(ctx context.Context, how effect) {
	if how == hang {
		select {
		case <-ctx.Done():
			return
		case <-f.site.down:
		}
	}
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	f.site.onGRPC.connections.reset(p.Addr.String())
	// Returning earlier would race a status onto the connection that is being reset.
	select {
	case <-ctx.Done():
	case <-f.site.down:
	}
}

func newGRPCRequest(ctx context.Context, m *colmetricpb.ExportMetricsServiceRequest) Request {
	header := http.Header{}
	md, _ := metadata.FromIncomingContext(ctx)
	for k, values := range md {
		for _, v := range values {
			header.Add(k, v)
		}
	}
	path, _ := grpc.Method(ctx)
	req := Request{
		Protocol: exporter.ProtocolGRPC,
		Path:     path,
		Header:   header,
		Bytes:    proto.Size(m),
		Points:   countPoints(m),
		Message:  m,
	}
	if w, ok := ctx.Value(wireKey{}).(*wire); ok {
		req.Encoding, req.WireBytes = w.encoding, w.bytes
	}
	return req
}

// wireKey finds the wire of a call in its context.
type wireKey struct{}

// wire is what gRPC tells only to a stats handler. It is complete before the method is called.
type wire struct {
	encoding string
	bytes    int
}

// wireStats collects a wire per call.
type wireStats struct{}

// TagRPC gives the call a wire.
func (wireStats) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, wireKey{}, &wire{})
}

// HandleRPC fills the call's wire.
func (wireStats) HandleRPC(ctx context.Context, s stats.RPCStats) {
	w, ok := ctx.Value(wireKey{}).(*wire)
	if !ok {
		return
	}
	switch s := s.(type) {
	case *stats.InHeader:
		w.encoding = s.Compression
	case *stats.InPayload:
		w.bytes = s.CompressedLength
	}
}

// TagConn does nothing.
func (wireStats) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (wireStats) HandleConn(context.Context, stats.ConnStats) {}
