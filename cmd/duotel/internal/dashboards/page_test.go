package dashboards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// vocabulary is what can be asked for: families, a histogram's without suffix, and the labels that some series of
// each has. The bounds of a histogram's buckets are among the labels as le=0.1.
type vocabulary map[string]map[string]bool

func (v vocabulary) add(family string, labels ...string) {
	if v[family] == nil {
		v[family] = map[string]bool{}
	}
	for _, l := range labels {
		v[family][l] = true
	}
}

// livePage runs a service that is set up so, with everything that a dashboard asks for: requests that end well
// and badly, streams, requests and calls of its own, and pushes. It returns what its page has then.
func livePage(t *testing.T, o names.Options) vocabulary {
	t.Helper()
	backend := telemetrytest.NewBackend(t)
	env := map[string]string{
		"OTEL_SERVICE_NAME": "shop", "METRICS_HTTP_NAMES": string(o.HTTP), "METRICS_NAMESPACE": o.Namespace, "METRICS_SUBSYSTEM": o.Subsystem,
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": backend.HTTPEndpoint(), "OTEL_METRICS_EXEMPLAR_FILTER": "always_off",
		"DUOTEL_PUSH_SPOOL_DIR": t.TempDir(),
	}
	var bounds []string
	for _, b := range o.Bounds {
		bounds = append(bounds, time.Duration(b*float64(time.Second)).String())
	}
	env["METRICS_HTTP_DURATION_BOUNDS"] = strings.Join(bounds, ",")
	cfg, err := telemetry.FromEnv(func(key string) (string, bool) { v := env[key]; return v, v != "" })
	if err != nil {
		t.Fatal(err)
	}
	sdk, err := telemetry.New(t.Context(), cfg, telemetry.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })

	serveHTTP(t, sdk)
	serveGRPC(t, sdk)
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return scrape(t, sdk)
}

// serveHTTP makes requests that end in every way that has series of its own.
func serveHTTP(t *testing.T, sdk *telemetry.SDK) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	mux.HandleFunc("/bad", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad", http.StatusInternalServerError) })
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		w.(http.Flusher).Flush()
	})
	server := httptest.NewServer(sdk.Middleware(mux))
	t.Cleanup(server.Close)
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: sdk.Transport(base)}
	for _, path := range []string{"/ok", "/bad", "/stream", "/none"} {
		resp, err := client.Post(server.URL+path, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// serveGRPC makes calls that end well and badly.
func serveGRPC(t *testing.T, sdk *telemetry.SDK) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	meter := otelgrpc.WithMeterProvider(sdk.MeterProvider())
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(meter)), grpc.UnaryInterceptor(
		func(_ context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
			if req.(*grpc_health_v1.HealthCheckRequest).Service == "bad" {
				return nil, status.Error(codes.Internal, "bad")
			}
			return handler(t.Context(), req)
		}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(otelgrpc.NewClientHandler(meter)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	for service, want := range map[string]codes.Code{"": codes.OK, "bad": codes.Internal} {
		if _, err := client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: service}); status.Code(err) != want {
			t.Fatalf("%q: %v; want %v", service, err, want)
		}
	}
	server.GracefulStop() // the server records a call after the client has its answer
}

// scrape reads the page.
func scrape(t *testing.T, sdk *telemetry.SDK) vocabulary {
	t.Helper()
	var families map[string]*dto.MetricFamily
	for range 2 { // what a scrape costs is on the page after it
		rec := httptest.NewRecorder()
		sdk.MetricsHandler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		parser := expfmt.NewTextParser(model.UTF8Validation)
		parsed, err := parser.TextToMetricFamilies(rec.Body)
		if err != nil {
			t.Fatal(err)
		}
		families = parsed
	}
	out := vocabulary{}
	for name, f := range families {
		out.add(name)
		if f.GetType() == dto.MetricType_SUMMARY {
			out.add(name, model.QuantileLabel)
		}
		for _, m := range f.Metric {
			for _, b := range m.GetHistogram().GetBucket() {
				out.add(name, fmt.Sprintf("le=%v", b.GetUpperBound()))
			}
			for _, l := range m.Label {
				out.add(name, l.GetName())
			}
		}
	}
	return out
}
