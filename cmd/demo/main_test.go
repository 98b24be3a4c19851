package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// environment is a lookup function.
func environment(vars map[string]string) func(string) (string, bool) {
	return func(key string) (string, bool) {
		v, ok := vars[key]
		return v, ok
	}
}

// transcript is an output that a test can wait on.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
	grew chan struct{}
}

func newTranscript() *transcript { return &transcript{grew: make(chan struct{}, 1)} }

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case t.grew <- struct{}{}:
	default:
	}
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// runDemo runs it on a free port and returns its status and what it wrote.
func runDemo(t *testing.T, vars map[string]string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	out, errOut := newTranscript(), newTranscript()
	status = run(t.Context(), append([]string{"-addr", "127.0.0.1:0"}, args...), environment(vars), out, errOut)
	return status, out.String(), errOut.String()
}

// visited runs a demo with a load until requests of the test's own are answered: how many the load sends
// in a time is up to the machine. It is compared as with -for.
func visited(t *testing.T, vars map[string]string, before func(*demo)) (stdout, stderr string, err error) {
	t.Helper()
	out, errOut := newTranscript(), newTranscript()
	d, err := open(t.Context(), flags{addr: "127.0.0.1:0", load: 100, health: mixed, duration: time.Hour}, environment(vars), out, errOut)
	if err != nil {
		t.Fatal(err)
	}
	before(d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ran := make(chan error, 1)
	go func() { ran <- d.run(ctx) }()
	for range 10 {
		visit(t, http.MethodGet, d.url()+"/fast")
		visit(t, http.MethodGet, d.url()+panicPath)
		visit(t, http.MethodPost, d.url()+"/upload")
	}
	cancel()
	err = <-ran
	return out.String(), errOut.String(), err
}

// visit sends one request over a connection of its own. That there is no answer is fine: one route panics.
func visit(t *testing.T, method, url string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if resp, err := transport.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	}
}

func TestBothExitsAgree(t *testing.T) {
	environments := map[string]map[string]string{
		"default":     nil,
		"grpc":        {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc"},
		"delta":       {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"},
		"other names": {"METRICS_NAMESPACE": "shop", "METRICS_SUBSYSTEM": "api", "METRICS_CUSTOM_LABELS": "team=blue"},
	}
	for name, vars := range environments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, errOut, err := visited(t, vars, func(*demo) {})
			if err != nil {
				t.Errorf("run = %v; want nil", err)
			}
			for _, want := range []string{
				`(?m)^scrape +http://127\.0\.0\.1:\d+/metrics$`,
				`(?m)^push +http://127\.0\.0\.1:\d+`,
				`demo_uploaded_bytes_total +[1-9]`,
				`http_server_request_duration_seconds_count GET /fast 200 +[1-9]`,
				`http_server_request_duration_seconds_count GET /panic 500 panic +[1-9]`,
				`(?m)^both exits agree on all [1-9]\d+ series, to the last count$`,
				`(?m)^pushed +[1-9]\d* points sent, 0 rejected, 0 lost$`,
			} {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no line like %q", want)
				}
			}
			if t.Failed() {
				t.Logf("stdout:\n%s\nstderr:\n%s", out, errOut)
			}
		})
	}
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := newTranscript()
	status := make(chan int, 1)
	go func() { status <- run(ctx, []string{"-addr", "127.0.0.1:0"}, environment(nil), out, newTranscript()) }()
	for !strings.Contains(out.String(), "push  ") {
		<-out.grew
	}
	cancel()
	if got := <-status; got != exitOK {
		t.Errorf("status %d; want 0", got)
	}
	if !regexp.MustCompile(`pushed +[1-9]\d* points sent, 0 rejected, 0 lost\n$`).MatchString(out.String()) {
		t.Errorf("the last line does not say what was sent:\n%s", out)
	}
}

func TestPushesToTheEndpointInTheEnvironment(t *testing.T) {
	t.Parallel()
	b := telemetrytest.NewBackend(t)
	vars := map[string]string{
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": b.HTTPEndpoint(),
		"OTEL_EXPORTER_OTLP_METRICS_HEADERS":  "Authorization=Bearer%20x,X-Axiom-Metrics-Dataset=demo",
	}
	out, errOut, err := visited(t, vars, func(*demo) {})
	if err != nil || !strings.Contains(out, b.HTTPEndpoint()) || strings.Contains(out, "inside this process") {
		t.Fatalf("run = %v; stdout:\n%s\nstderr:\n%s", err, out, errOut)
	}
	if b.Sum("http.server.request.duration", nil) == 0 {
		t.Errorf("the backend received no requests: %v", b.Series())
	}
	if h := b.Requests()[0].Header; h.Get("Authorization") != "Bearer x" || h.Get("X-Axiom-Metrics-Dataset") != "demo" {
		t.Error("the headers of the environment did not arrive")
	}
}

func TestDeadEndpointIsAFailure(t *testing.T) {
	t.Parallel()
	vars := map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:1/v1/metrics", "OTEL_METRIC_EXPORT_TIMEOUT": "2000"}
	status, out, _ := runDemo(t, vars, "-for", "200ms", "-load", "50")
	if status != exitFailed || !regexp.MustCompile(`pushed +0 points sent, 0 rejected, [1-9]\d* lost`).MatchString(out) {
		t.Errorf("status %d; want 1, and that points were lost:\n%s", status, out)
	}
}

func TestDisabled(t *testing.T) {
	t.Parallel()
	status, out, _ := runDemo(t, map[string]string{"OTEL_SDK_DISABLED": "true"}, "-for", "100ms")
	if status != exitOK || !strings.Contains(out, "telemetry  is off") {
		t.Errorf("status %d; stdout:\n%s", status, out)
	}
}

func TestPullOnly(t *testing.T) {
	t.Parallel()
	status, out, _ := runDemo(t, map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"}, "-for", "100ms")
	if status != exitOK || !strings.Contains(out, "push       is off") {
		t.Errorf("status %d; stdout:\n%s", status, out)
	}
}

func TestCannotStart(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	tests := []struct {
		vars   map[string]string
		args   []string
		status int
		says   []string
	}{
		{nil, []string{"-addr", busy.Addr().String()}, exitFailed, []string{`-addr="` + busy.Addr().String() + `"`, "another process uses this port", "127.0.0.1:0"}},
		{nil, []string{"-addr", "nowhere"}, exitFailed, []string{`-addr="nowhere"`, "host:port"}},
		{map[string]string{"OTEL_METRIC_EXPORT_INTERVAL": "10s"}, nil, exitFailed, []string{`OTEL_METRIC_EXPORT_INTERVAL="10s"`}},
		{nil, []string{"-load", "-1"}, exitUsage, []string{`-load="-1"`, "0 to 10000"}},
		{nil, []string{"-load", "10001"}, exitUsage, []string{`-load="10001"`}},
		{nil, []string{"-for", "-1s"}, exitUsage, []string{`-for="-1s"`, "negative"}},
		{nil, []string{"-health", "ill"}, exitUsage, []string{`-health="ill"`, "mixed, healthy or sick"}},
		{nil, []string{"-wat"}, exitUsage, []string{"-wat", "-addr", "-load", "-for"}},
		{nil, []string{"serve"}, exitUsage, []string{`"serve"`, "only flags"}},
		{nil, []string{"-help"}, exitOK, []string{"-addr", "-load", "-for", "exit status", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"}},
	}
	for _, tt := range tests {
		status, _, errOut := runDemo(t, tt.vars, tt.args...)
		if status != tt.status {
			t.Errorf("%v %v: status %d; want %d", tt.vars, tt.args, status, tt.status)
		}
		for _, want := range tt.says {
			if !strings.Contains(errOut, want) {
				t.Errorf("%v %v: %q does not say %q", tt.vars, tt.args, errOut, want)
			}
		}
	}
}

func TestTrafficIsAHundred(t *testing.T) {
	for h, shares := range traffic {
		sum := 0
		for _, s := range shares {
			sum += s.weight
		}
		if sum >= 100 {
			t.Errorf("%s: the weights add up to %d; want something left for /fast", h, sum)
		}
		if _, path := pick(shares, sum-1); path != shares[len(shares)-1].path {
			t.Errorf("%s: pick(%d) = %s; want the last one", h, sum-1, path)
		}
		if _, path := pick(shares, 99); path != "/fast" {
			t.Errorf("%s: pick(99) = %s; want /fast", h, path)
		}
	}
}

// TestSick wants everything that an alert looks for to be on the page of a sick demo, and none of it on that of a healthy one.
func TestSick(t *testing.T) {
	for _, h := range []health{healthy, sick} {
		t.Run(string(h), func(t *testing.T) {
			t.Parallel()
			d, err := open(t.Context(), flags{addr: "127.0.0.1:0", load: 100, health: h, duration: time.Hour}, environment(nil), newTranscript(), newTranscript())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			ran := make(chan error, 1)
			go func() { ran <- d.run(ctx) }()
			signs := []string{
				`http_server_request_duration_seconds_count\{.*error_type="500".*} [1-9]`,
				`http_server_request_duration_seconds_bucket\{.*http_route="/slow".*le="1"} 0`,
				`duotel_push_failures_total\{.*} [1-9]`,
				`duotel_callback_failures_total\{.*} [1-9]`,
				`duotel_cardinality_used\{.*instrument="demo.orders".*} 2000`,
			}
			page := ""
			if h == sick {
				page = awaitPage(ctx, t, d.url(), signs)
			} else {
				page = awaitPage(ctx, t, d.url(), []string{`http_client_request_duration_seconds_count\{.*} [1-9]`, `http_server_request_duration_seconds_count\{.*/slow.*} [1-9]`})
			}
			for _, sign := range signs {
				if got := regexp.MustCompile(sign).MatchString(page); got != (h == sick) {
					t.Errorf("%s: %t", sign, got)
				}
			}
			cancel()
			if err := <-ran; h == healthy && err != nil {
				t.Errorf("run = %v", err)
			}
		})
	}
}

// awaitPage returns the page as soon as it has all of the lines, or when ctx ends.
func awaitPage(ctx context.Context, t *testing.T, url string, lines []string) (page string) {
	t.Helper()
	for ctx.Err() == nil {
		resp, err := http.Get(url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		page = string(data)
		if !slices.ContainsFunc(lines, func(l string) bool { return !regexp.MustCompile(l).MatchString(page) }) {
			return page
		}
		pause(ctx, 100*time.Millisecond)
	}
	return page
}
