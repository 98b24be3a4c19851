package telemetry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestOperationsDocAnswersOverGRPC makes the rows of "What a backend may answer" happen over gRPC, where they exist
// there, and wants what the page says of HTTP.
func TestOperationsDocAnswersOverGRPC(t *testing.T) {
	for symptom, row := range operationsRows(t)[answersTable] {
		over := strings.Contains(row[inGRPC], "`")
		happen := answersOverGRPC[symptom]
		if over != (happen != nil) {
			t.Errorf("row %q says of gRPC %q, and a case for it exists: %v", symptom, row[inGRPC], happen != nil)
		}
		if happen == nil {
			continue
		}
		t.Run(symptom, func(t *testing.T) {
			t.Parallel()
			s := &scene{T: t, said: map[string]string{}}
			happen(s)
			s.close()
			for column, quotation := range row {
				if column != inGRPC {
					s.check(column, quotation)
				}
			}
		})
	}
	for symptom := range answersOverGRPC {
		if operationsRows(t)[answersTable][symptom] == nil {
			t.Errorf("%s has no row %q", operationsFile, symptom)
		}
	}
}

// answersTable is the number of the table of answers, and inGRPC its column that names gRPC's form of an answer.
const (
	answersTable = 6
	inGRPC       = "over gRPC"
)

// raw is a push to a server that writes bytes of its own, and keeps the connection for as long as it is asked to.
func raw(text string, repeated string, timeout time.Duration) func(*scene) {
	return func(s *scene) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			_, err = io.WriteString(conn, text)
			for err == nil && repeated != "" {
				time.Sleep(20 * time.Millisecond)
				_, err = io.WriteString(conn, repeated)
			}
			_, _ = io.Copy(io.Discard, conn)
		}))
		s.Cleanup(server.Close)
		s.pushed(telemetry.PushConfig{Endpoint: server.URL + "/v1/metrics", ExportTimeout: timeout})
	}
}

// cutOff answers and ends the connection before the body is complete.
func cutOff(s *scene) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "99")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	s.Cleanup(server.Close)
	s.pushed(telemetry.PushConfig{Endpoint: server.URL + "/v1/metrics"})
}

// plain is a push that is answered with a status and a body that is no OTLP.
func plain(code int, media, body string, timeout ...time.Duration) func(*scene) {
	return func(s *scene) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", media)
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}))
		s.Cleanup(server.Close)
		s.pushed(telemetry.PushConfig{Endpoint: server.URL + "/v1/metrics", ExportTimeout: append(timeout, 0)[0]})
	}
}

// streamReset is a push over HTTP/2 whose stream is reset.
func streamReset(s *scene) {
	backend := telemetrytest.NewBackend(s)
	backend.Default(telemetrytest.Reset())
	s.pushed(telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), ExportTimeout: brief})
}

var (
	hourly   = time.Hour
	accepted = telemetrytest.Accept()
)

var answersOverHTTP = map[string]func(*scene){
	"200, nothing or an empty message in it": answered(accepted),
	"200 in JSON":                            answered(accepted.WithContentType("application/json")),
	"204":                                    answered(telemetrytest.Status(http.StatusNoContent)),
	"200 with a partial success":             answered(telemetrytest.PartialSuccess(3, "too old")),
	"200 with a warning":                     answered(telemetrytest.PartialSuccess(0, "deprecated")),
	"200 with an answer that is too long to read": plain(200, "application/json", `{"partialSuccess":{"errorMessage":"`+strings.Repeat("x", 100<<10)+`"}}`),
	"200 that is cut off":                         cutOff,
	"200 that trickles":                           raw("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 99999\r\n\r\n", "\x0a", brief),
	"200 with a web page":                         answered(telemetrytest.HTML("<title>Log in</title>")),
	"200 with any other text":                     plain(200, "text/plain", "OK, thanks"),
	"101, and the connection stays open":          raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", "", 0),
	"100 or 103 without end":                      raw("HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", brief),
	"301, 302, 303, 307, 308":                     answered(telemetrytest.Status(http.StatusTemporaryRedirect)),
	"400, 422":                                    answered(telemetrytest.Status(http.StatusUnprocessableEntity)),
	"401, 407":                                    answered(telemetrytest.Status(http.StatusProxyAuthRequired)),
	"403":                                         answered(telemetrytest.Status(http.StatusForbidden)),
	"404, 405, 410":                               answered(telemetrytest.Status(http.StatusGone)),
	"413":                                         answered(telemetrytest.TooLarge()),
	"429 with Retry-After":                        answered(telemetrytest.TooManyRequests(hourly)),
	"429 without it":                              plain(429, "", "", brief),
	"408, 415, 418 and other 4xx":                 answered(telemetrytest.Status(http.StatusUnsupportedMediaType)),
	"500, 501 and other 5xx":                      answered(telemetrytest.Status(http.StatusNotImplemented)),
	"502, 503, 504 with Retry-After":              answered(telemetrytest.Unavailable(hourly)),
	"502, 503, 504 without it":                    plain(502, "text/html", "<h1>Bad Gateway</h1>", brief),
	"401 whose body trickles":                     raw("HTTP/1.1 401 No\r\nContent-Length: 99999\r\n\r\n", "x", brief),
	"nothing, and the connection is refused":      refused,
	"nothing, and the connection is reset":        answered(telemetrytest.Reset(), brief),
	"nothing, and the stream is reset":            streamReset,
	"nothing until the time is up":                answered(telemetrytest.Hang(), brief),
	"nothing, after it has taken the data":        answered(telemetrytest.AcceptThenReset(), brief),
	"the call is canceled":                        nil,
	"something that is not HTTP":                  raw("220 mail ready\r\n", "", brief),
	"the header trickles":                         raw("HTTP/1.1 200 OK\r\n", "X-A: b\r\n", brief),
}

// service is an OTLP service over gRPC that gives one answer.
type service struct {
	colmetricpb.UnimplementedMetricsServiceServer
	response *colmetricpb.ExportMetricsServiceResponse
	err      error
}

func (s service) Export(context.Context, *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	return s.response, s.err
}

// overGRPC is a push over gRPC that is given an answer.
func overGRPC(answer service, timeout ...time.Duration) func(*scene) {
	return func(s *scene) {
		listener := must(net.Listen("tcp", "127.0.0.1:0"))
		server := grpc.NewServer()
		colmetricpb.RegisterMetricsServiceServer(server, answer)
		go func() { _ = server.Serve(listener) }()
		s.Cleanup(server.Stop)
		s.pushed(telemetry.PushConfig{Endpoint: "http://" + listener.Addr().String(), Protocol: exporter.ProtocolGRPC, ExportTimeout: append(timeout, 0)[0]})
	}
}

// coded is an error of gRPC, with a time after which to try again unless that is zero.
func coded(code codes.Code, after time.Duration) service {
	s := status.New(code, "scripted")
	if after > 0 {
		s = must(s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)}))
	}
	return service{err: s.Err()}
}

// partly is a partial success over gRPC.
func partly(rejected int64, message string) service {
	return service{response: &colmetricpb.ExportMetricsServiceResponse{
		PartialSuccess: &colmetricpb.ExportMetricsPartialSuccess{RejectedDataPoints: rejected, ErrorMessage: message},
	}}
}

// scripted is a push over gRPC to the scriptable backend.
func scripted(a telemetrytest.Answer, timeout ...time.Duration) func(*scene) {
	return func(s *scene) {
		backend := telemetrytest.NewBackend(s)
		backend.Default(a)
		s.pushed(telemetry.PushConfig{Endpoint: backend.GRPCEndpoint(), Protocol: exporter.ProtocolGRPC, ExportTimeout: append(timeout, 0)[0]})
	}
}

var answersOverGRPC = map[string]func(*scene){
	"200, nothing or an empty message in it":      scripted(accepted),
	"200 with a partial success":                  overGRPC(partly(3, "too old")),
	"200 with a warning":                          overGRPC(partly(0, "deprecated")),
	"200 with an answer that is too long to read": overGRPC(partly(0, strings.Repeat("x", 5<<20))),
	"200 with a web page":                         webPageOverGRPC,
	"400, 422":                                    overGRPC(coded(codes.FailedPrecondition, 0)),
	"401, 407":                                    overGRPC(coded(codes.Unauthenticated, 0)),
	"403":                                         overGRPC(coded(codes.PermissionDenied, 0)),
	"404, 405, 410":                               overGRPC(coded(codes.Unimplemented, 0)),
	"413":                                         scripted(telemetrytest.TooLarge()),
	"429 with Retry-After":                        overGRPC(coded(codes.ResourceExhausted, hourly)),
	"429 without it":                              overGRPC(coded(codes.ResourceExhausted, 0)),
	"500, 501 and other 5xx":                      overGRPC(coded(codes.Internal, 0)),
	"502, 503, 504 with Retry-After":              overGRPC(coded(codes.Unavailable, hourly)),
	"502, 503, 504 without it":                    overGRPC(coded(codes.DataLoss, 0), brief),
	"nothing, and the connection is refused": func(s *scene) {
		s.pushed(telemetry.PushConfig{Endpoint: "http://127.0.0.1:1", Protocol: exporter.ProtocolGRPC, ExportTimeout: brief})
	},
	"nothing, and the connection is reset": scripted(telemetrytest.Reset(), brief),
	"nothing until the time is up":         scripted(telemetrytest.Hang(), brief),
	"nothing, after it has taken the data": scripted(telemetrytest.AcceptThenReset(), brief),
	"the call is canceled":                 overGRPC(coded(codes.Canceled, 0), brief),
}

// webPageOverGRPC is a push over gRPC to a web server that speaks HTTP/2 without TLS.
func webPageOverGRPC(s *scene) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<title>Log in</title>")
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	s.Cleanup(server.Close)
	s.pushed(telemetry.PushConfig{Endpoint: server.URL, Protocol: exporter.ProtocolGRPC})
}
