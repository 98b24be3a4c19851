package otlptransport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// NewHTTP returns a client that posts OTLP protobuf. No connection is made before the first request.
func NewHTTP(cfg Config) (Client, error) {
	c := &httpClient{cfg: cfg}
	up, err := otlpmetrichttp.New(context.Background(),
		otlpmetrichttp.WithEndpointURL(cfg.URL.String()), // also decides http or https against the environment
		otlpmetrichttp.WithTLSClientConfig(nil),
		otlpmetrichttp.WithHeaders(map[string]string{}),
		otlpmetrichttp.WithCompression(otlpmetrichttp.NoCompression),
		otlpmetrichttp.WithTimeout(cfg.Timeout),
		otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{Enabled: false}),
		otlpmetrichttp.WithMaxRequestSize(0),
		otlpmetrichttp.WithProxy(nil),
		otlpmetrichttp.WithTemporalitySelector(sdkmetric.CumulativeTemporalitySelector),
		otlpmetrichttp.WithAggregationSelector(sdkmetric.DefaultAggregationSelector),
		otlpmetrichttp.WithHTTPClient(&http.Client{Transport: interceptor{c}}),
	)
	if err != nil {
		return nil, fmt.Errorf("otlp over http: %w", err)
	}
	c.up = up
	return c, nil
}

type httpClient struct {
	cfg   Config
	up    uploader
	gzips sync.Pool

	mu        sync.Mutex
	tls       *tls.Config     // of transport
	transport *http.Transport // nil before the first request
}

// current is the transport for the next request: a new one when the TLS configuration is another than before, or after
// [httpClient.retire]. The connections of the old one end when they are idle.
func (c *httpClient) current() *http.Transport {
	config := c.cfg.TLS()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil && c.tls == config {
		return c.transport
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.tls, c.transport = config, newTransport(c.cfg, config)
	return c.transport
}

// retire takes a transport out of use on which a request ran out of time. Over HTTP/2 it would send the next request on the same connection,
// also when nothing comes back on that any more.
func (c *httpClient) retire(used *http.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport == used {
		used.CloseIdleConnections()
		c.transport = nil
	}
}

func requestHeader(cfg Config) http.Header {
	h := http.Header{}
	h.Set("User-Agent", cfg.UserAgent)
	if user := cfg.URL.User; user != nil {
		password, _ := user.Password()
		r := http.Request{Header: h}
		r.SetBasicAuth(user.Username(), password)
	}
	for key, value := range cfg.Headers() {
		h.Set(key, value)
	}
	h.Set("Content-Type", "application/x-protobuf")
	if cfg.Gzip {
		h.Set("Content-Encoding", "gzip")
	}
	return h
}

func newTransport(cfg Config, config *tls.Config) *http.Transport {
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: cfg.Timeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return &http.Transport{
		Proxy:                 cfg.Proxy,
		DialContext:           dial,
		TLSClientConfig:       config.Clone(),
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          1,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   cfg.Timeout,
		ExpectContinueTimeout: time.Second,
	}
}

func (c *httpClient) Send(ctx context.Context, metrics *metricdata.ResourceMetrics) otlpanswer.Answer {
	return send(ctx, c.up, metrics)
}

func (c *httpClient) Encode(ctx context.Context, metrics *metricdata.ResourceMetrics) ([]byte, error) {
	return encode(ctx, c.up, metrics)
}

func (c *httpClient) Replay(ctx context.Context, request []byte) otlpanswer.Answer {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(request)), nil }
	return c.post(ctx, open, int64(len(request)))
}

// Close also ends the idle connections that requests under way leave behind later.
func (c *httpClient) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
}

// opener gives a request's body anew each time: the transport sends it again when it meets a
// connection that the backend has closed meanwhile.
type opener = func() (io.ReadCloser, error)

// post sends one request and reads its answer.
func (c *httpClient) post(ctx context.Context, open opener, size int64) otlpanswer.Answer {
	if a, over := tooLarge(size, c.cfg.MaxRequestBytes); over {
		return a
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req, err := c.request(ctx, open, size)
	if err != nil {
		return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: otlpanswer.FirstLine([]byte(err.Error()))}
	}
	transport := c.current()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.retire(transport)
		}
		a := c.failed(ctx, err)
		a.Ambiguous = a.Ambiguous && connected.Load()
		return a
	}
	defer resp.Body.Close()
	// The transport ends a body with its context, but not that of a connection that became something else.
	defer context.AfterFunc(ctx, func() { _ = resp.Body.Close() })()
	a := otlpanswer.FromHTTP(resp, time.Now(), c.cfg.secrets()...)
	a.Bytes = req.ContentLength
	return a
}

// failed prefers the request's own deadline as the reason: the transport may report its
// consequence, such as a canceled dial.
func (c *httpClient) failed(ctx context.Context, err error) otlpanswer.Answer {
	a := otlpanswer.FromError(err)
	a.Detail = otlpanswer.Scrub(a.Detail, c.cfg.secrets()) // net/http quotes an answer it cannot read
	if a.Reason == otlpanswer.Network || a.Reason == otlpanswer.Canceled {
		if cause := ctx.Err(); cause != nil {
			a.Reason = otlpanswer.FromError(cause).Reason
		}
	}
	return a
}

func (c *httpClient) request(ctx context.Context, open opener, size int64) (*http.Request, error) {
	if c.cfg.Gzip {
		packed, err := c.gzip(open)
		if err != nil {
			return nil, err
		}
		size = int64(len(packed))
		open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed)), nil }
	}
	body, err := open()
	if err != nil {
		return nil, err
	}
	header := requestHeader(c.cfg)
	return (&http.Request{
		Method: http.MethodPost, URL: c.cfg.URL, Host: header.Get("Host"), Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: body, GetBody: open, ContentLength: size,
	}).WithContext(ctx), nil
}

func (c *httpClient) gzip(open opener) ([]byte, error) {
	body, err := open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	packed := new(bytes.Buffer)
	w, ok := c.gzips.Get().(*gzip.Writer)
	if !ok {
		w = gzip.NewWriter(packed)
	}
	defer c.gzips.Put(w)
	w.Reset(packed)
	if _, err := io.Copy(w, body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// interceptor stands where the upstream exporter believes the network to be.
type interceptor struct{ client *httpClient }

func (i interceptor) RoundTrip(req *http.Request) (*http.Response, error) {
	defer req.Body.Close()
	c := callFrom(req.Context())
	if c.encode {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		c.body = body
	} else {
		c.answer = i.client.post(req.Context(), req.GetBody, req.ContentLength)
	}
	c.done = true
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}
