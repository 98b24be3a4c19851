package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/exporter"
)

// sameIdentity is what a process has that starts again in its own place, such as a StatefulSet's pod: the series go on.
const sameIdentity = "OTEL_RESOURCE_ATTRIBUTES=service.instance.id=e2e-same"

// TestRestartIsAnIncrease: after a restart increase() has the requests of both processes, although no value ever fell: the
// second process soon has more than the first ever had, and only its start times say that it began at zero.
func TestRestartIsAnIncrease(t *testing.T) {
	targets := servers.NewTargets(t)
	p := servers.StartPrometheus(t, servers.PrometheusConfig{
		Jobs:     []servers.Job{{Name: "pull", Protocol: protocols["openmetrics"], File: targets.File}},
		Features: []string{"promql-extended-range-selectors"},
	})
	first := startReplica(t, "first", p.OTLP(), sameIdentity)
	targets.Set(first.address)
	first.Round(t.Context())
	for _, job := range []string{"pull", pushed} {
		p.Await(30*time.Second, shows(job, first.Sent()))
	}
	second := first.restart(t, "second", p.OTLP(), sameIdentity)
	for range 3 {
		second.Round(t.Context())
	}
	want := first.Sent() + second.Sent()
	for _, job := range []string{"pull", pushed} {
		t.Run(job, func(t *testing.T) {
			p.Await(30*time.Second, shows(job, second.Sent()))
			p.Await(10*time.Second, fmt.Sprintf(`sum(increase(http_server_request_duration_seconds_count{job=%q}[5m] anchored)) == %d`, job, want))
			p.Await(10*time.Second, fmt.Sprintf(`sum(increase(http_server_request_duration_seconds_count{job=%q}[5m])) >= %d`, job, want))
			series := p.Query(fmt.Sprintf(`resets(http_server_request_duration_seconds_count{job=%q}[5m])`, job))
			wrong := slices.DeleteFunc(series, func(s servers.Sample) bool { return s.Value == 1 })
			if len(wrong) > 0 {
				t.Errorf("%d series without exactly one reset, such as %v: %v", len(wrong), wrong[0].Labels, wrong[0].Value)
			}
			addPrometheus(duotel, "restart: requests of both processes in increase(), "+job, int(want), fmt.Sprint(len(wrong)))
		})
	}
}

// shows is an expression that returns something when a job shows exactly so many requests.
func shows(job string, requests int64) string {
	return fmt.Sprintf(`sum(http_server_request_duration_seconds_count{job=%q}) == %d`, job, requests)
}

// TestRestartAtTheCollector: the Collector shows the second process alone, as a scrape would. Where it adds up deltas of one and
// the same resource, which in containers includes process.pid, it shows both.
func TestRestartAtTheCollector(t *testing.T) {
	for _, c := range []struct {
		name, identity string
		temporality    exporter.Temporality
		both           bool
	}{
		{"cumulative", sameIdentity, exporter.TemporalityCumulative, false},
		{"delta", sameIdentity, exporter.TemporalityDelta, false},
		{"delta in a container", sameIdentity + ",process.pid=1", exporter.TemporalityDelta, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			delta := c.temporality == exporter.TemporalityDelta
			collector := servers.StartCollector(t, servers.CollectorConfig{Cumulative: delta})
			environment := []string{c.identity, "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=" + string(c.temporality)}
			first := startReplica(t, "first", collector.HTTP, environment...)
			first.Round(t.Context())
			first.Round(t.Context())
			second := first.restart(t, "second", collector.HTTP, environment...)
			second.Round(t.Context())
			second.Stop()

			want := second.Sent()
			if c.both {
				want += first.Sent()
			}
			if got := sum(scrape(t, collector.Metrics), "http_server_request_duration_seconds_count"); got != float64(want) {
				t.Errorf("the Collector shows %v requests, want %d: %d in the first process, %d in the second", got, want, first.Sent(), second.Sent())
			}
			compared, wrong := checkStartTimes(t, collector, delta)
			add(row{duotel, "collector", servers.CollectorTool.Version, "restart: counts and start times, " + c.name, compared, fmt.Sprint(wrong)})
		})
	}
}

// checkStartTimes reads every point of the request histogram that the Collector received. A series has one start time for each
// process, or with deltas one for each point, and none begins before what came before it ended.
func checkStartTimes(t *testing.T, c *servers.Collector, delta bool) (series, wrong int) {
	t.Helper()
	all := histories(t, c)
	for key, points := range all {
		starts := map[uint64]bool{}
		for i, p := range points {
			starts[p.start] = true
			overlaps := i > 0 && p.start < points[i-1].time && (delta || p.start != points[i-1].start)
			if p.start == 0 || p.start >= p.time || overlaps {
				wrong++
				t.Errorf("%s: point %d is from %d to %d, after %v", key, i, p.start, p.time, points[:i])
			}
		}
		if !delta && len(starts) != 2 {
			wrong++
			t.Errorf("%s: %d start times, want 2, one of each process", key, len(starts))
		}
	}
	if len(all) == 0 {
		t.Error("the Collector received no request histogram")
	}
	return len(all), wrong
}

// interval is what a point covers, in nanoseconds.
type interval struct{ start, time uint64 }

// histories are the points of the request histogram by series, oldest first.
func histories(t *testing.T, c *servers.Collector) map[string][]interval {
	t.Helper()
	out := map[string][]interval{}
	for line := range bytes.Lines(c.Received()) {
		var message colmetricpb.ExportMetricsServiceRequest
		if err := protojson.Unmarshal(line, &message); err != nil {
			t.Fatal(err)
		}
		for _, resource := range message.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					if m.GetName() != "http.server.request.duration" {
						continue
					}
					for _, p := range m.GetHistogram().GetDataPoints() {
						labels := map[string]string{}
						for _, kv := range p.GetAttributes() {
							labels[kv.GetKey()] = kv.GetValue().String()
						}
						key := fmt.Sprint(slices.Sorted(maps.Keys(labels)), slices.Sorted(maps.Values(labels)))
						out[key] = append(out[key], interval{p.GetStartTimeUnixNano(), p.GetTimeUnixNano()})
					}
				}
			}
		}
	}
	for _, points := range out {
		slices.SortFunc(points, func(a, b interval) int { return int(a.time) - int(b.time) })
	}
	return out
}
