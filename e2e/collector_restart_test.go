package e2e

import (
	"bytes"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
)

// TestCollectorRestarts loses no count, with either temporality: with deltas the Collector forgets, and the sum of all it
// ever received is what counts.
func TestCollectorRestarts(t *testing.T) {
	for _, temporality := range []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta} {
		t.Run(string(temporality), func(t *testing.T) {
			collector := servers.StartCollector(t, servers.CollectorConfig{})
			cfg := base(collector.HTTP)
			cfg.Push.Temporality, cfg.Push.Interval, cfg.Push.ExportTimeout = temporality, 200*time.Millisecond, time.Second
			s := service.Start(t, cfg)
			halfway, done := load(t, s)
			<-halfway
			collector.Stop()
			checkAway(t, s)
			collector.Start()
			<-done
			settle(t, s)
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			after := s.SDK.Status().Push
			if after.State != exporter.PushHealthy || after.PointsLost != 0 {
				t.Errorf("status after: %s, %d points lost; want healthy, 0", after.State, after.PointsLost)
			}
			result := diffTotals(t, s, collector, temporality)
			expectEqual(t, result)
			add(row{duotel, "collector", servers.CollectorTool.Version, "restarted mid-load, " + string(temporality), result.Compared, differences(result)})
		})
	}
}

// load measures throughout a restart; halfway is closed when it is well under way.
func load(t *testing.T, s *service.Service) (halfway, done chan struct{}) {
	halfway, done = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := range 40 {
			s.Record(t.Context(), 50)
			s.Round(t.Context())
			if n == 10 {
				close(halfway)
			}
		}
	}()
	return halfway, done
}

// checkAway: while the Collector is away the status says so, in words, and the scrape goes on.
func checkAway(t *testing.T, s *service.Service) {
	t.Helper()
	await(t, 10*time.Second, "a failing push", func() bool { return s.SDK.Status().Push.State == exporter.PushFailing })
	status := s.SDK.Status().Push
	t.Logf("status while the Collector was away: %s: %s", status.LastReason, status.LastError)
	if status.LastReason == "" || status.LastError == "" {
		t.Error("the status does not say why")
	}
	scrape(t, s.Metrics)
}

// diffTotals compares totals: of the scrape, and of everything the Collector wrote down in both its lives.
func diffTotals(t *testing.T, s *service.Service, c *servers.Collector, temporality exporter.Temporality) compare.Result {
	t.Helper()
	page := scrape(t, s.Metrics)
	left := compare.Series{
		"counter{}":  {Number: sum(page, "e2e_int_counter_total")},
		"requests{}": {Number: sum(page, "http_server_request_duration_seconds_count")},
		"plain{}":    {Number: sum(page, "e2e_plain_total")},
	}
	if left["requests{}"].Number != float64(s.Sent()) {
		t.Errorf("%v requests recorded, %d sent", left["requests{}"].Number, s.Sent())
	}
	if temporality == exporter.TemporalityCumulative {
		shown := scrape(t, c.Metrics)
		return compare.Diff(left, compare.Series{
			"counter{}":  {Number: sum(shown, "e2e_int_counter_total")},
			"requests{}": {Number: sum(shown, "http_server_request_duration_seconds_count")},
			"plain{}":    {Number: sum(shown, "e2e_plain_total")},
		}, compare.Moving)
	}
	totals := received(t, c)
	return compare.Diff(left, compare.Series{
		"counter{}":  {Number: totals["e2e.int.counter"]},
		"requests{}": {Number: totals["http.server.request.duration"]},
		"plain{}":    {Number: totals["e2e_plain_total"] + totals["e2e_plain"]},
	}, compare.Moving)
}

// received adds up every delta by metric: values of sums, counts of histograms.
func received(t *testing.T, c *servers.Collector) map[string]float64 {
	t.Helper()
	totals := map[string]float64{}
	for line := range bytes.Lines(c.Received()) {
		var message colmetricpb.ExportMetricsServiceRequest
		if err := protojson.Unmarshal(line, &message); err != nil {
			t.Fatal(err)
		}
		for _, resource := range message.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					for _, p := range m.GetSum().GetDataPoints() {
						totals[m.GetName()] += p.GetAsDouble() + float64(p.GetAsInt())
					}
					for _, p := range m.GetHistogram().GetDataPoints() {
						totals[m.GetName()] += float64(p.GetCount())
					}
				}
			}
		}
	}
	return totals
}
