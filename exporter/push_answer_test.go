package exporter_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/duotel/duotel/exporter"
)

func respond(code int, media, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func refuse(code codes.Code, text string) func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
	return func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
		return nil, status.Error(code, text)
	}
}

const loginPage = "\n<!DOCTYPE html>\n<html><title>Sign in</title></html>"

// F12, F13: each failure has its own reason, and the log says what came back and what to look at.
func TestPushFailureReasons(t *testing.T) {
	for _, tt := range []struct {
		reason string
		answer func(http.ResponseWriter, *http.Request)
		reply  func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error)
		log    []string
	}{
		{"not_otlp", respond(200, "text/html; charset=utf-8", loginPage), nil, []string{"<!DOCTYPE html>", "METRICS_ENDPOINT"}},
		{"not_otlp", respond(200, "", loginPage), nil, []string{"<!DOCTYPE html>"}},
		{"not_otlp", respond(200, "text/plain", "OK, thanks"), nil, []string{"OK, thanks"}},
		{"redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(302)
		}, nil, []string{"302", "/login", "not followed"}},
		{"bad_request", respond(400, "text/plain", "no"), refuse(codes.InvalidArgument, "no"), []string{"no", "PROTOCOL"}},
		{"unauthenticated", respond(401, "application/json", `{"code":16,"message":"bad token"}`), refuse(codes.Unauthenticated, "bad token"), []string{"bad token", "METRICS_HEADERS"}},
		{"forbidden", respond(403, "", "dataset"), refuse(codes.PermissionDenied, "dataset"), []string{"dataset", "METRICS_HEADERS"}},
		{"not_found", respond(404, "text/plain", "404 page not found"), refuse(codes.Unimplemented, "unknown service"), []string{"METRICS_ENDPOINT"}},
		{"throttled", respond(429, "", ""), refuse(codes.ResourceExhausted, "quota"), nil},
		{"unavailable", respond(503, "", "maintenance"), refuse(codes.Unavailable, "maintenance"), []string{"maintenance"}},
		{"server_error", respond(500, "", "oops"), refuse(codes.Internal, "oops"), []string{"oops"}},
		{"client_error", respond(418, "", "teapot"), nil, []string{"teapot"}},
		{"timeout", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(ctx context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, nil},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, nil},
	} {
		for _, protocol := range protocols {
			if protocol == exporter.ProtocolGRPC && tt.reply == nil {
				continue
			}
			t.Run(tt.reason+" "+string(protocol), func(t *testing.T) {
				t.Parallel()
				b := newBackend(t)
				b.script(tt.answer, tt.reply)
				p, log := newPush(t, exporter.PushConfig{
					Endpoint: b.endpoint(protocol), Protocol: protocol, ExportTimeout: 300 * time.Millisecond,
					Headers: map[string]string{"Authorization": "Bearer hunter2"},
				})
				checkFailing(t, p, log, tt.reason, tt.log)
				b.script(nil, nil)
				if err := p.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				s := p.Stats()
				if s.State != exporter.PushHealthy || s.ConsecutiveFailures != 0 || s.LastError != "" || s.LastSuccess.IsZero() {
					t.Errorf("after recovery: %+v", s)
				}
				if log.count("working again") != 1 || log.count("failures=2") != 1 {
					t.Errorf("the log does not say that it works again:\n%s", log)
				}
			})
		}
	}
}

// checkFailing pushes twice and expects one line in the log.
func checkFailing(t *testing.T, p *exporter.Push, log *lines, reason string, want []string) {
	t.Helper()
	for range 2 {
		err := p.ForceFlush(t.Context())
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Fatalf("ForceFlush: %v, want %s", err, reason)
		}
	}
	s := p.Stats()
	if s.State != exporter.PushFailing || s.LastReason != reason || s.Failures[reason] != 2 || s.ConsecutiveFailures != 2 || s.PointsSent != 0 {
		t.Errorf("stats: %+v", s)
	}
	if got := log.count("push: failing"); got != 1 {
		t.Errorf("%d lines in the log, want 1:\n%s", got, log)
	}
	for _, part := range want {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the log lacks %q:\n%s", part, log)
		}
	}
	if strings.Contains(log.String()+s.LastError, "hunter2") {
		t.Errorf("a header's value is shown:\n%s", log)
	}
}

func TestPushConnectionFailureReasons(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	plain := newBackend(t)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tt := range []struct {
		reason, http, grpc string
		timeout            time.Duration
	}{
		{"refused", "http://" + closed, "http://" + closed, 500 * time.Millisecond},
		{"dns", "http://no.such.host.invalid/v1/metrics", "http://no.such.host.invalid:4317", 500 * time.Millisecond},
		{"tls", strings.Replace(plain.http, "http:", "https:", 1), "https://" + plain.grpc, 0},
		{"tls", secure.URL, secure.URL, 0},
	} {
		for protocol, endpoint := range map[exporter.Protocol]string{exporter.ProtocolHTTPProtobuf: tt.http, exporter.ProtocolGRPC: tt.grpc} {
			t.Run(tt.reason+" "+string(protocol), func(t *testing.T) {
				p, log := newPush(t, exporter.PushConfig{Endpoint: endpoint, Protocol: protocol, ExportTimeout: tt.timeout})
				checkFailing(t, p, log, tt.reason, nil)
				if got := p.Stats().AmbiguousRequests; got != 0 {
					t.Errorf("%d requests may have arrived, want none", got)
				}
			})
		}
	}
}

// F12: a partial success counts under whatever content type it comes.
func TestPushPartialSuccess(t *testing.T) {
	response := &colmetricpb.ExportMetricsServiceResponse{PartialSuccess: &colmetricpb.ExportMetricsPartialSuccess{
		RejectedDataPoints: 1, ErrorMessage: "too old",
	}}
	binary, err := proto.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	text, err := protojson.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"protobuf":                respond(200, "application/x-protobuf", string(binary)),
		"protobuf with parameter": respond(200, "application/x-protobuf; charset=utf-8", string(binary)),
		"other protobuf":          respond(200, "application/protobuf", string(binary)),
		"undeclared":              respond(202, "application/octet-stream", string(binary)),
		"json":                    respond(200, "application/json", string(text)),
		"undeclared json":         respond(200, "text/plain", string(text)),
		"grpc":                    nil,
	} {
		t.Run(name, func(t *testing.T) {
			b, protocol := newBackend(t), exporter.ProtocolHTTPProtobuf
			if answer == nil {
				protocol = exporter.ProtocolGRPC
			}
			b.script(answer, func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) { return response, nil })
			p, log := newPush(t, exporter.PushConfig{
				Endpoint: b.endpoint(protocol), Protocol: protocol,
				Producers: []sdkmetric.Producer{gauge("a", 1), gauge("b", 1), gauge("c", 1)},
			})
			for range 2 {
				if err := p.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if s := p.Stats(); s.PointsSent != 4 || s.PointsRejected != 2 || !strings.Contains(s.LastWarning, "too old") {
				t.Errorf("stats: %+v", s)
			}
			if got := log.count("too old"); got != 1 {
				t.Errorf("%d lines in the log, want 1:\n%s", got, log)
			}
		})
	}
}

// F19: what is too large is halved until it fits.
func TestPushSplitsWhatIsTooLarge(t *testing.T) {
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := newBackend(t)
			size := func() int {
				all := b.all()
				return len(metricNames(all[len(all)-1]))
			}
			b.script(func(w http.ResponseWriter, _ *http.Request) {
				if size() > 3 {
					w.WriteHeader(http.StatusRequestEntityTooLarge)
				}
			}, func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
				if size() > 3 {
					return nil, status.Error(codes.ResourceExhausted, "grpc: received message larger than max (9 vs. 3)")
				}
				return &colmetricpb.ExportMetricsServiceResponse{}, nil
			})
			var producers []sdkmetric.Producer
			for i := range 10 {
				producers = append(producers, gauge(fmt.Sprint("m", i), 1))
			}
			p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint(protocol), Protocol: protocol, Producers: producers})
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for _, a := range b.all() {
				if names := metricNames(a); len(names) <= 3 {
					for _, name := range names {
						got[name]++
					}
				}
			}
			if s := p.Stats(); len(got) != 10 || s.PointsSent != 10 || s.PointsLost != 0 {
				t.Errorf("arrived %v, %+v", got, s)
			}
			for name, n := range got {
				if n != 1 {
					t.Errorf("%s arrived %d times", name, n)
				}
			}
		})
	}
}

func TestPushGivesUpASinglePointThatIsTooLarge(t *testing.T) {
	b := newBackend(t)
	b.script(respond(413, "", ""), nil)
	p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint(""), Producers: []sdkmetric.Producer{gauge("a", 1), gauge("b", 1)}})
	if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "too_large") {
		t.Errorf("ForceFlush: %v", err)
	}
	if s := p.Stats(); s.PointsLost != 2 || len(b.all()) != 3 {
		t.Errorf("lost %d in %d requests", s.PointsLost, len(b.all()))
	}
}

func TestPushKeepsToTheBatchSize(t *testing.T) {
	b := newBackend(t)
	var producers []sdkmetric.Producer
	for i := range 7 {
		producers = append(producers, gauge(fmt.Sprint("m", i), 1))
	}
	p, _ := newPush(t, exporter.PushConfig{Endpoint: b.endpoint(""), Producers: producers, MaxExportBatchSize: 3})
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, a := range b.all() {
		sizes = append(sizes, len(metricNames(a)))
	}
	if fmt.Sprint(sizes) != "[3 3 1]" {
		t.Errorf("batches of %v", sizes)
	}
}

func metricNames(a arrival) (names []string) {
	for _, rm := range a.request.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				names = append(names, m.GetName())
			}
		}
	}
	return names
}

// F20: Retry-After is waited for when there is time, and kept to by later pushes when there is not.
func TestPushHonoursRetryAfter(t *testing.T) {
	later := status.New(codes.Unavailable, "later")
	later, err := later.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := newBackend(t)
			asked := make(chan struct{}, 100)
			b.script(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "3600")
				w.WriteHeader(http.StatusTooManyRequests)
				asked <- struct{}{}
			}, func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
				asked <- struct{}{}
				return nil, later.Err()
			})
			collected := make(chan struct{}, 100)
			p, _ := newPush(t, exporter.PushConfig{
				Endpoint: b.endpoint(protocol), Protocol: protocol, Interval: 5 * time.Millisecond,
				Producers: []sdkmetric.Producer{counting{gauge("g", 1), collected}},
			})
			<-asked
			for range 5 {
				<-collected
			}
			if got := len(b.all()); got != 1 {
				t.Errorf("%d requests, want 1", got)
			}
			if err := p.ForceFlush(t.Context()); err == nil {
				t.Error("ForceFlush succeeded")
			}
			if got := len(b.all()); got != 2 {
				t.Errorf("%d requests after ForceFlush, want 2", got)
			}
		})
	}
}

// counting tells of each collection.
type counting struct {
	sdkmetric.Producer
	collected chan<- struct{}
}

func (c counting) Produce(ctx context.Context) (_ []metricdata.ScopeMetrics, err error) {
	select {
	case c.collected <- struct{}{}:
	default:
	}
	return c.Producer.Produce(ctx)
}
