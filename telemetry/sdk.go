package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/internal/cardinality"
	"github.com/duotel/duotel/internal/guard"
	"github.com/duotel/duotel/internal/report"
	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

// DefaultShutdownTimeout bounds a Shutdown whose context has no deadline. It leaves a container that
// is killed after 30 s most of them for the rest of its work.
const DefaultShutdownTimeout = 5 * time.Second

// SDK is one MeterProvider and its exits. Make one with [Start] or [New]. It is safe for concurrent
// use. The SDK of a disabled Config answers every method and does nothing.
type SDK struct {
	cfg  Config
	opts options

	cardinality *cardinality.Watcher
	source      *exporter.Source
	sdkProvider *sdkmetric.MeterProvider
	guard       *guard.Provider
	provider    *bound.Provider
	registry    *prometheus.Registry
	pull        *exporter.Pull
	push        *exporter.Push
	console     *exporter.Console
	listener    *listener
	registrar   *registrar
	middleware  []middleware.Option
	mux         atomic.Pointer[http.ServeMux] // what Mount was given last

	cancelPreflight context.CancelFunc
	running         sync.WaitGroup

	stopping atomic.Bool
	stopped  chan struct{} // closed when stopErr is there
	stopErr  error
}

// newDisabled returns the SDK of a disabled Config.
func newDisabled(o options) *SDK {
	return &SDK{cfg: Config{Disabled: true}, opts: o, registry: prometheus.NewRegistry(), stopped: make(chan struct{})}
}

// MeterProvider returns the provider to make instruments with. Its synchronous instruments implement
// the binders of go.opentelemetry.io/otel/metric/x: an instrument bound to its attributes records
// without attribute work and without allocation. Its observable callbacks are guarded: one that fails
// or panics is counted and reported, and everything else goes out.
func (s *SDK) MeterProvider() metric.MeterProvider {
	if s.cfg.Disabled {
		return noop.NewMeterProvider()
	}
	return s.provider
}

// TracerProvider returns what [WithTracerProvider] gave, or a provider that does nothing.
func (s *SDK) TracerProvider() trace.TracerProvider {
	if s.cfg.Disabled || s.opts.tracerProvider == nil {
		return tracenoop.NewTracerProvider()
	}
	return s.opts.tracerProvider
}

// MetricsHandler returns the pull exit. Where there is none it answers 404; after Shutdown, 503.
func (s *SDK) MetricsHandler() http.Handler {
	if s.pull == nil {
		return http.NotFoundHandler()
	}
	return s.pull
}

// Mount registers the pull exit on mux as /metrics. It does nothing where there is no pull exit.
// The pattern has the method GET, which includes HEAD, so that it goes beside a "GET /". A later [SDK.Middleware] asks mux for the route of requests that other middleware has copied.
func (s *SDK) Mount(mux *http.ServeMux) {
	s.mux.Store(mux)
	if s.pull != nil {
		mux.Handle("GET /metrics", s.pull)
	}
}

// Middleware instruments next with the HTTP server metrics of package middleware, and with spans
// where there is a tracer provider. opts come after the SDK's own.
//
// It panics when next is nil or an option is invalid, with an error that names it: that is a mistake in the program, and a handler
// that is not measured would not be noticed. [middleware.New] returns the error instead.
func (s *SDK) Middleware(next http.Handler, opts ...middleware.Option) http.Handler {
	if s.cfg.Disabled {
		return next
	}
	base := slices.Clone(s.middleware)
	if mux := s.mux.Load(); mux != nil {
		base = append(base, middleware.WithMux(mux))
	}
	m, err := middleware.New(append(base, opts...)...)
	if err != nil {
		panic(fmt.Errorf("telemetry: SDK.Middleware: %w", err))
	}
	return m.Handler(next)
}

// Transport instruments base, or [http.DefaultTransport] when base is nil, with the HTTP client
// metrics of package middleware, and with spans where there is a tracer provider.
func (s *SDK) Transport(base http.RoundTripper) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	if s.cfg.Disabled {
		return base
	}
	t, err := middleware.NewTransport(base, s.middleware...)
	if err != nil {
		s.opts.errorHandler(err)
		return base
	}
	return t
}

func (s *SDK) openMiddleware(context.Context, *resource.Resource) error {
	s.middleware = []middleware.Option{
		middleware.WithMeterProvider(s.provider),
		middleware.WithErrorHandler(s.opts.errorHandler),
		middleware.WithDurationBuckets(vocabulary.DurationBuckets(vocabulary.Names(s.cfg.HTTP.Names))...),
		middleware.WithDurationBounds(s.cfg.HTTP.DurationBounds...),
	}
	if s.opts.tracerProvider != nil {
		s.middleware = append(s.middleware, middleware.WithTracerProvider(s.opts.tracerProvider))
	}
	if len(s.cfg.HTTP.KnownMethods) > 0 {
		s.middleware = append(s.middleware, middleware.WithKnownMethods(s.cfg.HTTP.KnownMethods...))
	}
	for _, expr := range s.cfg.HTTP.ExcludedHandlers {
		s.middleware = append(s.middleware, middleware.WithExcluded(regexp.MustCompile(expr)))
	}
	_, err := middleware.New(s.middleware...)
	return err
}

// SetGlobal makes the SDK's providers OpenTelemetry's global ones, and the handler of [WithErrorHandler], or the logger, that of
// OpenTelemetry's own errors, which go to standard error otherwise. The tracer provider is left alone where [WithTracerProvider]
// gave none, and the error handler where it is [otel.Handle] itself.
func (s *SDK) SetGlobal() {
	if reflect.ValueOf(s.opts.errorHandler).Pointer() != reflect.ValueOf(otel.Handle).Pointer() {
		otel.SetErrorHandler(report.Limit(s.opts.errorHandler)) // a *Limited is an otel.ErrorHandler
	}
	otel.SetMeterProvider(s.MeterProvider())
	if s.opts.tracerProvider != nil {
		otel.SetTracerProvider(s.TracerProvider())
	}
}

// ListenerAddr returns the address of the listener that [ListenerConfig] asked for, or "".
func (s *SDK) ListenerAddr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.addr()
}

// ForceFlush pushes the current state now and waits for the answer. It returns nil where nothing is
// pushed.
func (s *SDK) ForceFlush(ctx context.Context) error {
	var errs []error
	if s.push != nil {
		errs = append(errs, s.push.ForceFlush(ctx))
	}
	if s.console != nil {
		errs = append(errs, s.console.ForceFlush(ctx))
	}
	return errors.Join(errs...)
}

// Shutdown takes the process out of the list of [DiscoveryConfig], makes /metrics answer 503, pushes a last time, and releases everything, within ctx's
// deadline or else [DefaultShutdownTimeout], whatever hangs. A context that is over already, as that of
// signal.NotifyContext is, gives the last push [exporter.ShutdownGrace]. The error says what was lost. Calls
// after the first wait for it, within their own deadline, and return what it returned.
func (s *SDK) Shutdown(ctx context.Context) error {
	ctx, cancel := exporter.ShutdownContext(ctx, DefaultShutdownTimeout)
	defer cancel()
	if s.stopping.CompareAndSwap(false, true) {
		defer close(s.stopped)
		s.stopErr = s.shutdown(ctx)
		return s.stopErr
	}
	select {
	case <-s.stopped:
		return s.stopErr
	case <-ctx.Done():
		return fmt.Errorf("shutdown: an earlier call has not ended: %w", context.Cause(ctx))
	}
}

// shutdown closes what build opened: the source after the exits, whose last collection it gives.
func (s *SDK) shutdown(ctx context.Context) error {
	if s.cancelPreflight != nil {
		s.cancelPreflight()
	}
	errs := s.shutdownExits(ctx)
	errs = append(errs, s.awaitPreflight(ctx))
	if s.source != nil {
		errs = append(errs, s.source.Shutdown(ctx))
	}
	if s.sdkProvider != nil {
		if err := s.sdkProvider.Shutdown(ctx); !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// awaitPreflight waits for the goroutine of the preflight, which has been canceled.
func (s *SDK) awaitPreflight(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.running.Wait()
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("shutdown: the preflight has not ended: %w", context.Cause(ctx))
	}
}

// shutdownExits closes all of them at once: one that hangs must not take the time of the others. The page and its listener alone wait
// until the process is out of the list that Prometheus reads.
func (s *SDK) shutdownExits(ctx context.Context) []error {
	var exits []func(context.Context) error
	unlisted := make(chan struct{})
	page := func(shutdown func(context.Context) error) {
		exits = append(exits, func(ctx context.Context) error {
			<-unlisted
			return shutdown(ctx)
		})
	}
	if s.push != nil {
		exits = append(exits, s.push.Shutdown)
	}
	if s.console != nil {
		exits = append(exits, s.console.Shutdown)
	}
	if s.pull != nil {
		page(s.pull.Shutdown)
	}
	if s.listener != nil {
		page(s.listener.shutdown)
	}
	exits = append(exits, func(ctx context.Context) error {
		defer close(unlisted)
		if s.registrar == nil || s.registrar.cancel == nil { // it was not started
			return nil
		}
		return s.registrar.shutdown(ctx)
	})
	errs := make([]error, len(exits))
	var closing sync.WaitGroup
	for i, shutdown := range exits {
		closing.Go(func() { errs[i] = shutdown(ctx) })
	}
	closing.Wait()
	return errs
}
