package e2e

import (
	"context"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

const token = "s3cret-token"

// manual is an interval that never comes: the test says when to push.
const manual = time.Hour

// base is the configuration every service here starts from.
func base(endpoint string) telemetry.Config {
	return telemetry.Config{
		ServiceName:        "e2e",
		ResourceAttributes: map[string]string{"service.instance.id": "e2e-1"},
		ExemplarFilter:     telemetry.ExemplarAlwaysOn,
		Push:               telemetry.PushConfig{Endpoint: endpoint, Interval: manual},
	}
}

// way is a way into the Collector.
type way struct {
	name        string
	grpc, tls   bool
	token       bool
	basic       bool
	compression exporter.Compression
	temporality exporter.Temporality
}

// ways are the ways in that are compared.
var ways = []way{
	{name: "OTLP/HTTP"},
	{name: "OTLP/HTTP gzip bearer TLS", tls: true, token: true, compression: exporter.CompressionGzip},
	{name: "OTLP/HTTP gzip basic auth", basic: true, compression: exporter.CompressionGzip},
	{name: "OTLP/gRPC", grpc: true},
	{name: "OTLP/gRPC gzip bearer TLS", grpc: true, tls: true, token: true, compression: exporter.CompressionGzip},
	{name: "OTLP/HTTP delta gzip bearer", token: true, compression: exporter.CompressionGzip, temporality: exporter.TemporalityDelta},
	{name: "OTLP/gRPC delta TLS", grpc: true, tls: true, temporality: exporter.TemporalityDelta},
}

// configure returns both sides of w.
func (w way) configure(t *testing.T) (accept servers.CollectorConfig, push telemetry.PushConfig) {
	t.Helper()
	accept.Cumulative = w.temporality == exporter.TemporalityDelta
	push = telemetry.PushConfig{Interval: manual, Compression: w.compression, Temporality: w.temporality}
	switch {
	case w.token:
		accept.Token = token
		push.Headers = exporter.NewSecrets(map[string]string{"Authorization": "Bearer " + token})
	case w.basic:
		accept.Basic = "user:" + token
		push.Headers = basicAuth(accept.Basic)
	}
	if w.tls {
		chain := servers.NewChain(t, time.Hour)
		accept.Certificate, accept.Key, push.Certificate = chain.Certificate, chain.Key, chain.Authority
	}
	return accept, push
}

// basicAuth is the header for user:password.
func basicAuth(login string) map[string]exporter.Secret {
	return exporter.NewSecrets(map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(login))})
}

func TestCollectorShowsWhatTheScrapeShows(t *testing.T) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			accept, push := way.configure(t)
			collector := servers.StartCollector(t, accept)
			cfg := base("")
			cfg.Push = push
			cfg.Push.Endpoint = collector.HTTP
			if way.grpc {
				cfg.Push.Endpoint, cfg.Push.Protocol = collector.GRPC, exporter.ProtocolGRPC
			}
			s := service.Start(t, cfg)
			exercise(t, s)
			result := diffCollector(t, s, collector)
			expectEqual(t, result)
			add(row{duotel, "collector", servers.CollectorTool.Version, way.name, result.Compared, differences(result)})
		})
	}
}

// exercise measures in several pushes, so that deltas have something to add up.
func exercise(t *testing.T, s *service.Service) {
	t.Helper()
	for n := range 3 {
		s.Record(t.Context(), 200+n)
		s.RecordInvalid(t.Context())
		s.Round(t.Context())
		settle(t, s)
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// settle waits for the requests to be recorded: the client has its answer a moment before the handler returns.
func settle(t *testing.T, s *service.Service) {
	t.Helper()
	await(t, 10*time.Second, "every request recorded", func() bool {
		return recorded(scrape(t, s.Metrics)) >= float64(s.Sent())
	})
}

// recorded is the number of requests on a page, in whatever vocabulary.
func recorded(page telemetrytest.Exposition) float64 {
	return max(sum(page, "http_server_request_duration_seconds_count"), sum(page, "http_requests_total"))
}

// await polls until done says so.
func await(t *testing.T, timeout time.Duration, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", timeout, what)
		case <-ticker.C:
		}
	}
}

func sum(e telemetrytest.Exposition, name string) float64 { return sumOf(e, name, nil) }

func sumOf(e telemetrytest.Exposition, name string, labels map[string]string) (total float64) {
	for _, s := range e.Find(name, labels) {
		total += s.Value
	}
	return total
}

func scrape(t *testing.T, url string) telemetrytest.Exposition {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, resp.Status)
	}
	e, err := telemetrytest.ParseExposition(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// native says whether a series is of the histogram that is native at the Collector, where the old text format cannot show
// its buckets. Its count and sum are compared like all others.
func native(name string) bool { return name == "e2e_exponential_seconds_bucket" }

func diffCollector(t *testing.T, s *service.Service, c *servers.Collector) compare.Result {
	t.Helper()
	keep := func(name string) bool { return compare.Ours(name) && !native(name) }
	left := compare.FromText(scrape(t, s.Metrics), compare.Labels()...).Only(keep)
	right := compare.FromText(scrape(t, c.Metrics), compare.Labels()...).Only(keep)
	return compare.Diff(left, right, compare.Moving)
}
