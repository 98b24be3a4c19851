package otlpanswer

import (
	"fmt"
	"strings"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FromGRPC says what the result of an Export call means. What it repeats of secrets is not shown.
func FromGRPC(response *colmetricpb.ExportMetricsServiceResponse, err error, secrets ...string) Answer {
	if err == nil {
		return partial(response, secrets)
	}
	s := status.Convert(err)
	a := Answer{Reason: grpcReason(s), Detail: fmt.Sprintf("gRPC %s: %s", s.Code(), FirstLine([]byte(Scrub(s.Message(), secrets))))}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			a.RetryAfter = max(info.GetRetryDelay().AsDuration(), 0)
			if a.Reason == TooLarge {
				a.Reason = Throttled // the specification: exhausted for now, when the server says until when
			}
		}
	}
	// The specification: exhausted resources may be tried again only when the server says when.
	a.Final = s.Code() == codes.ResourceExhausted && a.RetryAfter == 0 && !hasRetryInfo(s)
	a.Ambiguous = grpcAmbiguous(s, a.Reason)
	return a
}

// Unread is an answer that arrived and that grpc-go did not hand on, because it is larger than a client takes. The
// backend has dealt with the request; with what outcome is not known.
func Unread(err error) Answer {
	return Answer{Ambiguous: true, Warning: "an answer came that is too large to be read: " + FirstLine([]byte(status.Convert(err).Message()))}
}

func hasRetryInfo(s *status.Status) bool {
	for _, detail := range s.Details() {
		if _, ok := detail.(*errdetails.RetryInfo); ok {
			return true
		}
	}
	return false
}

// cutOff reports whether the other side, mostly a proxy whose backend is gone, ended the call without a
// status. grpc-go then makes up a code, which may be any; that for ENHANCE_YOUR_CALM says what it means.
func cutOff(s *status.Status) bool {
	return s.Code() != codes.DeadlineExceeded && s.Code() != codes.ResourceExhausted && (strings.HasPrefix(s.Message(), "stream terminated by RST_STREAM") ||
		strings.HasPrefix(s.Message(), "server closed the stream without sending trailers"))
}

func grpcReason(s *status.Status) Reason {
	if cutOff(s) {
		return Reset
	}
	switch s.Code() {
	case codes.Unauthenticated:
		return Unauthenticated
	case codes.PermissionDenied:
		return Forbidden
	case codes.Unimplemented, codes.NotFound:
		return NotFound
	case codes.InvalidArgument, codes.FailedPrecondition:
		return BadRequest
	case codes.ResourceExhausted:
		return exhausted(s.Message())
	case codes.DeadlineExceeded:
		return Timeout
	case codes.Canceled:
		return Canceled // the caller knows whether it was us; see Elsewhere
	case codes.Aborted, codes.OutOfRange, codes.DataLoss:
		return Unavailable
	case codes.Unavailable:
		return unavailable(s.Message())
	case codes.Unknown:
		return unknown(s.Message())
	default:
		return ServerError
	}
}

// Elsewhere is an answer whose CANCELED was not asked for by this side: the backend, or a proxy, gave the call up.
// The specification lets it be sent again; whether it was taken is not known.
func (a Answer) Elsewhere() Answer {
	if a.Reason == Canceled {
		a.Reason = Unavailable
	}
	return a
}

// exhausted tells a message over the size limit, which grpc-go and the backends report with the same
// code, from a quota.
func exhausted(message string) Reason {
	for _, word := range []string{"larger than max", "too large", "message size", "too big"} {
		if strings.Contains(strings.ToLower(message), word) {
			return TooLarge
		}
	}
	return Throttled
}

// unavailable names the connection failures that grpc-go reports only as text.
func unavailable(message string) Reason {
	for _, m := range []struct {
		text   string
		reason Reason
	}{
		{"name resolver error", DNS}, // before the ways in which a name server may fail
		{"record lookup error", DNS},
		{"no such host", DNS},
		{"produced zero addresses", DNS},
		{"connection refused", Refused},
		{"authentication handshake failed", TLS},
		{"first record does not look like a TLS handshake", TLS},
		{"error reading server preface", Network},
		{"i/o timeout", Timeout},
		{"deadline exceeded", Timeout},
		{"connection reset", Reset},
		{"broken pipe", Reset},
		{"error reading from server", Reset},
		{"EOF", Reset},
	} {
		if strings.Contains(message, m.text) {
			return m.reason
		}
	}
	return Unavailable
}

// unknown recognises an HTTP server that is not a gRPC one.
func unknown(message string) Reason {
	if strings.Contains(message, "unexpected HTTP status code") || strings.Contains(message, "content-type") {
		return NotOTLP
	}
	return ServerError
}

// grpcAmbiguous is true where the call was under way and no verdict came back.
func grpcAmbiguous(s *status.Status, r Reason) bool {
	switch r {
	case Timeout, Canceled, Reset:
		return !strings.Contains(s.Message(), "while dialing") && !strings.Contains(s.Message(), "REFUSED_STREAM")
	default:
		return false
	}
}
