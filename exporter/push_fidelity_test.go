package exporter_test

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

// recording is one collection of every kind of instrument.
func recording(t *testing.T) []metricdata.ScopeMetrics {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	view := sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 20, MaxScale: 20}})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(view), sdkmetric.WithCardinalityLimit(3))
	meter := provider.Meter("m", metric.WithInstrumentationVersion("1"), metric.WithSchemaURL("https://example.com/schema"))
	for i := range 5 { // two of them overflow
		at := metric.WithAttributes(attribute.Int("i", i))
		must(meter.Int64Counter("counter", metric.WithUnit("1"), metric.WithDescription("d"))).Add(t.Context(), 3, at)
		must(meter.Float64UpDownCounter("updown")).Add(t.Context(), -1.5, at)
		must(meter.Float64Histogram("histogram")).Record(t.Context(), 12, at)
		must(meter.Int64Histogram("exponential")).Record(t.Context(), int64(1)<<i, at)
		must(meter.Int64Gauge("gauge")).Record(t.Context(), 7, at)
	}
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	return rm.ScopeMetrics
}

// With cumulative temporality, what is sent is what the stock exporter sends, to the byte.
func TestPushCumulativeIsWhatTheStockExporterSends(t *testing.T) {
	scopes := recording(t)
	res := resource.NewSchemaless(attribute.String("service.name", "s"))
	stock, ours := newLoopback(t), newLoopback(t)
	exp, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL(stock.urls[exporter.ProtocolHTTPProtobuf]))
	if err != nil {
		t.Fatal(err)
	}
	if err := exp.Export(t.Context(), &metricdata.ResourceMetrics{Resource: res, ScopeMetrics: scopes}); err != nil {
		t.Fatal(err)
	}
	p, _ := newPush(t, ours.to("", exporter.PushConfig{
		Resource:  res,
		Producers: []sdkmetric.Producer{produce(func(context.Context) ([]metricdata.ScopeMetrics, error) { return scopes, nil })},
	}))
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	marshal := func(b *backend) string {
		out, err := proto.MarshalOptions{Deterministic: true}.Marshal(b.all()[0].request)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if marshal(stock) != marshal(ours) {
		t.Errorf("stock sent %v\nwe sent %v", stock.all()[0].request, ours.all()[0].request)
	}
}

func TestPushTemporalities(t *testing.T) {
	const delta, cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE
	for temporality, want := range map[exporter.Temporality]map[string]metricspb.AggregationTemporality{
		exporter.TemporalityCumulative: {"counter": cumulative, "async": cumulative, "updown": cumulative, "histogram": cumulative},
		exporter.TemporalityDelta:      {"counter": delta, "async": delta, "updown": cumulative, "histogram": delta},
		exporter.TemporalityLowMemory:  {"counter": delta, "async": cumulative, "updown": cumulative, "histogram": delta},
	} {
		bubble(t, string(temporality), func(t *testing.T) {
			b := newBackend(t)
			source, meter := newSource(t)
			must(meter.Int64Counter("counter")).Add(t.Context(), 1)
			must(meter.Int64UpDownCounter("updown")).Add(t.Context(), 1)
			must(meter.Int64Histogram("histogram")).Record(t.Context(), 1)
			must(meter.Int64ObservableCounter("async", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				o.Observe(1)
				return nil
			})))
			p, _ := newPush(t, b.to("", exporter.PushConfig{
				Temporality: temporality, Producers: []sdkmetric.Producer{source.Producer(nil)},
				Asynchronous: func(scope instrumentation.Scope, metric string) bool { return scope.Name == "app" && metric == "async" },
			}))
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			for name, want := range want {
				m := b.metric(name)
				if got := max(m.GetSum().GetAggregationTemporality(), m.GetHistogram().GetAggregationTemporality()); got != want {
					t.Errorf("%s is %v, want %v", name, got, want)
				}
			}
		})
	}
}

// F1: one invalid string costs nothing but itself; the stock exporter fails the whole push.
func TestPushRepairsInvalidUTF8(t *testing.T) {
	const bad, good = "caf\xe9", "caf\uFFFD"
	for _, protocol := range protocols {
		for _, temporality := range []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta} {
			bubble(t, string(protocol)+" "+string(temporality), func(t *testing.T) {
				b := newBackend(t)
				source, meter := newSource(t)
				counter := must(meter.Int64Counter("counter", metric.WithDescription(bad)))
				counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("k", bad)))
				counter.Add(t.Context(), 2, metric.WithAttributes(attribute.String("k", "fine")))
				p, log := newPush(t, b.to(protocol, exporter.PushConfig{
					Temporality: temporality, Resource: resource.NewSchemaless(attribute.String("host", bad)),
					Producers: []sdkmetric.Producer{source.Producer(nil)},
				}))
				for range 2 {
					if err := p.ForceFlush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				first := b.all()[0].request.GetResourceMetrics()[0]
				if got := first.GetResource().GetAttributes()[0].GetValue().GetStringValue(); got != good {
					t.Errorf("resource: %q", got)
				}
				m := first.GetScopeMetrics()[0].GetMetrics()[0]
				values := map[string]int64{}
				for _, p := range m.GetSum().GetDataPoints() {
					values[p.GetAttributes()[0].GetValue().GetStringValue()] = p.GetAsInt()
				}
				if m.GetDescription() != good || values[good] != 1 || values["fine"] != 2 {
					t.Errorf("arrived: %v", m)
				}
				if p.Stats().Repaired < 2 || log.count("were repaired") != 1 {
					t.Errorf("%d repaired; log:\n%s", p.Stats().Repaired, log)
				}
			})
		}
	}
}

func TestPushPreflight(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{}))
		if err := p.Preflight(t.Context()); err != nil {
			t.Error(err)
		}
		if log.count("push: working") != 1 || p.Stats().State != exporter.PushHealthy {
			t.Errorf("state %s, log:\n%s", p.Stats().State, log)
		}
		b.script(respond(401, "", "no token"), refuse(codes.Unauthenticated, "no token"))
		if err := p.Preflight(t.Context()); err == nil || !strings.Contains(err.Error(), "no token") || !strings.Contains(err.Error(), "METRICS_HEADERS") {
			t.Errorf("Preflight: %v", err)
		}
		if log.count("push: failing") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// F8 and the vendors' rules: said in words, with what was probably meant, before anything is sent.
func TestPushAdvice(t *testing.T) {
	token := exporter.NewSecrets(map[string]string{"authorization": "Bearer x"})
	for _, tt := range []struct {
		cfg  exporter.PushConfig
		want []string
		sure bool
	}{
		{exporter.PushConfig{Endpoint: "http://127.0.0.1:4318"}, []string{"without a path", "http://127.0.0.1:4318/v1/metrics"}, false},
		{exporter.PushConfig{Endpoint: "http://127.0.0.1:4318/v1/traces"}, []string{"another signal"}, false},
		{exporter.PushConfig{Endpoint: "http://127.0.0.1:4318/v1/metrics/v1/metrics"}, []string{"twice"}, false},
		{exporter.PushConfig{Endpoint: "http://127.0.0.1:4317/v1/metrics"}, []string{"port 4317", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, false},
		{exporter.PushConfig{Endpoint: "http://127.0.0.1:4318", Protocol: exporter.ProtocolGRPC}, []string{"port 4318", "http/protobuf"}, false},
		{exporter.PushConfig{Endpoint: "https://api.axiom.co/v1/metrics", Headers: token}, []string{"Axiom requires the header X-Axiom-Metrics-Dataset"}, true},
		{exporter.PushConfig{Endpoint: "https://api.axiom.co", Protocol: exporter.ProtocolGRPC, Headers: token}, []string{"Axiom does not take the protocol grpc"}, true},
		{exporter.PushConfig{Endpoint: "https://x.live.dynatrace.com/api/v2/otlp/v1/metrics", Headers: token}, []string{"temporality cumulative", "PREFERENCE=delta"}, true},
	} {
		tt.cfg.Dial = refuseDial
		p, log := newPush(t, tt.cfg)
		for _, want := range tt.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log lacks %q:\n%s", tt.cfg.Endpoint, want, log)
			}
		}
		err := p.Preflight(t.Context())
		if err == nil || strings.Contains(err.Error(), tt.want[0]) != tt.sure {
			t.Errorf("%s: Preflight: %v", tt.cfg.Endpoint, err)
		}
	}
}
