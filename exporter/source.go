package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter/internal/flight"
	"github.com/duotel/duotel/internal/report"
)

// ErrShutdown is returned by what is asked for data after its Shutdown.
var ErrShutdown = errors.New("exporter: is shut down")

// defaultCollectTimeout is given to callbacks as their deadline when whoever asks has none.
const defaultCollectTimeout = 10 * time.Second

// Filter reports whether a metric leaves by an exit. scope is the instrumentation scope's name, empty
// for a metric of a client_golang registry; name is the metric's own, before any translation. A nil
// Filter lets everything out. It must be safe for concurrent use.
type Filter func(scope, name string) bool

// SourceConfig says how a [Source] aggregates. Its zero value is the SDK's defaults.
type SourceConfig struct {
	// Aggregation selects the aggregation of an instrument kind. Default: the SDK's.
	Aggregation sdkmetric.AggregationSelector
	// Producers give data of other origin to the same collection.
	Producers []sdkmetric.Producer
	// Observe sees every collection before anybody else. It must not change or keep it. Default: none.
	Observe func([]metricdata.ScopeMetrics)
	// Rewrite returns what both exits show of a collection. It must not change its argument, but may
	// return it. Default: all of it, as it is.
	Rewrite func([]metricdata.ScopeMetrics) []metricdata.ScopeMetrics
	// ErrorHandler receives an error that came with a collection, when it begins and not with every collection. It must be safe for
	// concurrent use. Default: none.
	ErrorHandler func(error)
}

// Source is the one reader of a MeterProvider and the one collection both exits share.
//
// Scrapes and pushes that ask while a collection runs get its result; a callback that hangs holds
// one goroutine, and everyone who asks meanwhile waits no longer than their own deadline. It is safe
// for concurrent use.
type Source struct {
	reader      *sdkmetric.ManualReader
	collections *flight.Group[*Snapshot]
	attached    []Attachment
	cfg         SourceConfig
	errors      atomic.Int64
	told        *report.Rounds

	mu    sync.Mutex
	spare *Snapshot // the memory of the last collection nobody reads any more
}

// Snapshot is one collection: the cumulative state of every series at one time. It is shared, so it
// must not be changed, and nothing of it kept after Release.
type Snapshot struct {
	Resource *resource.Resource
	Scopes   []metricdata.ScopeMetrics
	Time     time.Time

	data     metricdata.ResourceMetrics
	attached [][]metricdata.ScopeMetrics // one for each attachment
	release  func()
	shared   *Snapshot // whose data a lent snapshot shows
}

// Release lets go of the snapshot. Call it once.
func (s *Snapshot) Release() { s.release() }

// NewSource returns a Source whose Reader belongs into one MeterProvider.
func NewSource(cfg SourceConfig) *Source {
	var opts []sdkmetric.ManualReaderOption
	if cfg.Aggregation != nil {
		opts = append(opts, sdkmetric.WithAggregationSelector(cfg.Aggregation))
	}
	for _, p := range cfg.Producers {
		opts = append(opts, sdkmetric.WithProducer(p))
	}
	s := &Source{reader: sdkmetric.NewManualReader(opts...), cfg: cfg, told: report.NewRounds(cfg.ErrorHandler)}
	s.collections = flight.New(s.collect, s.keep, defaultCollectTimeout)
	return s
}

// Attachment is a second origin of a provider's data, beside its reader. ProduceInto replaces dst's
// content and may reuse its memory.
type Attachment interface {
	ProduceInto(ctx context.Context, dst *[]metricdata.ScopeMetrics) error
}

// Attach adds an origin of data to every collection. It must not be called after the first. The SDK's
// own way, a producer of the reader, loses all that a producer has when a callback fails.
func (s *Source) Attach(a Attachment) { s.attached = append(s.attached, a) }

// Reader returns the reader to build the MeterProvider with. It must not be collected from, or shut
// down, by anybody else.
func (s *Source) Reader() sdkmetric.Reader { return s.reader }

// Errors returns how many collections came with an error beside their data.
func (s *Source) Errors() int64 { return s.errors.Load() }

// Collect returns the current state of every series, joining a collection in progress. It returns
// ctx's error when ctx ends first, and [ErrShutdown] after Shutdown.
func (s *Source) Collect(ctx context.Context) (*Snapshot, error) { return s.share(ctx, false) }

// CollectFresh is Collect, but never joins a collection that began before the call: every
// measurement made before it is in the result.
func (s *Source) CollectFresh(ctx context.Context) (*Snapshot, error) { return s.share(ctx, true) }

func (s *Source) share(ctx context.Context, fresh bool) (*Snapshot, error) {
	snap, release, err := s.collections.Do(ctx, fresh)
	if errors.Is(err, flight.ErrClosed) {
		return nil, ErrShutdown
	}
	if err != nil {
		return nil, fmt.Errorf("collect: %w", err)
	}
	return &Snapshot{Resource: snap.Resource, Scopes: snap.Scopes, Time: snap.Time, release: release, shared: snap}, nil
}

// collect is the run that callers share. The SDK returns data beside an error, and the data counts.
func (s *Source) collect(ctx context.Context) (*Snapshot, error) {
	snap := s.take()
	err := s.reader.Collect(ctx, &snap.data)
	if errors.Is(err, sdkmetric.ErrReaderShutdown) {
		return nil, ErrShutdown
	}
	if errors.Is(err, sdkmetric.ErrReaderNotRegistered) || (err != nil && snap.data.Resource == nil) {
		return nil, err
	}
	s.failed(err)
	snap.Resource, snap.Scopes, snap.Time = snap.data.Resource, snap.data.ScopeMetrics, time.Now()
	for i, a := range s.attached {
		// In memory and quick: stopping here would show a page without half of its series.
		if err := a.ProduceInto(context.WithoutCancel(ctx), &snap.attached[i]); err != nil {
			snap.attached[i] = snap.attached[i][:0] // never an older collection's
			s.failed(err)
		}
		snap.Scopes = joinScopes(snap.Scopes, snap.attached[i])
	}
	s.told.End()
	if s.cfg.Observe != nil {
		s.cfg.Observe(snap.Scopes)
	}
	if s.cfg.Rewrite != nil {
		snap.Scopes = s.cfg.Rewrite(snap.Scopes)
	}
	return snap, nil
}

// withoutCallbacks returns what the attachments have, in memory of its own. It may run beside a collection that hangs.
func (s *Source) withoutCallbacks() []metricdata.ScopeMetrics {
	var all []metricdata.ScopeMetrics
	for _, a := range s.attached {
		var own []metricdata.ScopeMetrics
		if err := a.ProduceInto(context.Background(), &own); err != nil {
			s.failed(err)
			continue
		}
		all = joinScopes(all, own)
	}
	if s.cfg.Rewrite != nil {
		all = s.cfg.Rewrite(all)
	}
	return all
}

// joinScopes returns both, each scope once. It changes neither, because their memory is used again.
func joinScopes(a, b []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	out := slices.Grow(slices.Clone(a), len(b))
	for _, sm := range b {
		i := slices.IndexFunc(a, func(have metricdata.ScopeMetrics) bool { return have.Scope == sm.Scope })
		if i < 0 {
			out = append(out, sm)
			continue
		}
		out[i].Metrics = slices.Concat(a[i].Metrics, sm.Metrics)
	}
	return out
}

// take returns memory for a collection: the SDK refills slices it finds, so a steady scrape does
// not allocate per series.
func (s *Source) take() *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := s.spare
	s.spare = nil
	if snap == nil {
		snap = &Snapshot{attached: make([][]metricdata.ScopeMetrics, len(s.attached))}
	}
	snap.data.Resource = nil
	return snap
}

func (s *Source) keep(snap *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spare = snap
}

// failed counts and reports an error that came beside data.
func (s *Source) failed(err error) {
	if err == nil {
		return
	}
	s.errors.Add(1)
	line, _, _ := strings.Cut(err.Error(), "\n")
	s.told.Failed(line, err)
}

// Shutdown makes every later collection fail with [ErrShutdown]. It waits for the one in progress
// until ctx ends.
func (s *Source) Shutdown(ctx context.Context) error {
	err := s.collections.Close(ctx)
	return errors.Join(err, s.reader.Shutdown(ctx))
}

// Producer returns a view of the Source for a periodic reader: what filter admits, never an error
// beside data, because the reader would then send nothing.
func (s *Source) Producer(filter Filter) sdkmetric.Producer {
	return &sourceProducer{source: s, filter: filter}
}

// sourceProducer lends each snapshot until the next, or until Release: a periodic reader is done with
// one collection before it begins another.
type sourceProducer struct {
	source *Source
	filter Filter

	mu   sync.Mutex
	lent *Snapshot
}

// Produce implements [sdkmetric.Producer]. Where a callback hangs, everything that needs no callback is given beside
// the error, while there is still time to send it.
func (p *sourceProducer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	waiting := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	snap, err := p.source.CollectFresh(waiting)
	if errors.Is(err, ErrShutdown) {
		return nil, err
	}
	if err != nil {
		p.lend(nil)
		return filterScopes(p.source.withoutCallbacks(), p.filter), incomplete{err}
	}
	p.lend(snap)
	return filterScopes(snap.Scopes, p.filter), nil
}

// Release ends the use of what Produce returned last. See [releaser].
func (p *sourceProducer) Release() { p.lend(nil) }

func (p *sourceProducer) lend(snap *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent != nil {
		p.lent.Release()
	}
	p.lent = snap
}

// filterScopes returns the metrics that filter admits, without changing scopes.
func filterScopes(scopes []metricdata.ScopeMetrics, filter Filter) []metricdata.ScopeMetrics {
	if filter == nil {
		return scopes
	}
	out := make([]metricdata.ScopeMetrics, 0, len(scopes))
	for _, sm := range scopes {
		kept := make([]metricdata.Metrics, 0, len(sm.Metrics))
		for _, m := range sm.Metrics {
			if filter(sm.Scope.Name, m.Name) {
				kept = append(kept, m)
			}
		}
		if len(kept) > 0 {
			out = append(out, metricdata.ScopeMetrics{Scope: sm.Scope, Metrics: kept})
		}
	}
	return out
}
