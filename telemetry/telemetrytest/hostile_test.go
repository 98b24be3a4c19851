package telemetrytest_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/credentials"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

var notOTLP = []struct {
	name, method, path, contentType, encoding string
	body                                      []byte
	status                                    int
}{
	{"other path", "POST", "/", "application/x-protobuf", "", nil, 404},
	{"get", "GET", "/v1/metrics", "", "", nil, 405},
	{"json", "POST", "/v1/metrics", "application/json", "", []byte("{}"), 415},
	{"no content type", "POST", "/v1/metrics", "", "", nil, 415},
	{"garbage", "POST", "/v1/metrics", "application/x-protobuf", "", []byte("garbage"), 400},
	{"not gzip", "POST", "/v1/metrics", "application/x-protobuf", "gzip", []byte("plain"), 400},
	{"unknown encoding", "POST", "/v1/metrics", "application/x-protobuf", "br", []byte("plain"), 400},
	{"too big", "POST", "/v1/metrics", "application/x-protobuf", "", make([]byte, 2000), 413},
	{"too big when unpacked", "POST", "/v1/metrics", "application/x-protobuf", "gzip", zipped(make([]byte, 100_000)), 413},
}

func TestWhatIsNotOTLPIsRefusedAndRecorded(t *testing.T) {
	b := telemetrytest.NewBackend(t, telemetrytest.WithMaxBody(1000))
	b.Script(telemetrytest.Status(299))
	base := strings.TrimSuffix(b.HTTPEndpoint(), "/v1/metrics")
	for i, tt := range notOTLP {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), tt.method, base+tt.path, bytes.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", tt.contentType)
			req.Header.Set("Content-Encoding", tt.encoding)
			if got := statusOf(t, req); got != tt.status {
				t.Errorf("status %d; want %d", got, tt.status)
			}
			requests := b.Requests()
			if last := requests[len(requests)-1]; len(requests) != i+1 || last.Accepted() || last.Path != tt.path {
				t.Errorf("%d requests recorded, the last %+v", len(requests), last)
			}
		})
	}
	if len(b.Series()) != 0 {
		t.Errorf("series: %v", b.Series())
	}
	// None of them used up the script.
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, b.HTTPEndpoint(), http.NoBody)
	req.Header.Set("Content-Type", "application/x-protobuf")
	if got := statusOf(t, req); got != 299 {
		t.Errorf("first real request: status %d; want the script's 299", got)
	}
}

func statusOf(t *testing.T, req *http.Request) int {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func TestMaxBodyOverGRPC(t *testing.T) {
	b := telemetrytest.NewBackend(t, telemetrytest.WithMaxBody(50))
	e := newGRPCExporter(t, b)
	checkError(t, e.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann", "bob")), "ResourceExhausted")
}

func TestPath(t *testing.T) {
	b := telemetrytest.NewBackend(t, telemetrytest.WithPath("/in/otlp"))
	if !strings.HasSuffix(b.HTTPEndpoint(), "/in/otlp") {
		t.Fatalf("endpoint = %s", b.HTTPEndpoint())
	}
	checkError(t, newHTTPExporter(t, b).Export(t.Context(), orders(metricdata.DeltaTemporality, "ann")), "")
}

func TestBearer(t *testing.T) {
	for protocol, newExporter := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := telemetrytest.NewBackend(t, telemetrytest.WithBearer("s3cret"))
			err := newExporter(t, b).Export(t.Context(), orders(metricdata.DeltaTemporality, "ann"))
			if err == nil || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("without a token: %v; want a refusal that does not show it", err)
			}
			if len(b.Accepted()) != 0 || len(b.Requests()) != 1 {
				t.Errorf("%d of %d requests accepted", len(b.Accepted()), len(b.Requests()))
			}
		})
	}
	b := telemetrytest.NewBackend(t, telemetrytest.WithBearer("s3cret"))
	e, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpointURL(b.GRPCEndpoint()),
		otlpmetricgrpc.WithHeaders(map[string]string{"authorization": "Bearer s3cret"}))
	checkError(t, closing(t, e, err).Export(t.Context(), orders(metricdata.DeltaTemporality, "ann")), "")
}

func TestTLS(t *testing.T) {
	tests := map[string]struct {
		server     telemetrytest.BackendOption
		trust      bool
		showClient bool
		ok         bool
	}{
		"trusted":                {telemetrytest.WithTLS(), true, false, true},
		"unknown authority":      {telemetrytest.WithTLS(), false, false, false},
		"mutual":                 {telemetrytest.WithMutualTLS(), true, true, true},
		"no client certificate":  {telemetrytest.WithMutualTLS(), true, false, false},
		"one that nobody wanted": {telemetrytest.WithTLS(), true, true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := telemetrytest.NewBackend(t, tt.server)
			if !strings.HasPrefix(b.HTTPEndpoint(), "https://") || !strings.HasPrefix(b.GRPCEndpoint(), "https://") {
				t.Errorf("endpoints %s, %s; want https", b.HTTPEndpoint(), b.GRPCEndpoint())
			}
			cfg := &tls.Config{RootCAs: x509.NewCertPool()}
			if tt.trust && !cfg.RootCAs.AppendCertsFromPEM(b.CertificatePEM()) {
				t.Fatal("no certificate in CertificatePEM")
			}
			if tt.showClient {
				pair, err := tls.LoadX509KeyPair(b.ClientFiles(t))
				if err != nil {
					t.Fatal(err)
				}
				cfg.Certificates = []tls.Certificate{pair}
			}
			if got := postStatus(t, b, cfg); (got != 0) != tt.ok {
				t.Errorf("https: status %d; want success: %t", got, tt.ok)
			}
			if err := exportTLS(t, b, cfg); (err == nil) != tt.ok {
				t.Errorf("grpc: %v; want success: %t", err, tt.ok)
			}
		})
	}
}

// postStatus is 0 when there was no answer.
func postStatus(t *testing.T, b *telemetrytest.Backend, cfg *tls.Config) int {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: cfg}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post(b.HTTPEndpoint(), "application/x-protobuf", http.NoBody)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

func exportTLS(t *testing.T, b *telemetrytest.Backend, cfg *tls.Config) error {
	t.Helper()
	e, err := otlpmetricgrpc.New(t.Context(), otlpmetricgrpc.WithEndpointURL(b.GRPCEndpoint()),
		otlpmetricgrpc.WithTLSCredentials(credentials.NewTLS(cfg)), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
	var closed sdkmetric.Exporter = closing(t, e, err)
	return closed.Export(t.Context(), orders(metricdata.DeltaTemporality, "ann"))
}
