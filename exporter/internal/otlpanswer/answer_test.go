package otlpanswer_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	. "github.com/duotel/duotel/exporter/internal/otlpanswer"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func response(code int, header map[string]string, body string) *http.Response {
	h := http.Header{}
	for key, value := range header {
		h.Set(key, value)
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func TestHTTPStatus(t *testing.T) {
	for code, want := range map[int]Reason{
		200: "", 202: "", 204: "", 301: Redirect, 307: Redirect, 400: BadRequest, 422: BadRequest, 401: Unauthenticated, 407: Unauthenticated,
		403: Forbidden, 404: NotFound, 405: NotFound, 410: NotFound, 413: TooLarge, 429: Throttled,
		500: ServerError, 501: ServerError, 502: Unavailable, 503: Unavailable, 504: Unavailable, 418: ClientError,
	} {
		got := FromHTTP(response(code, nil, ""), now)
		if got.Reason != want || got.Ambiguous {
			t.Errorf("%d is %+v, want %s", code, got, want)
		}
		if want != "" && !strings.Contains(got.Detail, fmt.Sprint("HTTP ", code)) {
			t.Errorf("%d: the detail is %q", code, got.Detail)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "30": 30 * time.Second, " 7 ": 7 * time.Second, "-5": 0, "soon": 0, "1.5": 0,
		now.Add(time.Minute).Format(http.TimeFormat):  time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat): 0,
		"9223372036854775807":                         365 * 24 * time.Hour,
	} {
		if got := FromHTTP(response(503, map[string]string{"Retry-After": value}, ""), now).RetryAfter; got != want {
			t.Errorf("%q is %v, want %v", value, got, want)
		}
	}
}

func TestDetailIsTheStatusMessageOrTheFirstLine(t *testing.T) {
	for _, tt := range []struct{ media, body, want string }{
		{"application/json", `{"code":3,"message":"no such field"}`, "HTTP 400: no such field (application/json)"},
		{"text/html", "\r\n\t<h1>Bad\x00</h1>\nmore", "HTTP 400: <h1>Bad </h1> (text/html)"},
		{"", "", "HTTP 400: (empty)"},
		{"", "caf\xe9", "HTTP 400: caf\uFFFD"},
	} {
		if got := FromHTTP(response(400, map[string]string{"Content-Type": tt.media}, tt.body), now).Detail; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	long := FromHTTP(response(400, nil, strings.Repeat("é", 5000)), now).Detail
	if len(long) > 300 || !utf8.ValidString(long) {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

func TestGRPCStatus(t *testing.T) {
	for _, tt := range []struct {
		code      codes.Code
		message   string
		want      Reason
		ambiguous bool
	}{
		{codes.Unauthenticated, "", Unauthenticated, false},
		{codes.PermissionDenied, "", Forbidden, false},
		{codes.Unimplemented, "", NotFound, false},
		{codes.InvalidArgument, "", BadRequest, false},
		{codes.ResourceExhausted, "quota", Throttled, false},
		{codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)", TooLarge, false},
		{codes.DeadlineExceeded, "context deadline exceeded", Timeout, true},
		{codes.Canceled, "", Canceled, true},
		{codes.Unavailable, "maintenance", Unavailable, false},
		{codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial tcp: connect: connection refused"`, Refused, false},
		{codes.Unavailable, `connection error: desc = "transport: authentication handshake failed: tls: bad"`, TLS, false},
		{codes.Unavailable, "dns: A record lookup error: no such host", DNS, false},
		{codes.Unavailable, `name resolver error: dns: A record lookup error: lookup h on 127.0.0.1:53: read: connection refused`, DNS, false},
		{codes.Unavailable, `dns: A record lookup error: lookup h: i/o timeout`, DNS, false},
		{codes.Unavailable, "error reading from server: EOF", Reset, true},
		{codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR", Reset, true},
		{codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL", Reset, true},
		{codes.ResourceExhausted, "stream terminated by RST_STREAM with error code: ENHANCE_YOUR_CALM", Throttled, false},
		{codes.Unavailable, "stream terminated by RST_STREAM with error code: REFUSED_STREAM", Reset, false},
		{codes.DeadlineExceeded, "stream terminated by RST_STREAM with error code: CANCEL", Timeout, true},
		{codes.Internal, "server closed the stream without sending trailers", Reset, true},
		{codes.Unavailable, `transport: Error while dialing: dial tcp: i/o timeout`, Timeout, false},
		{codes.Unknown, "unexpected HTTP status code received from server: 200 (OK)", NotOTLP, false},
		{codes.Internal, "", ServerError, false},
		{codes.Aborted, "", Unavailable, false},
	} {
		got := FromGRPC(nil, status.Error(tt.code, tt.message))
		if got.Reason != tt.want || got.Ambiguous != tt.ambiguous {
			t.Errorf("%v %q is %+v, want %s", tt.code, tt.message, got, tt.want)
		}
	}
	s, err := status.New(codes.ResourceExhausted, "message too large for now").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	if got := FromGRPC(nil, s.Err()); got.Reason != Throttled || got.RetryAfter != time.Second {
		t.Errorf("with a delay: %+v", got)
	}
	if got := FromGRPC(&colmetricpb.ExportMetricsServiceResponse{}, nil); !got.Accepted() {
		t.Errorf("success is %+v", got)
	}
}

func TestErrorWithoutAnswer(t *testing.T) {
	dial := func(err error) error {
		return &url.Error{Op: "Post", URL: "http://u:secret@h", Err: &net.OpError{Op: "dial", Err: err}}
	}
	read := func(err error) error { return &net.OpError{Op: "read", Err: err} }
	for _, tt := range []struct {
		err       error
		want      Reason
		ambiguous bool
	}{
		{dial(syscall.ECONNREFUSED), Refused, false},
		{dial(&net.DNSError{Err: "no such host"}), DNS, false},
		{dial(context.DeadlineExceeded), Timeout, false},
		{dial(syscall.EHOSTUNREACH), Network, false},
		{read(syscall.ECONNRESET), Reset, true},
		{io.EOF, Reset, true},
		{context.DeadlineExceeded, Timeout, true},
		{context.Canceled, Canceled, true},
		{x509.UnknownAuthorityError{}, TLS, false},
		{errors.New("other"), Network, true},
	} {
		got := FromError(tt.err)
		if got.Reason != tt.want || got.Ambiguous != tt.ambiguous {
			t.Errorf("%v is %+v, want %s", tt.err, got, tt.want)
		}
		if strings.Contains(got.Detail, "secret") {
			t.Errorf("the detail shows a secret: %q", got.Detail)
		}
	}
}

// A failure that only a person can end says what to look at, and is not tried again at once.
func TestEveryReasonHelps(t *testing.T) {
	for _, r := range Reasons() {
		a := Answer{Reason: r, Detail: "what came back"}
		if r.NeedsPerson() && (a.Advice() == "" || a.Retryable()) {
			t.Errorf("%s: advice %q, retryable %v", r, a.Advice(), a.Retryable())
		}
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), string(r)+": what came back") {
			t.Errorf("%s: %v", r, err)
		}
	}
	if err := (Answer{}).Err(); err != nil {
		t.Error(err)
	}
}

func FuzzFromHTTP(f *testing.F) {
	f.Add(200, "application/json", []byte(`{"partialSuccess":{"rejectedDataPoints":"3"}}`))
	f.Add(200, "", []byte("<html>"))
	f.Add(503, "application/x-protobuf", []byte{0x0a})
	f.Fuzz(func(t *testing.T, code int, media string, body []byte) {
		a := FromHTTP(response(code, map[string]string{"Content-Type": media}, string(body)), now)
		if a.Rejected < 0 || !utf8.ValidString(a.Detail+a.Warning) || strings.ContainsAny(a.Detail+a.Warning, "\n\r") {
			t.Errorf("%+v", a)
		}
		if a.Accepted() != (code >= 200 && code <= 299) && a.Reason != NotOTLP {
			t.Errorf("%d is %+v", code, a)
		}
	})
}
