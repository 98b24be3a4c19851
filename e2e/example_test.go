package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/duotel/duotel/e2e/grafana"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/telemetry"
)

// example is the kit of an example as it is in the repository, with its alerts firing at once.
func example(t *testing.T, name string) kit {
	t.Helper()
	k := kit{job: name, dir: filepath.Join(t.TempDir(), "ops"), names: "semconv", targets: servers.NewTargets(t)}
	copyTree(t, filepath.Join(servers.Root(), "examples", name, "ops"), k.dir)
	k.hurry(t)
	return k
}

// fires waits until each of the alerts fires for a job.
func awaitAlerts(t *testing.T, p *servers.Prometheus, want ...string) {
	t.Helper()
	var missing []string
	deadline := time.Now().Add(2 * time.Minute)
	for {
		rules, err := p.Rules()
		if err != nil {
			t.Fatal(err)
		}
		missing = slices.DeleteFunc(slices.Clone(want), func(name string) bool {
			return slices.ContainsFunc(rules, func(r servers.RuleState) bool {
				return r.Name == name && slices.ContainsFunc(r.Active, func(a servers.ActiveAlert) bool { return a.State == "firing" })
			})
		})
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("these alerts do not fire: %v", missing)
		}
		time.Sleep(time.Second)
	}
}

// ownQueries runs the queries of the dashboards that these files are, and fails for those without data.
func ownQueries(t *testing.T, p *servers.Prometheus, k kit, files ...string) (n int) {
	t.Helper()
	all, err := grafana.Read(filepath.Join(k.dir, "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if !slices.Contains(files, d.File) {
			continue
		}
		for _, panel := range d.Panels {
			for _, q := range panel.Queries {
				n++
				if has, err := p.Has(k.fill(d, q.Expr)); err != nil || !has {
					t.Errorf("%s: %q: no data, or %v: %s", d.Title, panel.Title, err, q.Expr)
				}
			}
		}
	}
	if n == 0 {
		t.Errorf("no queries in %v", files)
	}
	return n
}

// TestFlyte wants the dashboard that is made from a contract to have data for every query, and the service's own alerts and objectives to
// fire when it is sick.
func TestFlyte(t *testing.T) {
	k := example(t, "flyte")
	s := servers.StartService(t, servers.Program(t, "examples/flyte"), []string{"OTEL_SERVICE_NAME=flyte"}, "-addr", "127.0.0.1:0", "-sick", "-rate", "200")
	k.targets.Set(s.Address)
	p := servers.StartPrometheus(t, servers.PrometheusConfig{Jobs: []servers.Job{k.scrapeJob()}, Rules: k.rules(t)})
	awaitAlerts(t, p, "AdminErrorRateHigh", "AdminSlow", "TasksFailing", "RetrySpike", "ErrorBudgetBurnsFast")
	addPrometheus(duotel, "the example flyte: queries of its own dashboard", ownQueries(t, p, k, "own.json"), "0")
	checkRules(t, p)
}

// TestPlatform has stand-ins for Envoy, kube-state-metrics and cAdvisor emit what these do, with a fault of each.
func TestPlatform(t *testing.T) {
	k := example(t, "platform")
	var scrapes atomic.Int64
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := scrapes.Add(1)
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, `# TYPE envoy_cluster_upstream_rq_xx counter
envoy_cluster_upstream_rq_xx{envoy_cluster_name="shop",envoy_response_code_class="2"} %d
envoy_cluster_upstream_rq_xx{envoy_cluster_name="shop",envoy_response_code_class="5"} %d
# TYPE kube_pod_container_status_restarts_total counter
kube_pod_container_status_restarts_total{namespace="shop",pod="shop-1",container="shop"} %d
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{namespace="shop",pod="shop-1",container="shop"} 9.5e+08
# TYPE container_spec_memory_limit_bytes gauge
container_spec_memory_limit_bytes{namespace="shop",pod="shop-1",container="shop"} 1e+09
`, 10*n, n, n/5)
	}))
	defer page.Close()
	k.targets.Set(page.Listener.Addr().String())
	job := k.scrapeJob()
	job.Protocol = protocols["text"]
	p := servers.StartPrometheus(t, servers.PrometheusConfig{Jobs: []servers.Job{job}, Rules: k.rules(t)})
	awaitAlerts(t, p, "UpstreamErrors", "PodRestarting", "ContainerMemoryNearLimit")
	addPrometheus(duotel, "stand-ins for Envoy, kube-state-metrics, cAdvisor: queries", ownQueries(t, p, k, "own.json"), "0")
}

// health answers two calls of three.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
	n atomic.Int64
}

func (h *health) Check(context.Context, *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if h.n.Add(1)%3 == 0 {
		return nil, status.Error(codes.Internal, "every third call fails")
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

// TestGRPCDashboard runs the dashboard for gRPC on a service whose server and client otelgrpc measures.
func TestGRPCDashboard(t *testing.T) {
	k := kit{job: "grpc", dir: filepath.Join(t.TempDir(), "ops"), names: "semconv", targets: servers.NewTargets(t)}
	k.generate(t)
	sdk, err := telemetry.New(t.Context(), telemetry.Config{ServiceName: "grpc"})
	if err != nil {
		t.Fatal(err)
	}
	defer sdk.Shutdown(context.Background())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	meters := otelgrpc.WithMeterProvider(sdk.MeterProvider())
	server := grpc.NewServer(grpc.StatsHandler(otelgrpc.NewServerHandler(meters)))
	grpc_health_v1.RegisterHealthServer(server, &health{})
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(otelgrpc.NewClientHandler(meters)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	page := httptest.NewServer(sdk.MetricsHandler())
	defer page.Close()
	k.targets.Set(page.Listener.Addr().String())
	p := servers.StartPrometheus(t, servers.PrometheusConfig{Jobs: []servers.Job{k.scrapeJob()}})
	client := grpc_health_v1.NewHealthClient(conn)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_, _ = client.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	}
	addPrometheus(duotel, "the dashboard for gRPC, on otelgrpc: queries", ownQueries(t, p, k, "grpc.json"), "0")
}
