package bound

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// DefaultCardinalityLimit is the number of series of one instrument, the overflow series included, that
// the metrics SDK specification sets.
const DefaultCardinalityLimit = 2000

// Config says what a [Provider] wraps and how it aggregates. Everything but Inner may be left zero. What
// it has in common with Inner (view, aggregation, limits, filter) must be given to both.
type Config struct {
	// Inner makes the observable instruments, and the synchronous ones this package does not aggregate.
	// It is required.
	Inner metric.MeterProvider
	// View is the provider's one view. Default: none.
	View sdkmetric.View
	// Aggregation is the reader's choice by instrument kind. Default: the specification's.
	Aggregation sdkmetric.AggregationSelector
	// CardinalityLimit is the most series one instrument keeps, the overflow series included. Default
	// [DefaultCardinalityLimit]; a negative value means no limit.
	CardinalityLimit int
	// LimitFor gives one instrument (as it was created, before the view) its own limit: 0 means
	// CardinalityLimit, a negative value no limit. It does not reach instruments the SDK aggregates.
	// Default: none.
	LimitFor func(sdkmetric.Instrument) int
	// ExemplarFilter decides which measurements are offered as exemplars. Default, and for
	// [exemplar.AlwaysOffFilter]: none are, and nothing is spent on them.
	ExemplarFilter exemplar.Filter
	// Now is the clock of start times and points. Default: [time.Now].
	Now func() time.Time
}

// Provider is a [metric.MeterProvider] whose synchronous instruments implement the binders of
// go.opentelemetry.io/otel/metric/x. What they measure is handed on by [Provider.Produce]. It is safe
// for concurrent use, starts no goroutine and needs no shutdown.
type Provider struct {
	embedded.MeterProvider

	cfg Config

	mu     sync.Mutex
	scopes map[instrumentation.Scope]*scope
	order  []*scope
}

// The reader takes what is measured here as an external producer.
var _ sdkmetric.Producer = (*Provider)(nil)

// NewProvider returns a Provider. It panics if cfg.Inner is nil.
func NewProvider(cfg Config) *Provider {
	if cfg.Inner == nil {
		panic("bound: nil inner MeterProvider")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if isAlwaysOff(cfg.ExemplarFilter) {
		cfg.ExemplarFilter = nil
	}
	return &Provider{cfg: cfg, scopes: map[instrumentation.Scope]*scope{}}
}

// Meter returns the inner provider's meter with bindable synchronous instruments. Meters of the same
// name, version, schema URL and attributes share their instruments. A no-op meter, which is what the SDK
// gives after its shutdown, is returned as it is.
func (p *Provider) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	inner := p.cfg.Inner.Meter(name, opts...)
	if _, off := inner.(noop.Meter); off {
		return inner
	}
	cfg := metric.NewMeterConfig(opts...)
	return &meter{Meter: inner, provider: p, scope: p.scope(instrumentation.Scope{
		Name:       name,
		Version:    cfg.InstrumentationVersion(),
		SchemaURL:  cfg.SchemaURL(),
		Attributes: normalize(cfg.InstrumentationAttributes()),
	})}
}

// Produce returns every series measured so far, cumulative, in memory that is the caller's. The error is
// that of ctx, and comes without data. It implements [sdkmetric.Producer]. A scope that also has
// observable instruments is in the SDK's own data once more, with the same identity.
func (p *Provider) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	var dst []metricdata.ScopeMetrics
	if err := p.ProduceInto(ctx, &dst); err != nil {
		return nil, err
	}
	return dst, nil
}

// ProduceInto is [Provider.Produce] into the slices dst already has, at every depth: collecting the same
// series again allocates per instrument, not per series. Nothing else may use what dst held.
func (p *Provider) ProduceInto(ctx context.Context, dst *[]metricdata.ScopeMetrics) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	scopes := p.order
	p.mu.Unlock()

	now := p.cfg.Now()
	out := grow(*dst, len(scopes))
	n := 0
	for _, s := range scopes {
		if out[n].Metrics = s.collect(out[n].Metrics, now); len(out[n].Metrics) > 0 {
			out[n].Scope = s.id
			n++
		}
	}
	*dst = out[:n]
	return nil
}

// LimitOf returns the limit of the metric of that name, which a view may have given it, of a scope of that name; false where it
// is not aggregated here.
func (p *Provider) LimitOf(scope, name string) (limit int, ok bool) {
	p.mu.Lock()
	scopes := p.order
	p.mu.Unlock()
	for _, s := range scopes {
		if s.id.Name != scope {
			continue
		}
		s.mu.Lock()
		limit, ok = s.limits[name]
		s.mu.Unlock()
		if ok {
			return limit, true
		}
	}
	return 0, false
}

func (p *Provider) scope(id instrumentation.Scope) *scope {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, ok := p.scopes[id]
	if !ok {
		s = newScope(&p.cfg, id)
		p.scopes[id] = s
		p.order = append(p.order, s)
	}
	return s
}

// grow returns s with length n, keeping what its memory holds for reuse.
func grow[T any](s []T, n int) []T {
	if cap(s) >= n {
		return s[:n]
	}
	return append(s[:cap(s)], make([]T, n-cap(s))...)
}

// limit returns the most series inst may have; 0 or less means no limit.
func (c *Config) limit(inst sdkmetric.Instrument) int {
	if c.LimitFor != nil {
		if n := c.LimitFor(inst); n != 0 {
			return n
		}
	}
	if c.CardinalityLimit == 0 {
		return DefaultCardinalityLimit
	}
	return c.CardinalityLimit
}

// overflow is the attribute set of the series that takes what is beyond the limit.
var overflow = attribute.NewSet(attribute.Bool("otel.metric.overflow", true))
