package otlptransport

import (
	"context"
	"crypto/tls"
	"fmt"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// NewGRPC returns a client that calls OTLP's MetricsService. No connection is made before the first
// request.
func NewGRPC(cfg Config) (Client, error) {
	c := &grpcClient{cfg: cfg}
	way, err := newRoute(cfg)
	if err != nil {
		return nil, fmt.Errorf("otlp over grpc: %w", err)
	}
	conn, err := newConnection(cfg.TLS, func(config *tls.Config) (*grpc.ClientConn, error) {
		return grpc.NewClient(way.target, c.dialOptions(way, config)...)
	})
	if err != nil {
		return nil, fmt.Errorf("otlp over grpc: %w", err)
	}
	// The upstream exporter's own connection is never made: its calls end in c.intercept.
	front, err := grpc.NewClient("passthrough:///unused",
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy(), grpc.WithUnaryInterceptor(c.intercept))
	if err != nil {
		conn.close()
		return nil, fmt.Errorf("otlp over grpc: %w", err)
	}
	up, err := otlpmetricgrpc.New(context.Background(),
		otlpmetricgrpc.WithGRPCConn(front), // takes the place of endpoint, security, compression and dialing
		otlpmetricgrpc.WithHeaders(map[string]string{}),
		otlpmetricgrpc.WithTimeout(cfg.Timeout),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{Enabled: false}),
		otlpmetricgrpc.WithMaxRequestSize(0),
		otlpmetricgrpc.WithTemporalitySelector(sdkmetric.CumulativeTemporalitySelector),
		otlpmetricgrpc.WithAggregationSelector(sdkmetric.DefaultAggregationSelector),
	)
	c.conn, c.front, c.up = conn, front, up
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("otlp over grpc: %w", err)
	}
	return c, nil
}

type grpcClient struct {
	cfg   Config
	conn  *connection
	front *grpc.ClientConn
	up    uploader
}

func (c *grpcClient) dialOptions(way route, config *tls.Config) []grpc.DialOption {
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(c.credentials(config)),
		grpc.WithUserAgent(c.cfg.UserAgent),
		grpc.WithNoProxy(), // grpc-go would ask the environment; the proxy is way's
		grpc.WithResolvers(addressList("ipv4"), addressList("ipv6")),
		grpc.WithStatsHandler(callObserver{}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 5 * time.Second},
			MinConnectTimeout: c.cfg.Timeout,
		}),
	}
	if c.cfg.URL.Scheme != "xds" { // which says by a service config where to connect to; DNS could set retries by one
		options = append(options, grpc.WithDisableServiceConfig())
	}
	if c.cfg.Gzip {
		options = append(options, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	}
	if way.dial != nil {
		options = append(options, grpc.WithContextDialer(way.dial))
	}
	return options
}

func (c *grpcClient) credentials(config *tls.Config) credentials.TransportCredentials {
	if c.cfg.Plaintext {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(config.Clone())
}

func (c *grpcClient) Send(ctx context.Context, metrics *metricdata.ResourceMetrics) otlpanswer.Answer {
	return send(ctx, c.up, metrics)
}

func (c *grpcClient) Encode(ctx context.Context, metrics *metricdata.ResourceMetrics) ([]byte, error) {
	return encode(ctx, c.up, metrics)
}

func (c *grpcClient) Replay(ctx context.Context, request []byte) otlpanswer.Answer {
	message := new(colmetricpb.ExportMetricsServiceRequest)
	if err := proto.Unmarshal(request, message); err != nil {
		return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: otlpanswer.FirstLine([]byte(err.Error()))}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	sent := new(call)
	_, err := colmetricpb.NewMetricsServiceClient(c.front).Export(withCall(ctx, sent), message)
	if !sent.done {
		return unsent(ctx, err)
	}
	return sent.answer
}

func (c *grpcClient) Close() {
	c.conn.close()
	_ = c.front.Close() // a second Close is all that can fail
}

// intercept stands between the upstream exporter and the connection.
func (c *grpcClient) intercept(ctx context.Context, method string, req, reply any,
	_ *grpc.ClientConn, _ grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	sent := callFrom(ctx)
	if sent.encode {
		body, err := proto.Marshal(req.(proto.Message))
		sent.body, sent.done = body, true
		return err
	}
	sent.answer = c.invoke(ctx, sent, method, req, reply, options)
	sent.done = true
	return nil
}

func (c *grpcClient) invoke(ctx context.Context, sent *call, method string, req, reply any, options []grpc.CallOption) otlpanswer.Answer {
	size := int64(proto.Size(req.(proto.Message)))
	if a, over := tooLarge(size, c.cfg.MaxRequestBytes); over {
		return a
	}
	err := c.conn.invoke(metadata.NewOutgoingContext(ctx, metadata.New(c.cfg.Headers())), method, req, reply, options)
	response, _ := reply.(*colmetricpb.ExportMetricsServiceResponse)
	a := otlpanswer.FromGRPC(response, err, c.cfg.secrets()...)
	switch {
	case a.Reason == otlpanswer.TooLarge && sent.header.Load():
		// The same code and text as a backend's own limit, which grpc-go made of an answer that is too large for it. A backend
		// that finds a request too large has not begun to answer: its status comes alone, without a header before it.
		a = otlpanswer.Unread(err)
	case ctx.Err() == nil:
		a = a.Elsewhere()
	}
	a.Bytes = sent.answer.Bytes
	a.Ambiguous = a.Ambiguous && a.Bytes > 0 // otherwise there was no connection to send it on
	return a
}

// callObserver notes the size of a request as it went out, and what came of the answer.
type callObserver struct{}

func (callObserver) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (callObserver) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (callObserver) HandleConn(context.Context, stats.ConnStats)                       {}

func (callObserver) HandleRPC(ctx context.Context, event stats.RPCStats) {
	sent := callFrom(ctx)
	if sent == nil {
		return
	}
	switch e := event.(type) {
	case *stats.OutPayload:
		sent.answer.Bytes = int64(e.WireLength)
	case *stats.InHeader:
		sent.header.Store(true)
	}
}

func byteCount(n int64) string { return strconv.FormatInt(n, 10) + " bytes" }
