package middleware

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// client records what a client did. It is safe for concurrent use.
type client struct {
	duration     metric.Float64Histogram
	requestSize  metric.Int64Histogram
	responseSize metric.Int64Histogram
	active       metric.Int64UpDownCounter

	methods   methods
	own       ownAttributes
	template  func(*http.Request) string
	templates cache[string, string]

	templateFailures recurring

	series cache[clientKey, *clientSeries]
	levels cache[target, *levelOf]
}

// clientSeries is one attribute set of the histograms, ready for use.
type clientSeries struct {
	duration                  secondsOf
	requestSize, responseSize bytesOf
}

func newClient(c *config) (*client, error) {
	b := &builder{meter: c.meters.Meter(ScopeName)}
	return &client{
		duration:     b.seconds(httpconv.ClientRequestDuration{}, c.durationBuckets),
		requestSize:  b.bytes(httpconv.ClientRequestBodySize{}, c.sizeBuckets),
		responseSize: b.bytes(httpconv.ClientResponseBodySize{}, c.sizeBuckets),
		active:       b.level(httpconv.ClientActiveRequests{}),
		methods:      newMethods(c.methods),
		own:          newOwnAttributes(c, clientLabelerKey),
		template:     c.urlTemplate,

		templateFailures: recurring{handle: c.errorHandler},
	}, errors.Join(b.errs...)
}

// target is what is known of a request before it is sent.
type target struct {
	method  string // one of the known ones, or _OTHER
	scheme  string
	address string
	port    uint16
	// template is that of the URL, where the application gives one.
	template string
}

// targetOf reads the server's name and port off the URL, as the conventions say: not off the Host header.
func (c *client) targetOf(r *http.Request) target {
	t := target{method: c.methods[c.methods.of(r.Method)], template: c.templateOf(r)}
	if r.Method == "" {
		t.method = c.methods[c.methods.of(http.MethodGet)]
	}
	if r.URL != nil {
		t.scheme, t.address, t.port = r.URL.Scheme, r.URL.Hostname(), portOf(r.URL)
	}
	return t
}

func portOf(u *url.URL) uint16 {
	if p, err := strconv.ParseUint(u.Port(), 10, 16); err == nil {
		return uint16(p)
	}
	switch u.Scheme {
	case "https":
		return 443
	case "http":
		return 80
	default:
		return 0
	}
}

func (t target) attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		semconv.HTTPRequestMethodKey.String(t.method),
		semconv.URLScheme(t.scheme),
		semconv.ServerAddress(t.address),
		semconv.ServerPort(int(t.port)),
	}
	if t.template != "" {
		attrs = append(attrs, semconv.URLTemplate(t.template))
	}
	return attrs
}

// clientKey is everything that tells one series of the client's histograms from another.
type clientKey struct {
	target
	status    int
	protocol  protocol
	errorType string
	own       *attribute.Set // the application's, one pointer per set, or nil
}

func (k clientKey) set() attribute.Set {
	attrs := k.attributes()
	if k.own != nil {
		attrs = append(attrs, k.own.ToSlice()...)
	}
	if v := protocols[k.protocol]; v != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(v))
	}
	if k.status > 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(k.status))
	}
	if k.errorType != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(k.errorType))
	}
	return attribute.NewSet(attrs...)
}

func (c *client) seriesOf(k clientKey) *clientSeries {
	if s, ok := c.series.get(k); ok {
		return s
	}
	set := k.set()
	return c.series.put(k, &clientSeries{
		duration:     bindSeconds(c.duration, set),
		requestSize:  bindBytes(c.requestSize, set),
		responseSize: bindBytes(c.responseSize, set),
	})
}

func (c *client) level(t target) *levelOf {
	if l, ok := c.levels.get(t); ok {
		return l
	}
	l := bindLevel(c.active, attribute.NewSet(t.attributes()...))
	return c.levels.put(t, &l)
}

// attempt is one request on its way. The response's body may be closed by any goroutine.
type attempt struct {
	client       *client
	ctx          context.Context
	request      *http.Request
	target       target
	start        time.Duration
	series       *clientSeries
	received     atomic.Int64
	decompressed bool // by the transport, so that nobody knows how much was received
	ended        atomic.Bool

	sent    atomic.Pointer[sentBody] // the last one, or nil
	holders atomic.Int32             // who has to end before the request's size is known: the response, and bodies
}

func (a *attempt) begin() {
	a.client.level(a.target).add(a.ctx, 1)
	a.holders.Add(1)
	a.start = now()
}

// answered records the time to the response's header, and waits for the end of its body.
func (a *attempt) answered(res *http.Response) {
	k := clientKey{target: a.target, status: res.StatusCode, protocol: protocolOf(res.ProtoMajor, res.ProtoMinor)}
	if res.StatusCode >= http.StatusBadRequest {
		k.errorType = strconv.Itoa(res.StatusCode)
	}
	a.timed(k)
	a.decompressed = res.Uncompressed
	body := res.Body
	if body == nil || body == http.NoBody {
		a.end()
		return
	}
	if rw, ok := body.(io.ReadWriteCloser); ok {
		res.Body = &switchedBody{ReadWriteCloser: rw, attempt: a}
		return
	}
	res.Body = &receivedBody{ReadCloser: body, attempt: a}
}

// failed records an attempt that got no response.
func (a *attempt) failed(errorType string) {
	a.timed(clientKey{target: a.target, errorType: errorType})
	a.end()
}

func (a *attempt) timed(k clientKey) {
	k.own = a.client.own.of(a.request)
	a.series = a.client.seriesOf(k)
	a.series.duration.record(a.ctx, seconds(now()-a.start))
}

// end records what was received, once.
func (a *attempt) end() {
	if a.ended.Swap(true) {
		return
	}
	a.client.level(a.target).add(a.ctx, -1)
	if !a.decompressed {
		a.series.responseSize.record(a.ctx, a.received.Load())
	}
	a.release()
}

// release records the size of the request when the response has ended and the transport is done with the body, whichever
// is later.
func (a *attempt) release() {
	if a.holders.Add(-1) > 0 {
		return
	}
	size := int64(0)
	if b := a.sent.Load(); b != nil {
		size = b.size.Load()
	}
	a.series.requestSize.record(a.ctx, size)
}
