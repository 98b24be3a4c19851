package e2e

import (
	"context"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// registry has what client_golang can have, and what the formats treat differently.
func registry(t *testing.T) *prometheus.Registry {
	t.Helper()
	r := prometheus.NewRegistry()
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "e2e_registry_things_total", Help: "Has \"quotes\" and\na line."}, []string{"kind"})
	bare := prometheus.NewCounter(prometheus.CounterOpts{Name: "e2e_registry_bare", Help: "Has no _total."})
	native := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "e2e_registry_native_seconds", Help: "Native and classic.", Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.1,
	})
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "e2e_registry_wait_seconds", Objectives: map[float64]float64{0.5: 0.05, 1: 0.01}})
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "e2e_registry_total", Help: "A gauge with a counter's name."})
	untyped := prometheus.NewUntypedFunc(prometheus.UntypedOpts{Name: "e2e_registry_untyped"}, func() float64 { return -1e-300 })
	stamped := prometheus.NewMetricWithTimestamp(time.Now(), prometheus.MustNewConstMetric(
		prometheus.NewDesc("e2e_registry_stamped", "Has a timestamp.", []string{"kind"}, nil), prometheus.GaugeValue, 1, values[1]))
	r.MustRegister(count, bare, native, summary, gauge, untyped, constant{stamped},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsAll)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	trace := prometheus.Labels{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
	bare.(prometheus.ExemplarAdder).AddWithExemplar(1, trace)
	for i, kind := range values {
		count.WithLabelValues(kind).(prometheus.ExemplarAdder).AddWithExemplar(float64(i), trace)
		native.(prometheus.ExemplarObserver).ObserveWithExemplar(float64(i), trace)
	}
	return r
}

// values are label values that a line could be broken with.
var values = []string{"plain", "日本語 🙂", `quoted "value" \ back`, "two\nlines", ""}

// constant is a collector of one metric.
type constant struct{ prometheus.Metric }

// Describe implements [prometheus.Collector].
func (c constant) Describe(ch chan<- *prometheus.Desc) { ch <- c.Desc() }

// Collect implements [prometheus.Collector].
func (c constant) Collect(ch chan<- prometheus.Metric) { ch <- c.Metric }

// utf8Names is a registry whose names need escaping, some of which are equal once they are.
func utf8Names(t *testing.T) []telemetry.Option {
	t.Helper()
	r := prometheus.NewRegistry()
	for _, name := range []string{"e2e.registry/温度:ratio", "e2e_registry___:ratio", "e2e.registry.count.total"} {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: "Needs escaping."}, []string{"where.from", "ключ"})
		r.MustRegister(g)
		g.WithLabelValues("a", "b").Set(1)
	}
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "e2e.registry.things_total", Help: "Needs escaping."})
	r.MustRegister(c)
	c.(prometheus.ExemplarAdder).AddWithExemplar(1, prometheus.Labels{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
	return []telemetry.Option{telemetry.WithGatherer(r)}
}

// utf8Attribute measures with attributes whose names need escaping, two of which are equal once they are.
func utf8Attribute(t *testing.T, s *service.Service) {
	counter, err := s.SDK.MeterProvider().Meter("e2e.ключ").Int64Counter("e2e.named/things")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("日本", "a"), attribute.String("本日", "b"), attribute.String("9:x", "c")))
}

// measureBound measures with bound instruments, and beside them with the same unbound.
func measureBound(t *testing.T, s *service.Service) {
	m := s.SDK.MeterProvider().Meter("e2e.bound")
	counter, err := m.Int64Counter("e2e.bound.things")
	if err != nil {
		t.Fatal(err)
	}
	histogram, err := m.Float64Histogram("e2e.bound", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range values {
		at := attribute.String("kind", value)
		counter.(x.Int64CounterBinder).Bind(at).Add(t.Context(), 1)
		counter.Add(t.Context(), 1, metric.WithAttributes(at))
		histogram.(x.Float64HistogramBinder).Bind(at).Record(t.Context(), 0.3)
	}
}

// traced samples every span.
func traced(t *testing.T) []telemetry.Option {
	t.Helper()
	provider := sdktrace.NewTracerProvider()
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return []telemetry.Option{telemetry.WithTracerProvider(provider)}
}

// emptyPage is that of an SDK nobody has measured anything with.
func emptyPage(t *testing.T) []byte {
	t.Helper()
	sdk, err := telemetry.New(t.Context(), base(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })
	server := httptest.NewServer(sdk.MetricsHandler())
	t.Cleanup(server.Close)
	return body(t, server.URL, acceptOpenMetrics)
}

// demoPage is that of the demo as a user runs it, once its streams and failures are there.
func demoPage(t *testing.T) []byte {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	build := exec.Command("go", "build", "-o", program, "./cmd/demo")
	build.Dir = servers.Root()
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("demo: %v\n%s", err, out)
	}
	var address string
	servers.StartProcess(t, "demo", program, func() servers.Launch {
		address = servers.FreeAddress(t)
		return servers.Launch{Ready: "http://" + address + "/metrics", Args: []string{"-addr", address}}
	})
	url := "http://" + address + "/metrics"
	await(t, 30*time.Second, "streams and panics of the demo", func() bool {
		page := scrape(t, url)
		return sum(page, "duotel_http_server_stream_duration_seconds_count") > 0 && sum(page, "demo_uploaded_bytes_total") > 0
	})
	return body(t, url, acceptOpenMetrics)
}
