package exporter_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

func respond(code int, media, body string) httpAnswer {
	return func(w http.ResponseWriter, _ *http.Request) {
		if media != "" {
			w.Header().Set("Content-Type", media)
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

func refuse(code codes.Code, text string) grpcReply {
	return func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
		return nil, status.Error(code, text)
	}
}

const loginPage = "\n<!DOCTYPE html>\n<html><title>Sign in</title></html>"

// F12, F13: each failure has its own reason, and the log says what came back and what to look at.
func TestPushFailureReasons(t *testing.T) {
	for _, tt := range []struct {
		reason string
		mode   fault
		answer httpAnswer
		reply  grpcReply
		log    []string
	}{
		{"not_otlp", up, respond(200, "text/html; charset=utf-8", loginPage), nil, []string{"<!DOCTYPE html>", "METRICS_ENDPOINT"}},
		{"not_otlp", up, respond(200, "", loginPage), nil, []string{"<!DOCTYPE html>"}},
		{"not_otlp", up, respond(200, "text/plain", "OK, thanks"), nil, []string{"OK, thanks"}},
		{"redirect", up, redirect, nil, []string{"302", "/login", "not followed"}},
		{"bad_request", up, respond(400, "text/plain", "no"), refuse(codes.InvalidArgument, "no"), []string{"no", "PROTOCOL"}},
		{"unauthenticated", up, respond(401, "application/json", `{"code":16,"message":"bad token"}`), refuse(codes.Unauthenticated, "bad token"), []string{"bad token", "METRICS_HEADERS"}},
		{"forbidden", up, respond(403, "", "dataset"), refuse(codes.PermissionDenied, "dataset"), []string{"dataset", "METRICS_HEADERS"}},
		{"not_found", up, respond(404, "text/plain", "404 page not found"), refuse(codes.Unimplemented, "unknown service"), []string{"METRICS_ENDPOINT"}},
		{"throttled", up, respond(429, "", ""), refuse(codes.ResourceExhausted, "quota"), nil},
		{"unavailable", up, respond(503, "", "maintenance"), refuse(codes.Unavailable, "maintenance"), []string{"maintenance"}},
		{"server_error", up, respond(500, "", "oops"), refuse(codes.Internal, "oops"), []string{"oops"}},
		{"client_error", up, respond(418, "", "teapot"), nil, []string{"teapot"}},
		{"timeout", hanging, nil, nil, nil},
		{"timeout", blackholed, nil, nil, nil},
		{"reset", resetting, nil, nil, nil},
		{"refused", refused, nil, nil, []string{"nothing listens"}},
	} {
		for _, protocol := range protocols {
			if protocol == exporter.ProtocolGRPC && tt.reply == nil && tt.mode == up {
				continue
			}
			bubble(t, tt.reason+" "+string(protocol), func(t *testing.T) {
				b := newBackend(t)
				b.set(tt.mode)
				b.script(tt.answer, tt.reply)
				p, log := newPush(t, b.to(protocol, exporter.PushConfig{Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer hunter2"})}))
				checkFailing(t, p, p.ForceFlush, log, tt.reason, tt.log)
				if s := p.Stats(); (s.AmbiguousRequests > 0) != (tt.mode == hanging || tt.mode == resetting) {
					t.Errorf("%d requests may have arrived", s.AmbiguousRequests)
				}
				b.set(up)
				b.script(nil, nil)
				checkRecovery(t, p, log)
			})
		}
	}
}

func redirect(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "/login")
	w.WriteHeader(302)
}

func checkRecovery(t *testing.T, p *exporter.Push, log *lines) {
	t.Helper()
	requests := p.Stats().Requests
	if err := p.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := p.Stats()
	if s.State != exporter.PushHealthy || s.ConsecutiveFailures != 0 || s.LastError != "" || s.LastSuccess.IsZero() {
		t.Errorf("after recovery: %+v", s)
	}
	if s.Requests != requests+1 {
		t.Errorf("recovery took %d requests, want 1", s.Requests-requests)
	}
	if log.count("working again") != 1 || log.count("failures=2") != 1 {
		t.Errorf("the log does not say that it works again:\n%s", log)
	}
}

// checkFailing tries twice and expects one line in the log.
func checkFailing(t *testing.T, p *exporter.Push, try func(context.Context) error, log *lines, reason string, want []string) {
	t.Helper()
	for range 2 {
		err := try(t.Context())
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Fatalf("%v, want %s", err, reason)
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

// What only a real network can say. A preflight tries once, so that no time limit decides.
func TestPushConnectionFailureReasons(t *testing.T) {
	listener := listen(t)
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	plain := newLoopback(t)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = nil
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tt := range []struct{ reason, http, grpc string }{
		{"refused", "http://" + closed, "http://" + closed},
		{"dns", "http://no.such.host.invalid/v1/metrics", "http://no.such.host.invalid:4317"},
		{"tls", secured(plain.urls[exporter.ProtocolHTTPProtobuf]), secured(plain.urls[exporter.ProtocolGRPC])},
		{"tls", secure.URL, secure.URL},
	} {
		for protocol, endpoint := range map[exporter.Protocol]string{exporter.ProtocolHTTPProtobuf: tt.http, exporter.ProtocolGRPC: tt.grpc} {
			t.Run(tt.reason+" "+string(protocol), func(t *testing.T) {
				p, log := newPush(t, exporter.PushConfig{Endpoint: endpoint, Protocol: protocol, Timeout: time.Minute})
				checkFailing(t, p, p.Preflight, log, tt.reason, nil)
				if got := p.Stats().AmbiguousRequests; got != 0 {
					t.Errorf("%d requests may have arrived, want none", got)
				}
			})
		}
	}
}

func secured(url string) string { return strings.Replace(url, "http:", "https:", 1) }

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
		bubble(t, name, func(t *testing.T) {
			b, protocol := newBackend(t), exporter.ProtocolHTTPProtobuf
			if answer == nil {
				protocol = exporter.ProtocolGRPC
			}
			b.script(answer, func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) { return response, nil })
			p, log := newPush(t, b.to(protocol, exporter.PushConfig{
				Producers: []sdkmetric.Producer{gauge("a", 1), gauge("b", 1), gauge("c", 1)},
			}))
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

// partial refuses some points.
func partial(tb testing.TB, rejected int64) (httpAnswer, grpcReply) {
	response := &colmetricpb.ExportMetricsServiceResponse{PartialSuccess: &colmetricpb.ExportMetricsPartialSuccess{
		RejectedDataPoints: rejected, ErrorMessage: "too old",
	}}
	binary, err := proto.Marshal(response)
	if err != nil {
		tb.Fatal(err)
	}
	reply := func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) { return response, nil }
	return respond(200, "application/x-protobuf", string(binary)), reply
}
