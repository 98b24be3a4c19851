package otlpanswer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// longestBody is how much of an answer's body is read. An OTLP answer is a few bytes.
const longestBody = 64 << 10

// FromHTTP reads resp and says what it means. It does not close the body. now is the time against
// which a Retry-After date is measured.
//
// The status decides: a body that is too long, is cut off or does not come in time takes nothing from it. A request
// that was accepted must not be sent again, and one that was refused was not taken.
func FromHTTP(resp *http.Response, now time.Time, secrets ...string) Answer {
	if resp.StatusCode < 200 {
		// 101 turns the connection into something else, whose bytes are no answer and may never end.
		return Answer{Reason: NotOTLP, Detail: httpDetail(resp, nil, secrets)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, longestBody+1))
	if resp.StatusCode <= 299 {
		return success(resp, body, err, secrets)
	}
	return Answer{
		Reason:     httpReason(resp.StatusCode),
		Detail:     httpDetail(resp, body, secrets),
		RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now),
	}
}

// success reads a 2xx. The specification asks for the request's content type; backends send others,
// or none, and the body decides.
func success(resp *http.Response, body []byte, readErr error, secrets []string) Answer {
	if readErr != nil || len(body) > longestBody {
		return unread(resp, body, readErr, secrets)
	}
	if len(body) == 0 {
		return Answer{}
	}
	message := new(colmetricpb.ExportMetricsServiceResponse)
	if err := decode(mediaType(resp), body, message); err != nil {
		return Answer{Reason: NotOTLP, Detail: httpDetail(resp, body, secrets)}
	}
	return partial(message, secrets)
}

// unread is a 2xx whose body could not be read to its end. The request was taken, unless it is a web page that
// begins there, and what else the body says, such as a partial success, is not known.
func unread(resp *http.Response, body []byte, err error, secrets []string) Answer {
	media := mediaType(resp)
	if strings.Contains(media, "html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return Answer{Reason: NotOTLP, Detail: httpDetail(resp, body, secrets)}
	}
	if err == nil {
		return Answer{Warning: fmt.Sprintf("accepted with an answer of more than %d bytes, which was not read", longestBody)}
	}
	return Answer{Warning: "accepted with an answer that could not be read to its end: " + FirstLine([]byte(bare(err).Error()))}
}

func decode(media string, body []byte, into proto.Message) error {
	lenient := protojson.UnmarshalOptions{DiscardUnknown: true}
	switch {
	case strings.Contains(media, "html"):
		return fmt.Errorf("content type %s is not OTLP", media)
	case strings.HasSuffix(media, "json"):
		return lenient.Unmarshal(body, into)
	case strings.Contains(media, "protobuf"):
		return proto.Unmarshal(body, into)
	case json.Valid(body):
		return lenient.Unmarshal(body, into)
	default:
		return unmarshalKnown(body, into)
	}
}

// unmarshalKnown reads protobuf of undeclared type: nearly any short text parses as unknown fields,
// so those count as a failure.
func unmarshalKnown(body []byte, into proto.Message) error {
	if err := proto.Unmarshal(body, into); err != nil {
		return err
	}
	if len(into.ProtoReflect().GetUnknown()) > 0 {
		return fmt.Errorf("not an OTLP response")
	}
	return nil
}

func partial(message *colmetricpb.ExportMetricsServiceResponse, secrets []string) Answer {
	p := message.GetPartialSuccess()
	a := Answer{Rejected: max(p.GetRejectedDataPoints(), 0)}
	if text := p.GetErrorMessage(); text != "" {
		a.Warning = FirstLine([]byte(Scrub(text, secrets)))
	}
	return a
}

func mediaType(resp *http.Response) string {
	media, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

func httpReason(status int) Reason {
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return BadRequest
	case http.StatusUnauthorized, http.StatusProxyAuthRequired:
		return Unauthenticated
	case http.StatusForbidden:
		return Forbidden
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		return NotFound
	case http.StatusRequestEntityTooLarge:
		return TooLarge
	case http.StatusTooManyRequests:
		return Throttled
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Unavailable
	}
	switch {
	case status >= 500:
		return ServerError
	case status >= 300 && status < 400:
		return Redirect
	default:
		return ClientError
	}
}

func httpDetail(resp *http.Response, body []byte, secrets []string) string {
	text := body
	failure := new(statuspb.Status)
	if decode(mediaType(resp), body, failure) == nil && failure.GetMessage() != "" {
		text = []byte(failure.GetMessage())
	}
	if where := resp.Header.Get("Location"); where != "" && resp.StatusCode < 400 {
		text = []byte("to " + showLocation(where))
	}
	detail := fmt.Sprintf("HTTP %d: %s", resp.StatusCode, FirstLine([]byte(Scrub(string(text), secrets))))
	if media := mediaType(resp); media != "" && !strings.Contains(media, "protobuf") {
		detail += " (" + FirstLine([]byte(Scrub(media, secrets))) + ")"
	}
	return detail
}

func retryAfter(value string, now time.Time) time.Duration {
	const year = 365 * 24 * time.Hour
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(year/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), year)
	}
	return 0
}
