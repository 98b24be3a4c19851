package exporter_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	"github.com/duotel/duotel/exporter"
)

// hijacked answers with bytes of its own and keeps the connection until the client ends it.
func hijacked(text string, then func(w io.Writer)) httpAnswer {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		if then != nil {
			then(conn)
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// repeat writes text every half second until nobody reads any more.
func repeat(text string) func(io.Writer) {
	return func(w io.Writer) {
		for {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// noticed lets a backend notice that nobody reads any more, after everything else of a test has ended.
func noticed() { time.Sleep(time.Second) }

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n"

// F46: an answer that does not end, whatever it is, ends with its request's time; nothing waits for it longer,
// neither a push, nor a preflight, nor Shutdown.
func TestPushAnswersThatDoNotEnd(t *testing.T) {
	for _, tt := range []struct {
		name, reason string
		answer       httpAnswer
	}{
		{"101", "not_otlp", hijacked(switching, nil)},
		{"101 that speaks on", "not_otlp", hijacked(switching, repeat("x"))},
		{"100 without end", "timeout", hijacked("", repeat("HTTP/1.1 100 Continue\r\n\r\n"))},
		{"103 without end", "timeout", hijacked("", repeat("HTTP/1.1 103 Early Hints\r\n\r\n"))},
		{"headers without end", "timeout", hijacked("HTTP/1.1 200 OK\r\n", repeat("X-A: b\r\n"))},
		{"nothing", "timeout", hijacked("", nil)},
		{"503 whose body does not end", "unavailable", hijacked("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\n", nil)},
		{"401 whose body trickles", "unauthenticated", hijacked("HTTP/1.1 401 No\r\nContent-Length: 99999\r\n\r\n", repeat("x"))},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			t.Cleanup(noticed)
			b := newBackend(t)
			p, log := newPush(t, b.to("", exporter.PushConfig{Timeout: 10 * time.Second, ExportTimeout: 30 * time.Second}))
			if err := p.ForceFlush(t.Context()); err != nil { // well at first
				t.Fatal(err)
			}
			b.script(tt.answer, nil)
			start := time.Now()
			if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, want %s", err, tt.reason)
			}
			if took := time.Since(start); took > 31*time.Second {
				t.Errorf("the push took %v", took)
			}
			if s := p.Stats(); s.State != exporter.PushFailing || s.LastReason != tt.reason || log.count("push: failing") != 1 {
				t.Errorf("%+v\n%s", s, log)
			}
			if err := p.Preflight(t.Context()); err == nil {
				t.Error("the preflight found nothing")
			}
			start = time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := p.Shutdown(ctx); err == nil {
				t.Error("Shutdown said nothing")
			}
			if took := time.Since(start); took > time.Second+50*time.Millisecond {
				t.Errorf("Shutdown took %v", took)
			}
		})
	}
}

// F46: a push that is under way for two intervals counts as failing before it has ended, with one line.
func TestPushThatDoesNotEndIsFailing(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Second, Timeout: time.Minute, ExportTimeout: time.Minute}))
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.set(hanging)
		time.Sleep(5 * time.Second)
		if s := p.Stats(); s.State != exporter.PushFailing || s.LastReason != "timeout" || s.ConsecutiveFailures != 0 {
			t.Errorf("%+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := p.Stats(); s.ConsecutiveFailures == 0 || log.count("push: failing") != 1 {
			t.Errorf("%+v\n%s", s, log)
		}
	})
}

// partialOf is a partial success whose message has that many bytes.
func partialOf(size int) grpcReply {
	return func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
		return &colmetricpb.ExportMetricsServiceResponse{PartialSuccess: &colmetricpb.ExportMetricsPartialSuccess{ErrorMessage: strings.Repeat("x", size)}}, nil
	}
}

// F47: a request that was taken is not sent again because of how its answer reads.
func TestPushAcceptedWithAnOddAnswer(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	for _, tt := range []struct {
		name, warning string
		answer        httpAnswer
		reply         grpcReply
		ambiguous     bool
	}{
		{"long JSON", "more than 65536 bytes", respond(200, "application/json", `{"partialSuccess":{"errorMessage":"`+long+`"}}`), nil, false},
		{"long protobuf", "more than 65536 bytes", respond(200, "application/x-protobuf", long), nil, false},
		{"long without a type", "more than 65536 bytes", respond(200, "", long), nil, false},
		{"cut off", "could not be read to its end", hijacked("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9\r\nConnection: close\r\n\r\n\x0a", func(w io.Writer) { _ = w.(io.Closer).Close() }), nil, false},
		{"trickling", "could not be read to its end", hijacked("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 9999\r\n\r\n", repeat("\x0a")), nil, false},
		{"202 without a body", "", respond(202, "", ""), nil, false},
		{"204", "", respond(204, "", ""), nil, false},
		{"5 MiB", "too large to be read", nil, partialOf(5 << 20), true},
		{"64 MiB", "too large to be read", nil, partialOf(64 << 20), true},
		{"a long message", "xxx…", nil, partialOf(1 << 20), false},
	} {
		for _, protocol := range protocols {
			if (protocol == exporter.ProtocolGRPC) != (tt.reply != nil) {
				continue
			}
			bubble(t, tt.name, func(t *testing.T) {
				t.Cleanup(noticed)
				b := newBackend(t)
				b.script(tt.answer, tt.reply)
				p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Temporality: exporter.TemporalityDelta}))
				for range 2 {
					if err := p.ForceFlush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				s := p.Stats()
				if s.Requests != 2 || len(b.all()) != 2 || s.PointsSent != 2 || s.PointsLost != 0 || s.State != exporter.PushHealthy {
					t.Errorf("%d requests arrived; %+v", len(b.all()), s)
				}
				if (s.AmbiguousRequests > 0) != tt.ambiguous || !strings.Contains(s.LastWarning, tt.warning) {
					t.Errorf("%d ambiguous, warning %q", s.AmbiguousRequests, s.LastWarning)
				}
			})
		}
	}
}

// F47: the same for an answer that is small on the wire and large when it is unpacked: its trailer has often come before
// anybody looks at the answer.
func TestPushAcceptedWithALargeCompressedAnswer(t *testing.T) {
	synctestOnly(t, func(t *testing.T) {
		b := newBackend(t)
		b.script(nil, partialOf(5<<20))
		p, _ := newPush(t, b.to(exporter.ProtocolGRPC, exporter.PushConfig{Compression: exporter.CompressionGzip}))
		for range 20 {
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.Requests != 20 || s.PointsSent != 20 || s.PointsLost != 0 || s.AmbiguousRequests != 20 {
			t.Errorf("%+v", s)
		}
	})
}

// F47: a backend's own limit has the same code and nearly the same text over gRPC, and is halved.
func TestPushTellsItsOwnLimitFromTheBackends(t *testing.T) {
	synctestOnly(t, func(t *testing.T) {
		b := newBackend(t)
		b.limit(1)
		p, _ := newPush(t, b.to(exporter.ProtocolGRPC, exporter.PushConfig{Producers: gauges(4)}))
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.PointsSent != 4 || s.AmbiguousRequests != 0 || len(b.all()) != 7 {
			t.Errorf("%d requests; %+v", len(b.all()), s)
		}
	})
}

// synctestOnly is a test of one protocol in a bubble.
func synctestOnly(t *testing.T, test func(t *testing.T)) { bubble(t, "", test) }

// F39: what is exhausted is asked for again within a push only if the backend says when. What a backend has
// CANCELED is, as the specification has it, and may have arrived.
func TestPushRetriesOverGRPCAsTheSpecificationSays(t *testing.T) {
	withRetryInfo := func(code codes.Code, after time.Duration) grpcReply {
		return func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
			s, err := status.New(code, "scripted").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
			if err != nil {
				panic(err)
			}
			return nil, s.Err()
		}
	}
	for _, tt := range []struct {
		name, reason     string
		reply            grpcReply
		again, ambiguous bool
	}{
		{"exhausted", "throttled", refuse(codes.ResourceExhausted, "quota"), false, false},
		{"exhausted, with a time", "throttled", withRetryInfo(codes.ResourceExhausted, time.Second), true, false},
		{"exhausted, at once", "throttled", withRetryInfo(codes.ResourceExhausted, 0), true, false},
		{"canceled", "unavailable", refuse(codes.Canceled, "by the backend"), true, true},
		{"aborted", "unavailable", refuse(codes.Aborted, ""), true, false},
		{"out of range", "unavailable", refuse(codes.OutOfRange, ""), true, false},
		{"data loss", "unavailable", refuse(codes.DataLoss, ""), true, false},
		{"unavailable", "unavailable", refuse(codes.Unavailable, ""), true, false},
		{"deadline exceeded", "timeout", refuse(codes.DeadlineExceeded, ""), true, true},
		{"internal", "server_error", refuse(codes.Internal, ""), false, false},
		{"unknown", "server_error", refuse(codes.Unknown, "what"), false, false},
		{"already exists", "server_error", refuse(codes.AlreadyExists, ""), false, false},
		{"unimplemented", "not_found", refuse(codes.Unimplemented, ""), false, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			b := newBackend(t)
			b.script(nil, tt.reply)
			p, _ := newPush(t, b.to(exporter.ProtocolGRPC, exporter.PushConfig{}))
			if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("%v, want %s", err, tt.reason)
			}
			if s := p.Stats(); (s.Requests > 1) != tt.again || (s.AmbiguousRequests > 0) != tt.ambiguous {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestPushOverHTTP2 shows how HTTP/2 ends a request without an answer: it is a reset, as over HTTP/1.1.
func TestPushOverHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			panic("not over HTTP/2: " + strconv.Itoa(r.ProtoMajor))
		}
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler) // RST_STREAM
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	p, _ := newPush(t, exporter.PushConfig{Endpoint: server.URL, TLS: server.Client().Transport.(*http.Transport).TLSClientConfig})
	if err := p.Preflight(t.Context()); err == nil || !strings.Contains(err.Error(), "reset: ") {
		t.Errorf("%v, want a reset", err)
	}
	if s := p.Stats(); s.AmbiguousRequests != 1 {
		t.Errorf("%+v, want a request that may have arrived", fmt.Sprint(s))
	}
}
