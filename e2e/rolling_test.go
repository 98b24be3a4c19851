package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
)

// TestRollingDeploy replaces one of three replicas. Each is a process with the identity that it made up itself.
func TestRollingDeploy(t *testing.T) {
	targets := servers.NewTargets(t)
	p := servers.StartPrometheus(t, servers.PrometheusConfig{Jobs: []servers.Job{{Name: "pull", Protocol: protocols["openmetrics"], File: targets.File}}})
	a, b, c := startReplica(t, "a", p.OTLP()), startReplica(t, "b", p.OTLP()), startReplica(t, "c", p.OTLP())
	targets.Set(a.address, b.address, c.address)
	p.Await(30*time.Second, `sum(up{job="pull"}) == 3`)
	for range 3 {
		for _, r := range []*replica{a, b, c} {
			r.Round(t.Context())
		}
	}
	seen(t, p, "pull", a.Sent()+b.Sent()+c.Sent())

	d := startReplica(t, "d", p.OTLP())
	targets.Set(a.address, b.address, d.address)
	p.Await(30*time.Second, fmt.Sprintf(`up{job="pull",instance=%q} == 1`, d.address))
	c.Round(t.Context()) // nobody scrapes these any more: the last push has them
	c.Stop()
	d.Send(t.Context(), http.MethodGet, "/fail")
	a.Round(t.Context())

	seen(t, p, "pull", a.Sent()+b.Sent()+d.Sent())
	seen(t, p, pushed, a.Sent()+b.Sent()+c.Sent()+d.Sent())
	p.Await(30*time.Second, `count(count by (instance) (http_server_request_duration_seconds_count{job="e2e"})) == 4`)
	checkMonotonic(t, p)
	checkFirstError(t, p, fmt.Sprintf(`job="pull",instance=%q`, d.address))
	checkFirstError(t, p, fmt.Sprintf(`job="e2e",instance=~%q`, youngest(p)))
}

// seen waits for a job to show this many requests: that is, no more and no fewer in the end.
func seen(t *testing.T, p *servers.Prometheus, job string, want int64) {
	t.Helper()
	p.Await(30*time.Second, fmt.Sprintf(`sum(http_server_request_duration_seconds_count{job=%q}) == %d`, job, want))
	addPrometheus(duotel, "rolling deploy: requests, "+job, int(want), "0")
}

// checkMonotonic reads every raw sample of every counter of the service: none is below the one before it.
func checkMonotonic(t *testing.T, p *servers.Prometheus) {
	t.Helper()
	series := p.Query(`{__name__=~"http_server_.+_(count|bucket|total)",job=~"pull|e2e"}[1h]`)
	backwards := 0
	for _, s := range series {
		for i := 1; i < len(s.Values); i++ {
			if s.Values[i].Value < s.Values[i-1].Value {
				backwards++
				t.Errorf("%v went from %v to %v", s.Labels, s.Values[i-1].Value, s.Values[i].Value)
				break
			}
		}
	}
	addPrometheus(duotel, "rolling deploy: counters that go back", len(series), fmt.Sprint(backwards))
}

// checkFirstError: one error, the first of its series, is an increase.
func checkFirstError(t *testing.T, p *servers.Prometheus, who string) {
	t.Helper()
	p.Await(10*time.Second, fmt.Sprintf(`sum(increase(http_server_request_duration_seconds_count{%s,http_response_status_code="500"}[5m])) > 0.5`, who))
	addPrometheus(duotel, "rolling deploy: first error seen by increase()", 1, "0")
}

// youngest is the pushed instance that has sent one request and no more.
func youngest(p *servers.Prometheus) string {
	found := p.Query(`sum by (instance) (http_server_request_duration_seconds_count{job="e2e"}) == 1`)
	if len(found) != 1 {
		return "none"
	}
	return found[0].Labels["instance"]
}
