package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/bound"
	"github.com/duotel/duotel/internal/cardinality"
	"github.com/duotel/duotel/internal/guard"
)

// New builds an SDK from cfg and touches no global. Everything is validated before anything is
// acquired, and what was acquired is released when a later step fails. ctx bounds start-up only.
//
// The caller owns the SDK and calls [SDK.Shutdown] once.
func New(ctx context.Context, cfg Config, opts ...Option) (*SDK, error) {
	o := newOptions(opts)
	if err := errors.Join(cfg.Validate(), o.Err("telemetry"), errors.Join(o.wrong...)); err != nil {
		return nil, err
	}
	if cfg.Disabled {
		return newDisabled(o), nil
	}
	if err := o.checkStore(cfg.Discovery); err != nil {
		return nil, err
	}
	for _, w := range cfg.warnings() {
		o.logger.Warn("telemetry: " + w)
	}
	s := &SDK{cfg: cfg, opts: o, stopped: make(chan struct{})}
	if err := s.build(ctx); err != nil {
		return nil, errors.Join(err, s.Shutdown(ctx))
	}
	return s, nil
}

// build is the picture in the package documentation, top to bottom.
func (s *SDK) build(ctx context.Context) error {
	res, err := newResource(ctx, s.cfg, debug.ReadBuildInfo)
	if err != nil {
		return err
	}
	s.cardinality = cardinality.New(s.limitOf, func(f cardinality.Finding) { s.opts.logger.Warn("telemetry: " + f.String()) })
	s.source = exporter.NewSource(exporter.SourceConfig{
		Aggregation:  s.cfg.aggregation(),
		Observe:      s.cardinality.Observe,
		Rewrite:      s.cfg.HTTP.rewrite(),
		ErrorHandler: s.opts.errorHandler,
	})
	s.sdkProvider = sdkmetric.NewMeterProvider(s.providerOptions(res)...)
	s.guard = guard.NewProvider(s.sdkProvider, s.opts.errorHandler)
	s.provider = bound.NewProvider(s.boundConfig())
	s.source.Attach(s.provider)
	s.registry = prometheus.NewRegistry()

	pull, push, console := s.cfg.exits()
	listed := pull && s.cfg.Discovery.URL != ""
	steps := []struct {
		on   bool
		open func(context.Context, *resource.Resource) error
	}{
		{pull, s.openPull},
		{push, s.openPush},
		{console, s.openConsole},
		{true, s.openMiddleware},
		{listed, s.openRegistrar},
		{true, s.openSelfMetrics},
		{s.cfg.Listener.enabled(), s.openListener},
		{listed, s.startRegistrar}, // when the page answers
	}
	for _, step := range steps {
		if !step.on {
			continue
		}
		if err := step.open(ctx, res); err != nil {
			return err
		}
	}
	return nil
}

// providerOptions configure the provider that all instruments come from.
func (s *SDK) providerOptions(res *resource.Resource) []sdkmetric.Option {
	opts := []sdkmetric.Option{
		sdkmetric.WithReader(s.source.Reader()),
		sdkmetric.WithResource(res),
		sdkmetric.WithCardinalityLimit(s.cfg.cardinalityLimit()),
		sdkmetric.WithExemplarFilter(s.exemplarFilter()),
	}
	if v := s.opts.view(); v != nil {
		opts = append(opts, sdkmetric.WithView(v))
	}
	return opts
}

// boundConfig repeats what the SDK's provider is told, for the instruments that aggregate in place.
func (s *SDK) boundConfig() bound.Config {
	return bound.Config{
		Inner:            s.guard,
		View:             s.opts.view(),
		Aggregation:      s.cfg.aggregation(),
		CardinalityLimit: cmp.Or(s.cfg.CardinalityLimit, defaultCardinalityLimit),
		LimitFor:         s.opts.limitFor,
		ExemplarFilter:   s.exemplarFilter(),
	}
}

// limitOf is the cardinality limit of a metric, under the name that a view may have given it; 0 for none.
func (s *SDK) limitOf(scope, name string) int {
	if limit, ok := s.provider.LimitOf(scope, name); ok {
		return max(limit, 0)
	}
	return max(cmp.Or(s.cfg.CardinalityLimit, defaultCardinalityLimit), 0)
}

// exemplarFilter turns reservoirs off unless somebody can make use of them: see [Config.ExemplarFilter].
func (s *SDK) exemplarFilter() exemplar.Filter {
	switch s.cfg.ExemplarFilter {
	case ExemplarAlwaysOn:
		return exemplar.AlwaysOnFilter
	case ExemplarTraceBased:
		return exemplar.TraceBasedFilter
	case ExemplarAlwaysOff:
		return exemplar.AlwaysOffFilter
	}
	if s.opts.tracerProvider != nil {
		return exemplar.TraceBasedFilter
	}
	return exemplar.AlwaysOffFilter
}

// gatherers are the client_golang registries both exits show.
func (s *SDK) gatherers() []prometheus.Gatherer {
	return append([]prometheus.Gatherer{s.registry}, s.opts.gatherers...)
}

func (s *SDK) openPull(_ context.Context, res *resource.Resource) error {
	process := prometheus.NewRegistry()
	process.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	var err error
	s.pull, err = exporter.NewPull(exporter.PullConfig{
		Source:              s.source,
		Resource:            res,
		Gatherers:           s.gatherers(),
		Fallback:            process,
		Namespace:           s.cfg.Pull.prefix(),
		Unprefixed:          func(scope string) bool { return scope == selfScope },
		Labels:              s.cfg.Labels,
		ResourceLabels:      s.cfg.Pull.ResourceLabels,
		WithoutScopeInfo:    s.cfg.Pull.WithoutScopeInfo,
		WithoutTargetInfo:   s.cfg.Pull.WithoutTargetInfo,
		TranslationStrategy: otlptranslator.TranslationStrategyOption(s.cfg.Pull.TranslationStrategy),
		Filter:              s.opts.pullFilter,
		Authorizer:          s.opts.authorizer,
		ErrorHandler:        s.opts.errorHandler,
	})
	return err
}

func (s *SDK) openPush(ctx context.Context, res *resource.Resource) error {
	c := s.cfg.Push
	tlsFunc, headersFunc, err := c.files(s.opts.logger)
	if err != nil {
		return err
	}
	s.push, err = exporter.NewPush(ctx, exporter.PushConfig{
		Endpoint:           c.Endpoint,
		Protocol:           c.Protocol,
		Headers:            c.Headers,
		Timeout:            c.Timeout,
		Interval:           c.Interval,
		ExportTimeout:      c.ExportTimeout,
		Compression:        c.Compression,
		HeadersFunc:        headersFunc,
		TLSFunc:            tlsFunc,
		Insecure:           c.Insecure,
		Temporality:        c.Temporality,
		MaxExportBatchSize: c.MaxExportBatchSize,
		Proxy:              http.ProxyFromEnvironment,
		Dial:               s.opts.pushDial,
		Asynchronous:       func(scope instrumentation.Scope, name string) bool { return s.guard.Asynchronous(scope.Name, name) },
		SpoolDir:           c.SpoolDir,
		Resource:           withLabels(res, s.cfg.Labels),
		Producers:          s.producers(),
		Logger:             s.opts.logger,
		ErrorHandler:       s.opts.errorHandler,
	})
	if err != nil {
		return err
	}
	if err := runtime.Start(runtime.WithMeterProvider(s.push.MeterProvider())); err != nil {
		return fmt.Errorf("push: runtime metrics: %w", err)
	}
	return s.preflight(ctx)
}

// preflight sends one empty request: before New returns where [WithStrictPush] wants its outcome, and
// beside everything else where it is only for the log.
func (s *SDK) preflight(ctx context.Context) error {
	if s.opts.strictPush {
		return s.push.Preflight(ctx)
	}
	ctx, s.cancelPreflight = context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() {
		_ = s.push.Preflight(ctx) // the push exit logs the outcome, and has it in its stats
	})
	return nil
}

// producers feed an exit that pushes.
func (s *SDK) producers() []sdkmetric.Producer {
	return []sdkmetric.Producer{
		s.source.Producer(s.opts.pushFilter),
		exporter.NewBridge(s.gatherers(), s.opts.pushFilter, s.opts.errorHandler),
	}
}

func (s *SDK) openConsole(_ context.Context, res *resource.Resource) error {
	var err error
	s.console, err = exporter.NewConsole(s.opts.console, withLabels(res, s.cfg.Labels), s.producers(), s.cfg.Push.Interval, s.cfg.Push.ExportTimeout, s.opts.errorHandler)
	return err
}

func (s *SDK) openListener(context.Context, *resource.Resource) error {
	var metrics http.Handler
	if s.pull != nil {
		metrics = s.pull
	}
	var err error
	s.listener, err = openListener(s.cfg.Listener, metrics, s.ready, s.opts.logger)
	return err
}

// ready is what /readyz asks.
func (s *SDK) ready() error {
	if s.stopping.Load() {
		return errors.New("the process is stopping")
	}
	return nil
}
