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
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// restartRuns is how often a restart is tried until no request went without an answer: such a request is sent again, and with
// deltas its counts may be there twice (docs/adr/0006-ambiguous-push.md). It takes a slow machine and a deadline that ends while
// the Collector writes its answer.
const restartRuns = 4

// TestCollectorRestarts loses no count, with either temporality: with deltas the Collector forgets, and the sum of all it
// ever received is what counts.
func TestCollectorRestarts(t *testing.T) {
	for _, temporality := range []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta} {
		t.Run(string(temporality), func(t *testing.T) {
			for run := 1; ; run++ {
				result, exact := restartCollector(t, temporality)
				if exact {
					expectEqual(t, result)
					add(row{duotel, "collector", servers.CollectorTool.Version, "restarted mid-load, " + string(temporality), result.Compared, differences(result)})
					return
				}
				if run == restartRuns {
					t.Fatalf("in each of %d runs a request had no answer", restartRuns)
				}
			}
		})
	}
}

// restartCollector is one run: a service under load, whose Collector goes and comes back. It is exact unless a request had no
// answer, and nothing is lost either way.
func restartCollector(t *testing.T, temporality exporter.Temporality) (result compare.Result, exact bool) {
	t.Helper()
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
	left, right := totals(t, s, collector, temporality)
	expectNoneLost(t, left, right, after.AmbiguousRequests)
	return compare.Diff(left, right, compare.Moving), after.AmbiguousRequests == 0 || temporality == exporter.TemporalityCumulative
}

// expectNoneLost: where requests had no answer, there may be more than there was, and never less.
func expectNoneLost(t *testing.T, left, right compare.Series, ambiguous int64) {
	t.Helper()
	if ambiguous > 0 {
		t.Logf("%d requests had no answer and were sent again", ambiguous)
	}
	for key, sent := range left {
		if right[key].Number < sent.Number {
			t.Errorf("%s: %v of %v arrived", key, right[key], sent)
		}
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

// totals are those of the scrape, and of everything the Collector wrote down in both its lives or, cumulative, shows.
func totals(t *testing.T, s *service.Service, c *servers.Collector, temporality exporter.Temporality) (left, right compare.Series) {
	t.Helper()
	left = shownTotals(scrape(t, s.Metrics))
	if left["requests{}"].Number != float64(s.Sent()) {
		t.Errorf("%v requests recorded, %d sent", left["requests{}"].Number, s.Sent())
	}
	if temporality == exporter.TemporalityCumulative {
		return left, shownTotals(scrape(t, c.Metrics))
	}
	all := received(t, c)
	return left, compare.Series{
		"counter{}":  {Number: all["e2e.int.counter"]},
		"requests{}": {Number: all["http.server.request.duration"]},
		"plain{}":    {Number: all["e2e_plain_total"] + all["e2e_plain"]},
	}
}

func shownTotals(page telemetrytest.Exposition) compare.Series {
	return compare.Series{
		"counter{}":  {Number: sum(page, "e2e_int_counter_total")},
		"requests{}": {Number: sum(page, "http_server_request_duration_seconds_count")},
		"plain{}":    {Number: sum(page, "e2e_plain_total")},
	}
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
