package rules

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// Names of what is recorded about requests, for alerts and dashboards. They are the same in each vocabulary.
const (
	RequestRate      = "job:http_server_requests:rate5m"
	FailedRate       = "job:http_server_requests_failed:rate5m"
	FailedRatio      = "job:http_server_requests_failed:ratio_rate5m"
	SlowRatio        = "job:http_server_requests_slow:ratio_rate5m"
	RouteRate        = "job_route:http_server_requests:rate5m"
	RouteFailedRatio = "job_route:http_server_requests_failed:ratio_rate5m"
)

// slow is what a request may take, in seconds. It is a bucket bound in both vocabularies.
const slow = 1

// fewFailures is the number of failures in five minutes below which a ratio says nothing.
const fewFailures = 5

// requestGroup is about the requests of the HTTP server.
func (s service) requestGroup() Group {
	h := s.http
	requests, failed := h.Requests("5m", "job"), h.Failed("5m", "job")
	within, all := h.Duration.Within(slow, "5m", "job"), h.Duration.Count("5m", "job")
	return Group{
		Name: "duotel-requests",
		Records: []Record{
			{Name: RequestRate, Expr: requests},
			{Name: FailedRate, Expr: fmt.Sprintf("(%s) or on (job) 0 * (%s)", failed, requests)},
			{Name: FailedRatio, Expr: names.Ratio(failed, requests, "job")},
			{Name: SlowRatio, Expr: fmt.Sprintf("1 - (%s) / ((%s) > 0)", within, all)},
			{Name: RouteRate, Expr: h.Requests("5m", "job", h.Route)},
			{Name: RouteFailedRatio, Expr: names.Ratio(h.Failed("5m", "job", h.Route), h.Requests("5m", "job", h.Route), "job", h.Route)},
		},
		Alerts: []Alert{s.errorRate(), s.slowRequests()},
	}
}

func (s service) errorRate() Alert {
	failures := fmt.Sprintf("%s * 300 >= %d", s.recorded(FailedRate), fewFailures)
	return Alert{
		Name: "HTTPErrorRateHigh", Severity: Page, For: 5 * time.Minute,
		Expr:        fmt.Sprintf("%s > 0.01\nand on (job)\n%s", s.recorded(FailedRatio), failures),
		Summary:     "{{ $labels.job }} fails more than 1% of its requests.",
		Description: "{{ $value | humanizePercentage }} of the requests of the last five minutes failed: answered with 5xx, panicked, or broken off by the service.",
		Firing: Case{
			Series: s.traffic(Phase{Minutes: 30, OK: 114, Failed: 6}), At: 15 * time.Minute,
			Labels: s.labels(), Value: 0.05,
		},
		// One request in three fails, and that is three in five minutes; later more fail, and that is less than 1 %.
		Silent: Case{
			Series: s.traffic(Phase{Minutes: 15, OK: 1, Failed: 0.5}, Phase{Minutes: 30, OK: 1194, Failed: 6}), At: 40 * time.Minute,
			Also: []time.Duration{12 * time.Minute},
		},
	}
}

func (s service) slowRequests() Alert {
	failures := fmt.Sprintf("%s * on (job) %s * 300 >= %d", s.recorded(SlowRatio), s.recorded(RequestRate), fewFailures)
	return Alert{
		Name: "HTTPRequestsSlow", Severity: Ticket, For: 5 * time.Minute,
		Expr:        fmt.Sprintf("%s > 0.01\nand on (job)\n%s", s.recorded(SlowRatio), failures),
		Summary:     "The 99th percentile of {{ $labels.job }}'s request durations is over 1 s.",
		Description: "{{ $value | humanizePercentage }} of the requests of the last five minutes took longer than 1 s. This is counted at the bucket's bound and not estimated.",
		Firing: Case{
			Series: s.traffic(Phase{Minutes: 30, OK: 114, Slow: 6}), At: 15 * time.Minute,
			Labels: s.labels(), Value: 0.05,
		},
		Silent: Case{
			Series: s.traffic(Phase{Minutes: 30, OK: 1194, Slow: 6}), At: 20 * time.Minute,
		},
	}
}

// labels are those of an alert about the whole service.
func (s service) labels() map[string]string { return map[string]string{"job": s.Job} }

// target are the labels of an alert about one instance, and others.
func (s service) target(more ...string) map[string]string {
	out := map[string]string{"job": s.Job, "instance": instance}
	for i := 0; i+1 < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}
