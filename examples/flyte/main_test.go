package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestPage wants every metric under the name that operators know, with its labels, at zero before anything failed, and what is drawn
// to add up: what was queued was also taken, and every workflow has an end.
func TestPage(t *testing.T) {
	kit := telemetrytest.New(t)
	e, err := newEngine(kit.SDK.MeterProvider(), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	telemetrytest.AssertSeries(t, kit, "flyteadmin_request_total", map[string]string{"code": "Internal", "method": "unary", "handler": "GetExecution"}, 0)
	telemetrytest.AssertSeries(t, kit, "flytepropeller_task_execution_total", map[string]string{"phase": "failed", "task_type": "spark"}, 0)
	for range 1000 {
		e.request(t.Context())
	}
	page := kit.Scrape(t)
	total := func(name string, labels map[string]string) (sum float64) {
		for _, s := range page.Find(name, labels) {
			sum += s.Value
		}
		return sum
	}
	if n := total("flyteadmin_request_total", nil); n != 1000 {
		t.Errorf("%v requests on the page, 1000 were drawn", n)
	}
	if n := total("flyteadmin_request_duration_seconds_count", nil); n != 1000 {
		t.Errorf("%v durations on the page, 1000 were drawn", n)
	}
	phase := func(p string) float64 {
		return total("flytepropeller_workflow_total", map[string]string{"phase": p})
	}
	if phase("queued") == 0 || phase("queued") != phase("succeeded")+phase("failed") {
		t.Errorf("%v workflows queued, %v succeeded, %v failed", phase("queued"), phase("succeeded"), phase("failed"))
	}
	if in, out := total("flytepropeller_enqueue_total", nil), total("flytepropeller_dequeue_total", nil); in != out || in < phase("queued") {
		t.Errorf("%v put into the queue, %v taken, %v workflows", in, out, phase("queued"))
	}
	if total("datacatalog_request_total", map[string]string{"method": "GetArtifact"}) == 0 {
		t.Error("the data catalog was never asked")
	}
}

// TestContract holds the service to metrics.yaml, from which its dashboards and alerts are made.
func TestContract(t *testing.T) {
	kit := telemetrytest.New(t)
	e, err := newEngine(kit.SDK.MeterProvider(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		e.request(t.Context())
	}
	telemetrytest.AssertContract(t, kit, "metrics.yaml")
}

// TestSick wants a sick engine to fail far more often, in every way that an alert looks at.
func TestSick(t *testing.T) {
	count := func(sick bool) (failed, retried float64) {
		kit := telemetrytest.New(t)
		e, err := newEngine(kit.SDK.MeterProvider(), 1, sick)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			e.request(t.Context())
		}
		page := kit.Scrape(t)
		for _, s := range page.Find("flyteadmin_request_total", nil) {
			if s.Labels["code"] == "Internal" || s.Labels["code"] == "Unavailable" {
				failed += s.Value
			}
		}
		for _, s := range page.Find("flytepropeller_retries_total", nil) {
			retried += s.Value
		}
		return failed, retried
	}
	wellFailed, wellRetried := count(false)
	sickFailed, sickRetried := count(true)
	if sickFailed < 40 || sickFailed < 10*wellFailed || sickRetried < 5*wellRetried {
		t.Errorf("well: %v failed, %v retried; sick: %v failed, %v retried", wellFailed, wellRetried, sickFailed, sickRetried)
	}
}

func TestRun(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "flyte")
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-addr", "127.0.0.1:0", "-for", "200ms"}, 0, "metrics on http://127.0.0.1:"},
		{[]string{"-h"}, 0, "-sick"},
		{[]string{"-rate", "0"}, 2, "-rate=0: allowed are 1 to 10000"},
		{[]string{"well"}, 2, `"well"`},
		{[]string{"-addr", "127.0.0.1:-1"}, 1, "invalid port"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		var out bytes.Buffer
		if status := run(ctx, tt.args, &out, &out); status != tt.status || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%q: status %d, want %d; it says %q, want %q in it", tt.args, status, tt.status, out.String(), tt.says)
		}
		cancel()
	}
}
