package exporter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"golang.org/x/net/http/httpguts"

	"github.com/duotel/duotel/internal/given"
)

// Defaults of [PushConfig], from the OpenTelemetry specification's environment variables.
const (
	DefaultPushTimeout       = 10 * time.Second
	DefaultPushInterval      = 60 * time.Second
	DefaultPushExportTimeout = 30 * time.Second
)

// PushConfig says where, how and what a [Push] sends. Nothing is read from the environment.
type PushConfig struct {
	// Endpoint is required. For http/protobuf it is the URL that is posted to, used as it is; for grpc
	// a host and port, with or without a scheme, http or https, or one of the forms of [ParseTarget].
	Endpoint string
	// Protocol is http/protobuf (default) or grpc.
	Protocol Protocol
	// Headers go with every request. Their values are shown nowhere.
	Headers map[string]Secret
	// HeadersFunc, when set, is asked before every request for more headers, which win over those of Headers. It must
	// be safe for concurrent use and not change a map that it has returned.
	HeadersFunc func() map[string]Secret
	// Timeout bounds one request. Default 10 s.
	Timeout time.Duration
	// Interval is the time between pushes. The first comes at a random moment of the first interval,
	// so that replicas started together do not push together. Default 60 s.
	Interval time.Duration
	// ExportTimeout bounds one push: collection and all its requests and retries. Default 30 s.
	ExportTimeout time.Duration
	// Compression is none (default) or gzip.
	Compression Compression
	// TLS is used for https endpoints. Default: the system's authorities, no client certificate.
	TLS *tls.Config
	// TLSFunc, when set, takes the place of TLS. It is asked before every request; when it returns another pointer
	// than before, the request goes over a new connection. It must be safe for concurrent use.
	TLSFunc func() *tls.Config
	// Insecure turns TLS off for a grpc endpoint without the scheme http or https.
	Insecure bool
	// Proxy selects the proxy of a request, or nil for none: over grpc it is asked once, about https and the endpoint's
	// host, as grpc-go does. Default: no proxy.
	Proxy func(*http.Request) (*url.URL, error)
	// Dial opens the connections. Default: the system's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Temporality is cumulative (default), delta or lowmemory.
	Temporality Temporality
	// Asynchronous reports whether a monotonic sum belongs to an observable counter, which
	// TemporalityLowMemory keeps cumulative; the data does not say. Default: none does.
	Asynchronous func(scope instrumentation.Scope, metric string) bool
	// MaxExportBatchSize is the most data points in one request. Default 0: no limit, or the one of a
	// backend that is known for it.
	MaxExportBatchSize int
	// SpoolDir, when set, is a directory that keeps what a push could not deliver, for the next push or the next
	// process; not what was refused for what is in it, which would be refused again. It is made if need be, and
	// may be shared, with other processes and other files.
	SpoolDir string
	// SpoolMaxBytes bounds the spool; the oldest is dropped. Default 64 MiB.
	SpoolMaxBytes int64
	// SpoolMaxAge bounds how long something is kept in the spool. Default 24 h.
	SpoolMaxAge time.Duration
	// Resource describes the sender. Default: empty.
	Resource *resource.Resource
	// Producers give the data. One that fails, panics or hangs is reported and left out of that push.
	Producers []sdkmetric.Producer
	// Logger gets one line per change of state. Default: [slog.Default].
	Logger *slog.Logger
	// ErrorHandler gets an error of a producer when it begins, and not with every push that has it. At most 64 errors come at
	// once and then one every 10 s, with the number of those kept back. It must be safe for concurrent use. Default: the
	// Logger, at Warn.
	ErrorHandler func(error)
}

// withDefaults fills in what is zero.
func (c PushConfig) withDefaults() PushConfig {
	if c.Protocol == "" {
		c.Protocol = ProtocolHTTPProtobuf
	}
	if c.Compression == "" {
		c.Compression = CompressionNone
	}
	if c.Temporality == "" {
		c.Temporality = TemporalityCumulative
	}
	c.Timeout = orDefault(c.Timeout, DefaultPushTimeout)
	c.Interval = orDefault(c.Interval, DefaultPushInterval)
	c.ExportTimeout = orDefault(c.ExportTimeout, DefaultPushExportTimeout)
	if c.Resource == nil {
		c.Resource = resource.Empty()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.MaxExportBatchSize = c.vendorBatchSize()
	return c
}

// validate returns everything that is wrong with c.
func (c PushConfig) validate() error {
	_, err := c.endpointURL()
	errs := []error{err}
	for i, p := range c.Producers {
		if given.Nothing(p) {
			errs = append(errs, fmt.Errorf("push: Producers[%d]=\"<nil>\": is nil; every element must be a producer", i))
		}
	}
	errs = append(errs,
		oneOf("Protocol", c.Protocol, "", ProtocolHTTPProtobuf, ProtocolGRPC),
		oneOf("Compression", c.Compression, "", CompressionNone, CompressionGzip),
		oneOf("Temporality", c.Temporality, "", TemporalityCumulative, TemporalityDelta, TemporalityLowMemory),
		notNegative("Timeout", c.Timeout),
		notNegative("Interval", c.Interval),
		notNegative("ExportTimeout", c.ExportTimeout),
		notNegative("MaxExportBatchSize", c.MaxExportBatchSize),
		notNegative("SpoolMaxBytes", c.SpoolMaxBytes),
		notNegative("SpoolMaxAge", c.SpoolMaxAge),
	)
	for i, p := range c.Producers {
		if p == nil {
			errs = append(errs, fmt.Errorf("push: Producers[%d]: is nil; leave it out", i))
		}
	}
	return errors.Join(append(errs, validateHeaders(c.Headers))...)
}

// endpointURL is the URL of Endpoint, with the scheme that a grpc endpoint may leave out.
func (c PushConfig) endpointURL() (*url.URL, error) {
	if c.Endpoint == "" {
		return nil, errors.New(`push: Endpoint="": is required; a URL such as https://host:4318/v1/metrics`)
	}
	text := c.Endpoint
	if c.Protocol == ProtocolGRPC {
		target, err := ParseTarget(text)
		if err != nil {
			return nil, fmt.Errorf("push: Endpoint=%q: %w", showURL(target), err)
		}
		if target != nil {
			return target, nil
		}
	}
	if c.Protocol == ProtocolGRPC && !strings.Contains(text, "://") {
		scheme := "https://"
		if c.Insecure {
			scheme = "http://"
		}
		text = scheme + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("push: Endpoint: is not a URL (%w); a URL such as https://host:4318/v1/metrics", parseCause(err))
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("push: Endpoint=%q: has no http or https scheme; a URL such as https://host:4318/v1/metrics", showURL(u))
	}
	if u.Hostname() == "" {
		return nil, fmt.Errorf("push: Endpoint=%q: has no host; a URL such as https://host:4318/v1/metrics", showURL(u))
	}
	return u, nil
}

// parseCause takes the text that was parsed out of the error: it may hold a password.
func parseCause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func validateHeaders(headers map[string]Secret) error {
	var errs []error
	for key, secret := range headers {
		value := secret.Reveal()
		switch {
		case !httpguts.ValidHeaderFieldName(key):
			errs = append(errs, fmt.Errorf("push: Headers[%q]: is not a header name; letters, digits and -", key))
		case !httpguts.ValidHeaderFieldValue(value):
			errs = append(errs, fmt.Errorf("push: Headers[%q]: the value has a character that a header cannot carry; printable ASCII", key))
		case strings.HasPrefix(strings.ToLower(key), "grpc-"):
			errs = append(errs, fmt.Errorf("push: Headers[%q]: is reserved for gRPC; another name", key))
		}
	}
	return errors.Join(errs...)
}

func oneOf[T ~string](field string, value T, allowed ...T) error {
	names := make([]string, 0, len(allowed))
	for _, a := range allowed {
		if value == a {
			return nil
		}
		if a != "" {
			names = append(names, string(a))
		}
	}
	return fmt.Errorf("push: %s=%q: is not known; %s", field, string(value), strings.Join(names, ", "))
}

func notNegative[N int | int64 | time.Duration](field string, value N) error {
	if value < 0 {
		return fmt.Errorf("push: %s=\"%v\": is negative; zero for the default, or more", field, value)
	}
	return nil
}
