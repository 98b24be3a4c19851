package otlptransport_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"

	"github.com/duotel/duotel/exporter/internal/otlptransport"
)

// forgetful dials connections on which nothing passes any more, in either direction, once they are forgotten: what a firewall or a
// load balancer does that lost its state.
type forgetful struct {
	mu    sync.Mutex
	conns []*forgettable
}

type forgettable struct {
	net.Conn
	forgotten atomic.Bool
}

func (f *forgetful) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	out := &forgettable{Conn: c}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, out)
	return out, nil
}

// forget forgets the connections there are, and returns how many have been made.
func (f *forgetful) forget() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.forgotten.Store(true)
	}
	return len(f.conns)
}

func (c *forgettable) Write(p []byte) (int, error) {
	if c.forgotten.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func (c *forgettable) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || !c.forgotten.Load() {
			return n, err
		}
	}
}

type accepting struct {
	colmetricpb.UnimplementedMetricsServiceServer
}

func (accepting) Export(context.Context, *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	return new(colmetricpb.ExportMetricsServiceResponse), nil
}

// One request may run out of time on a connection that was forgotten. The next goes over a new one, in every protocol.
func TestAForgottenConnectionCostsOneRequest(t *testing.T) {
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	plain := httptest.NewServer(web.Config.Handler)
	t.Cleanup(plain.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rpc := grpc.NewServer()
	colmetricpb.RegisterMetricsServiceServer(rpc, accepting{})
	served := make(chan struct{})
	go func() { defer close(served); _ = rpc.Serve(listener) }()
	t.Cleanup(func() { rpc.Stop(); <-served })

	trusting := &tls.Config{RootCAs: web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	for name, tt := range map[string]struct {
		url  string
		open func(otlptransport.Config) (otlptransport.Client, error)
	}{
		"HTTP/1.1": {plain.URL, otlptransport.NewHTTP},
		"HTTP/2":   {web.URL, otlptransport.NewHTTP},
		"gRPC":     {"http://" + listener.Addr().String(), otlptransport.NewGRPC},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := url.Parse(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			network := new(forgetful)
			client, err := tt.open(otlptransport.Config{
				URL: u, Timeout: 500 * time.Millisecond, Dial: network.dial, MaxRequestBytes: 1 << 20, Plaintext: name == "gRPC",
				Headers: func() map[string]string { return nil }, TLS: func() *tls.Config { return trusting },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			send := func() bool { return client.Send(t.Context(), new(metricdata.ResourceMetrics)).Accepted() }
			for range 2 {
				if !send() {
					t.Fatal("not accepted before anything was forgotten")
				}
			}
			if n := network.forget(); n != 1 {
				t.Fatalf("%d connections for two requests", n)
			}
			if send() {
				t.Fatal("accepted over a connection on which nothing passes")
			}
			if !send() {
				t.Error("the request after the one that ran out of time was not accepted")
			}
			network.forget()
		})
	}
}
