package exporter_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

// arrival is one request as a backend saw it.
type arrival struct {
	header  http.Header
	url     string
	request *colmetricpb.ExportMetricsServiceRequest
}

// backend records what arrives over HTTP and gRPC and answers as it is told.
type backend struct {
	colmetricpb.UnimplementedMetricsServiceServer
	http, grpc string

	mu       sync.Mutex
	arrivals []arrival
	answer   func(w http.ResponseWriter, r *http.Request)
	reply    func(ctx context.Context) (*colmetricpb.ExportMetricsServiceResponse, error)
}

func newBackend(tb testing.TB) *backend {
	tb.Helper()
	b := &backend{}
	server := httptest.NewServer(b)
	tb.Cleanup(server.Close)
	b.http = server.URL
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	rpc := grpc.NewServer()
	colmetricpb.RegisterMetricsServiceServer(rpc, b)
	served := make(chan struct{})
	go func() { defer close(served); _ = rpc.Serve(listener) }()
	tb.Cleanup(func() { rpc.Stop(); <-served })
	b.grpc = listener.Addr().String()
	return b
}

func (b *backend) endpoint(p exporter.Protocol) string {
	if p == exporter.ProtocolGRPC {
		return "http://" + b.grpc
	}
	return b.http + "/v1/metrics"
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		raw, _ = io.ReadAll(z)
	}
	request := new(colmetricpb.ExportMetricsServiceRequest)
	if err := proto.Unmarshal(raw, request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	header := r.Header.Clone()
	answer, _ := b.record(arrival{header, r.URL.String(), request})
	if answer != nil {
		answer(w, r)
	}
}

func (b *backend) Export(ctx context.Context, r *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	header := http.Header{}
	for key, values := range md {
		header[http.CanonicalHeaderKey(key)] = values
	}
	_, reply := b.record(arrival{header: header, request: r})
	if reply != nil {
		return reply(ctx)
	}
	return &colmetricpb.ExportMetricsServiceResponse{}, nil
}

func (b *backend) record(a arrival) (func(http.ResponseWriter, *http.Request), func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrivals = append(b.arrivals, a)
	return b.answer, b.reply
}

func (b *backend) script(answer func(http.ResponseWriter, *http.Request), reply func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer, b.reply = answer, reply
}

func (b *backend) all() []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]arrival(nil), b.arrivals...)
}

// metric returns the latest metric of that name which arrived.
func (b *backend) metric(name string) *metricspb.Metric {
	all := b.all()
	for i := len(all) - 1; i >= 0; i-- {
		for _, rm := range all[i].request.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, m := range sm.GetMetrics() {
					if m.GetName() == name {
						return m
					}
				}
			}
		}
	}
	return nil
}

// produce is a producer made of a function.
type produce func(context.Context) ([]metricdata.ScopeMetrics, error)

func (p produce) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) { return p(ctx) }

// gauge produces one gauge.
func gauge(name string, value int64) sdkmetric.Producer {
	return produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
		points := []metricdata.DataPoint[int64]{{Time: time.Now(), Value: value}}
		m := metricdata.Metrics{Name: name, Data: metricdata.Gauge[int64]{DataPoints: points}}
		return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{m}}}, nil
	})
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(part string) int { return strings.Count(l.String(), part) }

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// newPush starts a push that only pushes when told to.
func newPush(tb testing.TB, cfg exporter.PushConfig) (*exporter.Push, *lines) {
	tb.Helper()
	log := new(lines)
	if cfg.Logger == nil {
		cfg.Logger = log.logger()
	}
	if cfg.Interval == 0 {
		cfg.Interval = 10000 * time.Hour
	}
	if cfg.Producers == nil {
		cfg.Producers = []sdkmetric.Producer{gauge("g", 1)}
	}
	p, err := exporter.NewPush(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = p.Shutdown(ctx)
	})
	return p, log
}

var protocols = []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC}
