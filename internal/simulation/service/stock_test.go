package service

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
)

// stock is a service of the usual parts, as their documents show it: the SDK with a reader for each exit, the official exporters with
// their defaults, promhttp and otelhttp.
type stock struct {
	provider *sdkmetric.MeterProvider
	registry *prometheus.Registry // of OpenTelemetry's metrics
	legacy   *prometheus.Registry // of those that client_golang makes, which the bridge pushes
	client   *http.Transport
}

func newStock(cfg telemetry.Config, dial func(context.Context, string, string) (net.Conn, error)) *stock {
	s := &stock{registry: prometheus.NewRegistry(), legacy: prometheus.NewRegistry()}
	pull := must(otelprometheus.New(otelprometheus.WithRegisterer(s.registry)))
	res := resource.NewSchemaless(attribute.String("service.instance.id", cfg.ResourceAttributes["service.instance.id"]))
	temporality := sdkmetric.CumulativeTemporalitySelector
	switch cfg.Push.Temporality {
	case exporter.TemporalityDelta:
		temporality = sdkmetric.DeltaTemporalitySelector
	case exporter.TemporalityLowMemory:
		temporality = sdkmetric.LowMemoryTemporalitySelector
	}
	s.provider = sdkmetric.NewMeterProvider(sdkmetric.WithReader(pull), sdkmetric.WithResource(res), sdkmetric.WithCardinalityLimit(cfg.CardinalityLimit),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(s.exporter(cfg.Push, dial, temporality), sdkmetric.WithInterval(cfg.Push.Interval), sdkmetric.WithTimeout(cfg.Push.ExportTimeout),
			sdkmetric.WithProducer(bridge.NewMetricProducer(bridge.WithGatherer(s.legacy))))))
	return s
}

func (s *stock) exporter(push telemetry.PushConfig, dial func(context.Context, string, string) (net.Conn, error), temporality sdkmetric.TemporalitySelector) sdkmetric.Exporter {
	headers := map[string]string{"Authorization": push.Headers["Authorization"].Reveal()}
	ctx := context.Background()
	if push.Protocol == exporter.ProtocolGRPC {
		return must(otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint("passthrough:///backend:4317"), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithHeaders(headers), otlpmetricgrpc.WithTimeout(push.Timeout),
			otlpmetricgrpc.WithTemporalitySelector(temporality), otlpmetricgrpc.WithDialOption(
				grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return dial(ctx, "tcp", address) }))))
	}
	s.client = &http.Transport{DialContext: dial}
	return must(otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(push.Endpoint), otlpmetrichttp.WithHeaders(headers),
		otlpmetrichttp.WithTemporalitySelector(temporality), otlpmetrichttp.WithHTTPClient(&http.Client{Transport: s.client, Timeout: push.Timeout})))
}

func (s *stock) MeterProvider() metric.MeterProvider  { return s.provider }
func (s *stock) Registerer() prometheus.Registerer    { return s.legacy }
func (s *stock) ForceFlush(ctx context.Context) error { return s.provider.ForceFlush(ctx) }
func (s *stock) Status() telemetry.Status             { return telemetry.Status{Push: new(exporter.PushStats)} }

func (s *stock) MetricsHandler() http.Handler {
	return promhttp.HandlerFor(prometheus.Gatherers{s.registry, s.legacy}, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func (s *stock) Middleware(next http.Handler, _ ...middleware.Option) http.Handler {
	return otelhttp.NewHandler(next, "", otelhttp.WithMeterProvider(s.provider))
}

func (s *stock) Shutdown(ctx context.Context) error {
	err := s.provider.Shutdown(ctx)
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	return err
}

var stockSeeds = flag.Int("sim.stock", 4, "in how many worlds the stock parts are held to the same laws, beside ours")

// TestStock counts the worlds in which each law breaks, on the stock parts and on ours, over the same seeds.
func TestStock(t *testing.T) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	type count struct{ worlds, first int }
	var mu sync.Mutex
	broken := map[string]map[bool]*count{}
	next := 0
	t.Run("worlds", func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for {
					mu.Lock()
					seed := next
					next++
					mu.Unlock()
					if seed >= *stockSeeds {
						return
					}
					for _, stock := range []bool{true, false} {
						p := draw(*first+uint64(seed), *lasting)
						for _, fault := range []string{
							"callback-panics", "collector-panics", // end the stock process, and with it everything that is counted here
							"requests",      // otelhttp names endings otherwise: docs/http.md
							"callback-slow", // holds the SDK's lock, and a bubble's clock stands while somebody waits for one
						} {
							p = p.without(fault)
						}
						p.spool = p.spool && !stock
						o := run(t, p, stock)
						slices.Sort(o.laws)
						mu.Lock()
						for _, law := range slices.Compact(o.laws) {
							if broken[law] == nil {
								broken[law] = map[bool]*count{true: {}, false: {}}
							}
							c := broken[law][stock]
							if c.worlds++; c.first == 0 || seed+1 < c.first {
								c.first = seed + 1
							}
						}
						mu.Unlock()
					}
				}
			})
		}
	})
	fmt.Fprintf(os.Stderr, "| law | stock: worlds of %d, first | Duotel |\n|---|---:|---:|\n", *stockSeeds)
	for law, c := range broken {
		if c[false].worlds > 0 {
			t.Errorf("%s: broken by ours in %d worlds", law, c[false].worlds)
		}
		fmt.Fprintf(os.Stderr, "| %s | %d, %d | %d |\n", law, c[true].worlds, c[true].first, c[false].worlds)
	}
}
