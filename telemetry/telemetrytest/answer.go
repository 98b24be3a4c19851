package telemetrytest

import (
	"fmt"
	"net/http"
	"time"
)

// Answer is what the backend does with one request, over HTTP and over gRPC alike. Answers are
// values: they can be compared, reused and shared. The zero Answer is none at all; use a constructor.
type Answer struct {
	name        string
	status      int
	contentType string
	message     string
	page        string
	rejected    int64
	partial     bool
	retryAfter  time.Duration
	delay       time.Duration
	limit       limit
	effect      effect
	accepts     bool
}

// effect is what happens to the connection.
type effect int

const (
	respond effect = iota
	hang
	reset
)

// limit bounds a request in points or in bytes; 0 is no limit.
type limit struct{ points, bytes int }

const contentTypeProtobuf = "application/x-protobuf"

// Accept takes the data: 200 with an empty ExportMetricsServiceResponse, OK over gRPC.
func Accept() Answer {
	return Answer{name: "accept", status: http.StatusOK, contentType: contentTypeProtobuf, accepts: true}
}

// Status answers with an HTTP status code and, as the OTLP specification asks of errors, a
// google.rpc.Status in protobuf. Over gRPC it is the corresponding code: Unauthenticated for 401,
// PermissionDenied for 403, Unimplemented for 404, ResourceExhausted for 413 and 429, Unavailable for
// 502, 503 and 504, InvalidArgument for other 4xx and Internal for other 5xx. A 2xx takes the data.
func Status(code int) Answer {
	return Answer{
		name:        fmt.Sprintf("status %d", code),
		status:      code,
		contentType: contentTypeProtobuf,
		message:     "scripted: " + http.StatusText(code),
		accepts:     code/100 == 2,
	}
}

// TooManyRequests answers 429 with a Retry-After header, ResourceExhausted with RetryInfo over gRPC.
// A retryAfter of zero leaves both out.
func TooManyRequests(retryAfter time.Duration) Answer {
	return Status(http.StatusTooManyRequests).WithRetryAfter(retryAfter)
}

// Unavailable answers 503 with a Retry-After header, Unavailable with RetryInfo over gRPC.
// A retryAfter of zero leaves both out.
func Unavailable(retryAfter time.Duration) Answer {
	return Status(http.StatusServiceUnavailable).WithRetryAfter(retryAfter)
}

// TooLarge answers 413, ResourceExhausted without RetryInfo over gRPC, whatever the size.
func TooLarge() Answer { return Status(http.StatusRequestEntityTooLarge) }

// LimitPoints takes requests of at most n data points and answers the others with [TooLarge].
// It is meant for [Backend.Default].
func LimitPoints(n int) Answer {
	a := Accept()
	a.name, a.limit.points = fmt.Sprintf("limit %d points", n), n
	return a
}

// LimitBytes takes requests of at most n bytes, before compression, and answers the others with
// [TooLarge]. It is meant for [Backend.Default].
func LimitBytes(n int) Answer {
	a := Accept()
	a.name, a.limit.bytes = fmt.Sprintf("limit %d bytes", n), n
	return a
}

// PartialSuccess takes the data except for the last rejected points of the request, and says so with
// message. A rejected of zero with a message is a warning, as the OTLP specification defines it.
func PartialSuccess(rejected int64, message string) Answer {
	a := Accept()
	a.name = fmt.Sprintf("partial success, %d rejected", rejected)
	a.partial, a.rejected, a.message = true, rejected, message
	return a
}

// HTML answers 200 with a web page, as a login page or a wrong address does; the data is not taken.
// Over gRPC, where such an answer has no frame, it is the code a client makes of one: Unknown.
func HTML(page string) Answer {
	return Answer{name: "html page", status: http.StatusOK, contentType: "text/html; charset=utf-8", page: page}
}

// Hang takes nothing and answers nothing until the client gives up or the backend goes down.
func Hang() Answer { return Answer{name: "hang", effect: hang} }

// Reset takes nothing and resets the connection: the data did not arrive.
func Reset() Answer { return Answer{name: "reset", effect: reset} }

// AcceptThenReset takes the data and resets the connection before answering: the case a client
// cannot tell from [Reset].
func AcceptThenReset() Answer {
	return Answer{name: "accept, then reset", effect: reset, accepts: true}
}

// Slow takes the data on arrival and answers after d. A client that gives up earlier has an
// ambiguous failure, as with [AcceptThenReset].
func Slow(d time.Duration) Answer { return Accept().After(d) }

// After returns a copy of a that is given d after the request arrived. What a does with the data is
// decided on arrival. When the backend goes down earlier, a is given at once.
func (a Answer) After(d time.Duration) Answer {
	a.delay = d
	a.name = fmt.Sprintf("%s after %s", a.name, d)
	return a
}

// WithRetryAfter returns a copy of a that asks the client to wait d: in the Retry-After header,
// rounded up to whole seconds, and exactly in RetryInfo over gRPC. Zero or less asks for nothing.
func (a Answer) WithRetryAfter(d time.Duration) Answer {
	a.retryAfter = max(d, 0)
	if a.retryAfter > 0 {
		a.name = fmt.Sprintf("%s, retry after %s", a.name, d)
	}
	return a
}

// WithMessage returns a copy of a whose error status or partial success says text.
func (a Answer) WithMessage(text string) Answer {
	a.message = text
	return a
}

// WithContentType returns a copy of a with another Content-Type over HTTP. The body of an OTLP answer
// follows it: JSON for application/json, with or without parameters, else protobuf. gRPC ignores it.
func (a Answer) WithContentType(value string) Answer {
	a.contentType = value
	a.name = fmt.Sprintf("%s as %s", a.name, value)
	return a
}

// String describes a in a few words, for failure messages.
func (a Answer) String() string {
	if a.name == "" {
		return "no answer"
	}
	return a.name
}

// resolve applies a's limits to a request of so many points and bytes.
func (a Answer) resolve(points, bytes int) Answer {
	if a.limit.points > 0 && points > a.limit.points {
		return TooLarge().WithMessage(fmt.Sprintf("%d data points; at most %d", points, a.limit.points))
	}
	if a.limit.bytes > 0 && bytes > a.limit.bytes {
		return TooLarge().WithMessage(fmt.Sprintf("%d bytes; at most %d", bytes, a.limit.bytes))
	}
	return a
}
