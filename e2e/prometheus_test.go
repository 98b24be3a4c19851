package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
)

// protocols are the ways Prometheus scrapes, by the name of the job.
var protocols = map[string]string{
	"text":        "PrometheusText0.0.4",
	"openmetrics": "OpenMetricsText1.0.0",
	"protobuf":    "PrometheusProto",
}

// pushed is the job of what arrives over OTLP: service.name.
const pushed = "e2e"

// scraping starts a Prometheus that will scrape the targets in a file by every protocol: the service needs the address
// that it pushes to, and Prometheus those of the service.
func scraping(t *testing.T, cfg servers.PrometheusConfig) (p *servers.Prometheus, target func(addresses ...string)) {
	t.Helper()
	targets := servers.NewTargets(t)
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		cfg.Jobs = append(cfg.Jobs, servers.Job{Name: name, Protocol: protocols[name], File: targets.File})
	}
	return servers.StartPrometheus(t, cfg), targets.Set
}

// quiescent pushes, and returns when every job has scraped what there is now.
func quiescent(t *testing.T, p *servers.Prometheus, s *service.Service) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatalf("flush: %v", err)
	}
	now := float64(time.Now().UnixMilli()) / 1000
	for job := range protocols {
		p.Await(30*time.Second, fmt.Sprintf("timestamp(up{job=%q}) > %f and up == 1", job, now))
	}
}

// job returns the series of a job that are compared.
func job(p *servers.Prometheus, name string) compare.Series {
	return compare.FromPrometheus(p.Query(fmt.Sprintf("{job=%q}", name)), compare.Labels()...).Only(compare.Ours)
}

// exponential says whether a series is of the histogram that is native in protobuf and over OTLP, and has classic buckets in
// the text formats.
func exponential(name string) bool { return strings.HasPrefix(name, "e2e_exponential_seconds") }

func notExponential(name string) bool { return !exponential(name) }

// TestSameSeriesBothWays is the promise: one service, scraped in three formats and pushed, is the same series four times.
func TestSameSeriesBothWays(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{Promote: []string{"team"}})
	cfg := base(p.OTLP())
	cfg.Labels = map[string]string{"team": "e2e"}
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	exercise(t, s)
	quiescent(t, p, s)

	right := job(p, pushed)
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		t.Run(name, func(t *testing.T) {
			keep := notExponential
			if name == "protobuf" {
				keep = func(string) bool { return true }
			}
			result := compare.Diff(job(p, name).Only(keep), right.Only(keep), compare.Moving)
			expectEqual(t, result)
			addPrometheus(duotel, name+" and OTLP/HTTP", result.Compared, differences(result))
		})
	}
	t.Run("text and openmetrics", func(t *testing.T) {
		result := compare.Diff(job(p, "text"), job(p, "openmetrics"), compare.Moving)
		expectEqual(t, result)
		addPrometheus(duotel, "text and openmetrics", result.Compared, differences(result))
	})
	t.Run("target_info", func(t *testing.T) { checkTargetInfo(t, p) })
	t.Run("exemplars", func(t *testing.T) { checkExemplars(t, p) })
	t.Run("start times", func(t *testing.T) { checkZeroSamples(t, p) })
	t.Run("truth", func(t *testing.T) { checkTruth(t, p, s) })
}

// checkTargetInfo compares the resource: scraped, its identity is in target_info too.
func checkTargetInfo(t *testing.T, p *servers.Prometheus) {
	without := append(compare.Labels(), "__type__")
	left := compare.FromPrometheus(p.Query(`target_info{job="openmetrics"}`), without...)
	right := compare.FromPrometheus(p.Query(`target_info{job="e2e"}`), without...)
	result := compare.Diff(left, right, compare.Moving)
	expectEqual(t, result)
	addPrometheus(duotel, "target_info", result.Compared, differences(result))
}

// checkExemplars: whatever can carry exemplars does.
func checkExemplars(t *testing.T, p *servers.Prometheus) {
	for _, name := range []string{"openmetrics", "protobuf", pushed} {
		found, missing := p.Exemplars(fmt.Sprintf("{job=%q}", name)), 0
		for _, metric := range []string{"e2e_int_histogram_bytes_bucket", "e2e_int_counter_total"} {
			if found[metric] == 0 {
				missing++
				t.Errorf("%s: no exemplars of %s", name, metric)
			}
		}
		addPrometheus(duotel, "metrics with exemplars, "+name, len(found), fmt.Sprint(missing))
	}
}

// checkZeroSamples: where a format has start times, a series begins with a zero, so that increase() sees its first value.
func checkZeroSamples(t *testing.T, p *servers.Prometheus) {
	for _, name := range []string{"openmetrics", "protobuf", pushed} {
		samples := p.Query(fmt.Sprintf(`e2e_int_counter_total{job=%q}[1h]`, name))
		zeros := 0
		for _, s := range samples {
			if len(s.Values) > 0 && s.Values[0].Value == 0 {
				zeros++
			}
		}
		if len(samples) == 0 || zeros != len(samples) {
			t.Errorf("%s: %d of %d series begin with a zero", name, zeros, len(samples))
		}
		addPrometheus(duotel, "zero samples, "+name, len(samples), fmt.Sprint(len(samples)-zeros))
	}
}

// checkTruth compares with what was sent.
func checkTruth(t *testing.T, p *servers.Prometheus, s *service.Service) {
	for _, name := range append(slices.Sorted(maps.Keys(protocols)), pushed) {
		lost := float64(s.Sent()) - total(p, name)
		if lost != 0 {
			t.Errorf("%s: %v of %d requests lost", name, lost, s.Sent())
		}
		addPrometheus(duotel, "requests sent and seen, "+name, int(s.Sent()), fmt.Sprint(lost))
	}
}

// total is the number of requests that a job has seen.
func total(p *servers.Prometheus, job string) float64 {
	got := p.Query(fmt.Sprintf(`sum(http_server_request_duration_seconds_count{job=%q})`, job))
	if len(got) != 1 {
		return 0
	}
	return got[0].Value
}
