package e2e

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// TestNativeHistogramQuantiles: a base-2 exponential histogram is within its scale's error of the truth, however it came.
func TestNativeHistogramQuantiles(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.Push.HistogramAggregation = telemetry.HistogramBase2
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	latencies := recordLatencies(t, s)
	quiescent(t, p, s)

	result := compare.Diff(job(p, "protobuf").Only(latency), job(p, pushed).Only(latency), compare.Moving)
	expectEqual(t, result)
	addPrometheus(duotel, "native histogram, protobuf and OTLP/HTTP", result.Compared, differences(result))
	for _, name := range []string{"protobuf", pushed} {
		wrong := 0
		for _, q := range []float64{0.1, 0.5, 0.9, 0.99} {
			want := latencies[int(math.Ceil(q*float64(len(latencies))))-1]
			got := p.Query(fmt.Sprintf(`histogram_quantile(%g, e2e_latency_seconds{job=%q})`, q, name))
			if len(got) != 1 || math.Abs(got[0].Value-want) > quantileError*want {
				wrong++
				t.Errorf("%s: quantile %g is %v, want %g within %g %%", name, q, got, want, 100*quantileError)
			}
		}
		addPrometheus(duotel, "native quantiles, "+name, 4, fmt.Sprint(wrong))
	}
}

// quantileError is the relative width of a bucket at the scale that 160 buckets leave for three decades, 2^(2^-4) - 1, as
// the estimate and the truth are in the same bucket.
const quantileError = 0.045

func latency(name string) bool { return strings.HasPrefix(name, "e2e_latency_seconds") }

// recordLatencies records values over three decades and returns them, sorted.
func recordLatencies(t *testing.T, s *service.Service) []float64 {
	t.Helper()
	h, err := s.SDK.MeterProvider().Meter("e2e").Float64Histogram("e2e.latency", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	var all []float64
	for i := range 2000 {
		v := math.Pow(10, -3+3*float64(i)/2000)
		h.Record(t.Context(), v)
		all = append(all, v)
	}
	return all
}
