package telemetrytest_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// post sends an empty message and returns the answer as it travelled.
func post(t *testing.T, b *telemetrytest.Backend) (status int, header http.Header, body []byte) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Post(b.HTTPEndpoint(), "application/x-protobuf", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, body
}

// retryInfo sends an empty message and returns the delay the answer asks for; 0 for none.
func retryInfo(t *testing.T, b *telemetrytest.Backend) time.Duration {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(b.GRPCEndpoint(), "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = colmetricpb.NewMetricsServiceClient(conn).Export(t.Context(), &colmetricpb.ExportMetricsServiceRequest{})
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

func TestRetryAfter(t *testing.T) {
	b := telemetrytest.NewBackend(t)
	tests := []struct {
		answer telemetrytest.Answer
		status int
		header string
		info   time.Duration
	}{
		{telemetrytest.TooManyRequests(0), 429, "", 0},
		{telemetrytest.TooManyRequests(30 * time.Second), 429, "30", 30 * time.Second},
		{telemetrytest.Unavailable(1500 * time.Millisecond), 503, "2", 1500 * time.Millisecond},
		{telemetrytest.Status(502).WithRetryAfter(time.Millisecond), 502, "1", time.Millisecond},
		{telemetrytest.TooLarge(), 413, "", 0},
	}
	for _, tt := range tests {
		b.Script(tt.answer, tt.answer)
		code, header, _ := post(t, b)
		if code != tt.status || header.Get("Retry-After") != tt.header {
			t.Errorf("%v: status %d, Retry-After %q; want %d, %q", tt.answer, code, header.Get("Retry-After"), tt.status, tt.header)
		}
		if got := retryInfo(t, b); got != tt.info {
			t.Errorf("%v: RetryInfo %v; want %v", tt.answer, got, tt.info)
		}
	}
}

func TestBodyFollowsContentType(t *testing.T) {
	b := telemetrytest.NewBackend(t)
	partial := telemetrytest.PartialSuccess(7, "too old")
	want := &colmetricpb.ExportMetricsServiceResponse{PartialSuccess: &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: 7, ErrorMessage: "too old"}}
	for contentType, unmarshal := range map[string]func([]byte, proto.Message) error{
		"application/x-protobuf":                proto.Unmarshal,
		"application/x-protobuf; charset=utf-8": proto.Unmarshal,
		"application/json":                      protojson.Unmarshal,
		"application/json; charset=utf-8":       protojson.Unmarshal,
	} {
		b.Script(partial.WithContentType(contentType))
		_, header, body := post(t, b)
		var got colmetricpb.ExportMetricsServiceResponse
		if err := unmarshal(body, &got); err != nil || !proto.Equal(&got, want) {
			t.Errorf("%s: body %q: %v", contentType, body, err)
		}
		if header.Get("Content-Type") != contentType {
			t.Errorf("content type = %q; want %q", header.Get("Content-Type"), contentType)
		}
	}
}

func TestErrorBodyIsAStatus(t *testing.T) {
	b := telemetrytest.NewBackend(t)
	b.Script(telemetrytest.Status(403).WithMessage("not this dataset"), telemetrytest.HTML("<title>Log in</title>"))
	_, _, body := post(t, b)
	got := status.New(0, "").Proto()
	if err := proto.Unmarshal(body, got); err != nil || got.GetMessage() != "not this dataset" || got.GetCode() != 7 {
		t.Errorf("body %q is %v: %v; want PERMISSION_DENIED with the message", body, got, err)
	}
	if code, header, body := post(t, b); code != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !bytes.Contains(body, []byte("Log in")) {
		t.Errorf("page: %d %v %q", code, header, body)
	}
}
