package e2e

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// coarse makes a histogram whose few buckets have to span everything, so that its scale falls below what Prometheus
// takes, and leaves the others to the service's view.
func coarse(inst sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	if inst.Name != "poison.coarse" {
		return service.View(inst)
	}
	return sdkmetric.Stream{Name: inst.Name, Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 2, MaxScale: 20}}, true
}

// innocents is how many series beside the poison have to arrive.
const innocents = 50

// recordPoison records what makes Prometheus refuse a whole request, and innocent series around it.
func recordPoison(t *testing.T, s *service.Service) {
	t.Helper()
	m := s.SDK.MeterProvider().Meter("poison")
	counter, err := m.Int64Counter("poison.counter")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "标签", "___", "a\xffb"} {
		counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String(key, "v"), attribute.String("key", fmt.Sprintf("%q", key))))
	}
	histogram, err := m.Float64Histogram("poison.coarse")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{1e-300, 1, 1e300} {
		histogram.Record(t.Context(), v)
	}
	innocent, err := m.Int64Counter("innocent")
	if err != nil {
		t.Fatal(err)
	}
	for i := range innocents {
		innocent.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("n", i)))
	}
}

// TestF30PoisonArrivesAtPrometheus: nothing in one series, and nothing in the resource, costs the push.
func TestF30PoisonArrivesAtPrometheus(t *testing.T) {
	for _, batch := range []int{0, 7} {
		t.Run(fmt.Sprint("batches of ", batch), func(t *testing.T) {
			p := servers.StartPrometheus(t, servers.PrometheusConfig{})
			cfg := base(p.OTLP())
			cfg.Push.MaxExportBatchSize = batch
			cfg.ResourceAttributes = map[string]string{"标签": "v"}
			s := service.Start(t, cfg, telemetry.WithView(coarse))
			recordPoison(t, s)
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			p.Await(10*time.Second, fmt.Sprintf(`count(innocent_total) == %d and count(poison_counter_total) == 4`, innocents))
			if got := p.Query(`histogram_count(poison_coarse)`); len(got) != 1 || got[0].Value != 3 {
				t.Errorf("the coarse histogram is %v", got)
			}
			if st := s.SDK.Status().Push; st.Repaired == 0 || st.SeriesSetAside != 0 {
				t.Errorf("%+v", st)
			}
			addPrometheus(duotel, fmt.Sprintf("poison over OTLP, batches of %d", batch), innocents+5, "0")
		})
	}
}

// TestF49PoisonIsScraped: the labels that readers of a histogram own, a label that clashes with a constant one, keys that
// become one label, and target_info by name: in every format the target is up, and every innocent series is there.
func TestF49PoisonIsScraped(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.Labels = map[string]string{"a": "const"}
	cfg.ResourceAttributes = map[string]string{"标签": "v"}
	s := service.Start(t, cfg, telemetry.WithView(coarse))
	recordPoison(t, s)
	m := s.SDK.MeterProvider().Meter("poison")
	for _, name := range []string{"poison.latency", service.ExponentialName, "poison.coarse"} {
		h, err := m.Float64Histogram(name)
		if err != nil {
			t.Fatal(err)
		}
		h.Record(t.Context(), 1, metric.WithAttributes(attribute.String("le", "x"), attribute.String("quantile", "y"), attribute.String("a", "1"), attribute.String("exported_a", "2")))
		h.Record(t.Context(), 1, metric.WithAttributes(attribute.String("exported_le", "x"), attribute.String("le", "z"), attribute.String("__name__", "n")))
	}
	clash, err := m.Int64Gauge("target.info")
	if err != nil {
		t.Fatal(err)
	}
	clash.Record(t.Context(), 7, metric.WithAttributes(attribute.String("a.b", "1"), attribute.String("a_b", "2")))
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	for name := range protocols {
		p.Await(30*time.Second, fmt.Sprintf(`count(innocent_total{job=%q,a="const"}) == %d`, name, innocents))
		for _, query := range []string{
			`poison_latency_count{job=%q,exported_le="x",exported_exported_a="1;2"} or poison_latency_count{job=%[1]q,exported_le="x"}`,
			`count(poison_latency_count{job=%q}) == 2`, `target_info{job=%q,unnamed="v"}`, `count(poison_counter_total{job=%q}) == 4`,
		} {
			if query := fmt.Sprintf(query, name); len(p.Query(query)) == 0 {
				t.Errorf("%s finds nothing", query)
			}
		}
	}
	if got := p.Query(`histogram_count(e2e_exponential{job="protobuf"})`); len(got) != 2 {
		t.Errorf("native histograms with a label le: %v", got)
	}
	addPrometheus(duotel, "poison scraped in three formats", 3*innocents, "0")
}
