package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

// TestDeltasAddUpInPrometheus: what Prometheus makes of deltas is what it scrapes.
func TestDeltasAddUpInPrometheus(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{Features: []string{"otlp-deltatocumulative"}})
	cfg := base(p.OTLP())
	cfg.Push.Temporality = exporter.TemporalityDelta
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	exercise(t, s)
	quiescent(t, p, s)
	result := compare.Diff(job(p, "protobuf"), job(p, pushed), compare.Moving)
	expectEqual(t, result)
	addPrometheus(duotel, "protobuf and OTLP/HTTP delta", result.Compared, differences(result))
}

// TestClassicNamesBothWays: the classic vocabulary is derived when metrics are collected, and is the same at both exits.
func TestClassicNamesBothWays(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.HTTP.Names = telemetry.HTTPNamesBoth
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	exercise(t, s)
	quiescent(t, p, s)
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		t.Run(name, func(t *testing.T) {
			left, right := job(p, name).Only(httpOnly), job(p, pushed).Only(httpOnly)
			if name == "protobuf" {
				left, right = withoutType(left).Only(notSizeBucket), withoutType(right)
			}
			result := compare.Diff(left, right, compare.Moving)
			expectEqual(t, result)
			addPrometheus(duotel, name+" and OTLP/HTTP, both vocabularies", result.Compared, differences(result))
		})
	}
}

func httpOnly(name string) bool { return strings.HasPrefix(name, "http_") }

// notSizeBucket leaves out what is added in protobuf alone: the classic sizes are sum and count, summaries everywhere else, and
// histograms of one bucket there, as the official exporter knows no summaries.
func notSizeBucket(name string) bool {
	return name != "http_request_size_bytes_bucket" && name != "http_response_size_bytes_bucket"
}
