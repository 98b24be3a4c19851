// Package otlptransport sends metrics to an OTLP backend, one request a call, and hands back what the
// answer means.
//
// The upstream exporters do the encoding. Everything else is done here, because they read the
// environment and hide the answer: each of their options is given explicitly, their retries are off,
// and the connection, the headers and the compression are ours.
package otlptransport

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// Config says where and how to send.
type Config struct {
	// URL is posted to as it is over HTTP; over gRPC it is a host with the scheme http or https, or else a target in
	// gRPC's own words.
	URL *url.URL
	// Headers returns the headers of the next request, their names in the canonical form. Their values are never shown.
	Headers func() map[string]string
	// UserAgent is sent unless Headers has one.
	UserAgent string
	// Timeout bounds one request.
	Timeout time.Duration
	// Gzip compresses the requests.
	Gzip bool
	// TLS returns what is used for https, nil for the system's authorities. A request for which it returns another
	// pointer than for the one before goes over a new connection.
	TLS func() *tls.Config
	// Plaintext means no TLS, over gRPC. Over HTTP the scheme says it.
	Plaintext bool
	// Proxy selects a proxy; nil means none.
	Proxy func(*http.Request) (*url.URL, error)
	// Dial opens connections; nil means the system's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// MaxRequestBytes is the size before compression above which a request is not sent but answered
	// as too large.
	MaxRequestBytes int64
}

// Client sends to one backend. Its methods may be called concurrently, except Close.
type Client interface {
	// Send sends metrics in one request.
	Send(ctx context.Context, metrics *metricdata.ResourceMetrics) otlpanswer.Answer
	// Encode returns the request that Send would send, as an uncompressed protobuf message.
	Encode(ctx context.Context, metrics *metricdata.ResourceMetrics) ([]byte, error)
	// Replay sends a request that Encode returned.
	Replay(ctx context.Context, request []byte) otlpanswer.Answer
	// Close ends the connections. Requests under way fail.
	Close()
}

// call carries what one request needs down through the upstream exporter, and its outcome back up.
type call struct {
	encode bool
	body   []byte
	answer otlpanswer.Answer
	done   bool
	// header says that an answer over gRPC has begun that is no bare status. The connection's own goroutine sets it.
	header atomic.Bool
}

type callKey struct{}

func withCall(ctx context.Context, c *call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callFrom(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// uploader is what the upstream exporters have in common.
type uploader interface {
	Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error
	Shutdown(ctx context.Context) error
}

// send runs one request through the upstream exporter.
func send(ctx context.Context, up uploader, metrics *metricdata.ResourceMetrics) otlpanswer.Answer {
	c := new(call)
	err := up.Export(withCall(ctx, c), metrics)
	if !c.done {
		return unsent(ctx, err)
	}
	if err != nil && c.answer.Accepted() && c.answer.Warning == "" {
		c.answer.Warning = otlpanswer.FirstLine([]byte(err.Error()))
	}
	return c.answer
}

// unsent explains a request that never reached the connection.
func unsent(ctx context.Context, err error) otlpanswer.Answer {
	if cause := ctx.Err(); cause != nil {
		a := otlpanswer.FromError(cause)
		a.Ambiguous = false
		return a
	}
	if err == nil {
		return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: "the exporter sent nothing"}
	}
	return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: otlpanswer.FirstLine([]byte(err.Error()))}
}

// encode runs metrics through the upstream exporter for the sake of its encoding.
func encode(ctx context.Context, up uploader, metrics *metricdata.ResourceMetrics) ([]byte, error) {
	c := &call{encode: true}
	err := up.Export(withCall(ctx, c), metrics)
	if c.body == nil {
		return nil, unsent(ctx, err).Err()
	}
	return c.body, nil
}

func tooLarge(size, limit int64) (otlpanswer.Answer, bool) {
	if limit <= 0 || size <= limit {
		return otlpanswer.Answer{}, false
	}
	return otlpanswer.Answer{Reason: otlpanswer.TooLarge, Detail: "the request is over the limit of " + byteCount(limit)}, true
}
