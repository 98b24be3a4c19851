package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/given"
)

// Option gives [New], [Start] and [Run] a live object that a Config cannot hold. Nil is never a live object: an option that is given
// nil, and a nil Option, is an error of theirs that names it. To leave something at its default, leave the option out.
type Option func(*options)

type options struct {
	logger         *slog.Logger
	errorHandler   func(error)
	gatherers      []prometheus.Gatherer
	views          []sdkmetric.View
	tracerProvider trace.TracerProvider
	pullFilter     exporter.Filter
	pushFilter     exporter.Filter
	authorizer     exporter.Authorizer
	limitFor       func(sdkmetric.Instrument) int
	strictPush     bool
	pushDial       func(ctx context.Context, network, address string) (net.Conn, error)
	console        io.Writer
	// discoveryStores open the stores of schemes.
	discoveryStores map[string]openStore
	wrong           []error // options that say what cannot be

	given.Options // those that were given nil
}

type openStore = func(ctx context.Context, at discovery.StoreConfig) (discovery.Store, error)

func newOptions(opts []Option) options {
	o := options{logger: slog.Default(), console: os.Stdout}
	for i, opt := range opts {
		if o.Given(fmt.Sprintf("option %d", i+1), opt) {
			opt(&o)
		}
	}
	if o.errorHandler == nil {
		logger := o.logger
		o.errorHandler = func(err error) { logger.Warn("telemetry", "error", err) }
	}
	return o
}

// WithLogger sets the logger of start-up warnings and of changes of state. Default: [slog.Default].
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if o.Given("WithLogger", l) {
			o.logger = l
		}
	}
}

// WithErrorHandler sets who receives run-time failures that have no caller: a callback that fails, a
// metric left out, a measurement of the middleware lost; after [SDK.SetGlobal] what OpenTelemetry's own code reports, too. Each is reported when it begins,
// not at every occurrence; a counter has them all. At most 64 come at once and then one every 10 s, with the number of those kept back.
// f must be safe for concurrent use. Default: a line at Warn on the logger.
func WithErrorHandler(f func(error)) Option {
	return func(o *options) {
		if o.Given("WithErrorHandler", f) {
			o.errorHandler = f
		}
	}
}

// WithGatherer brings a client_golang registry, such as [prometheus.DefaultGatherer], to both exits:
// to the pull exit as it is, to the push exit through contrib's Prometheus bridge. It may be given
// more than once; the first to have a series keeps it.
func WithGatherer(g prometheus.Gatherer) Option {
	return func(o *options) {
		if o.Given("WithGatherer", g) {
			o.gatherers = append(o.gatherers, g)
		}
	}
}

// WithView adds a view. The SDK applies every view that matches an instrument, side by side; here
// the first that matches is the only one, so that one instrument is one metric.
func WithView(v sdkmetric.View) Option {
	return func(o *options) {
		if o.Given("WithView", v) {
			o.views = append(o.views, v)
		}
	}
}

// WithCardinalityLimit sets the limit of single instruments over [Config.CardinalityLimit]: f returns
// it, 0 for the Config's, or a negative number for none. Only Name and Scope.Name of the instrument may
// be relied on. It holds for synchronous instruments with explicit buckets, sums and gauges; others
// keep the Config's. f must be safe for concurrent use.
func WithCardinalityLimit(f func(sdkmetric.Instrument) int) Option {
	return func(o *options) {
		if o.Given("WithCardinalityLimit", f) {
			o.limitFor = f
		}
	}
}

// WithTracerProvider turns spans on in [SDK.Middleware] and [SDK.Transport], through otelhttp, and
// exemplars with them. The caller keeps ownership: Shutdown does not stop tp. Default: none.
func WithTracerProvider(tp trace.TracerProvider) Option {
	return func(o *options) {
		if o.Given("WithTracerProvider", tp) {
			o.tracerProvider = tp
		}
	}
}

// WithPullFilter admits metrics to the pull exit. Default: all.
func WithPullFilter(f exporter.Filter) Option {
	return func(o *options) {
		if o.Given("WithPullFilter", f) {
			o.pullFilter = f
		}
	}
}

// WithPushFilter admits metrics to the push exit and the console. Default: all.
func WithPushFilter(f exporter.Filter) Option {
	return func(o *options) {
		if o.Given("WithPushFilter", f) {
			o.pushFilter = f
		}
	}
}

// WithAuthorizer decides who may scrape, and which series they see; [BearerTokenFile] makes one.
// Default: everybody, everything.
func WithAuthorizer(a exporter.Authorizer) Option {
	return func(o *options) {
		if o.Given("WithAuthorizer", a) {
			o.authorizer = a
		}
	}
}

// WithStrictPush makes a push exit that does not work an error of [New]: it waits for the answer to one
// empty request, no longer than its context. Default: the outcome is logged, with the fix, and the
// service starts.
func WithStrictPush() Option { return func(o *options) { o.strictPush = true } }

// WithPushDial makes the push exit open its connections with dial: through a tunnel, a service mesh's socket, or a network in memory.
// address is the endpoint's host and port, or those of the proxy where the environment names one; network is "tcp". It must be
// safe for concurrent use and return by its context's end. Default: the operating system's network.
func WithPushDial(dial func(ctx context.Context, network, address string) (net.Conn, error)) Option {
	return func(o *options) {
		if o.Given("WithPushDial", dial) {
			o.pushDial = dial
		}
	}
}

// WithConsole sets where the console exit writes. The caller keeps ownership of w. Default:
// [os.Stdout].
func WithConsole(w io.Writer) Option {
	return func(o *options) {
		if o.Given("WithConsole", w) {
			o.console = w
		}
	}
}

// WithDiscoveryStore lists the process in a store of its own, without a registry in between, where [DiscoveryConfig.URL] begins
// with scheme. The line for etcd, which is a package of its own so that who does not need it does not link it:
//
//	telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open)
//
// open gets the URL, and TLS and credentials where [DiscoveryConfig] has some. It is called beside everything else once the page answers, and
// again, with backoff, while it returns an error; ctx ends with that attempt. It also opens URLs whose scheme has an s more, such as etcds, by which
// a store means TLS. A store with a method Close, without arguments or with a context,
// is closed by [SDK.Shutdown]. The scheme is lower case, and neither http nor https. Given twice, the last holds. Default: none.
func WithDiscoveryStore(scheme string, open func(ctx context.Context, at discovery.StoreConfig) (discovery.Store, error)) Option {
	return func(o *options) {
		if !schemePattern.MatchString(scheme) || slices.Contains(registrySchemes, scheme) {
			o.wrong = append(o.wrong, fmt.Errorf("telemetry: WithDiscoveryStore=%q: is not the scheme of a store; lower-case letters, digits, + - and ., such as etcd, but not http or https", abridge(scheme)))
		}
		if o.Given("WithDiscoveryStore", open) {
			if o.discoveryStores == nil {
				o.discoveryStores = map[string]openStore{}
			}
			o.discoveryStores[scheme] = open
		}
	}
}

// view returns the one view function the SDK gets, or nil.
func (o *options) view() sdkmetric.View {
	if len(o.views) == 0 {
		return nil
	}
	views := o.views
	return func(inst sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		for _, v := range views {
			if s, ok := v(inst); ok {
				return s, true
			}
		}
		return sdkmetric.Stream{}, false
	}
}
