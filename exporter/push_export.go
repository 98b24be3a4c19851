package exporter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter/internal/clean"
	"github.com/duotel/duotel/exporter/internal/delta"
	"github.com/duotel/duotel/exporter/internal/otlptransport"
	"github.com/duotel/duotel/exporter/internal/spool"
)

// pushExporter stands between the periodic reader and the transport. It is always given cumulative
// data. It never returns an error to the reader, which would print it at every interval; the stats
// keep it instead.
type pushExporter struct {
	client   otlptransport.Client
	stats    *pushStats
	sources  []*pushProducer
	lenders  []sdkmetric.Producer // whose data is released after each push
	resource *resource.Resource
	maxBatch int
	interval time.Duration
	timeout  time.Duration // of a push
	spool    *spool.Spool  // nil when there is none
	sending  chan struct{} // holds a token while a request may be under way

	life    context.Context // ends with abort
	abort   context.CancelFunc
	open    context.Context // ends with close, when stopping begins
	close   context.CancelFunc
	forced  atomic.Bool
	yieldBy atomic.Pointer[time.Time] // set when stopping: when a push under way has to give way

	// Used by Export only, which the reader never calls twice at once.
	calm          calm
	aside         aside
	refusals      int            // pushes in a row in which something was refused for what is in it
	took          bool           // the latest push had points accepted
	tracker       *delta.Tracker // nil for cumulative
	cleaner       *clean.Cleaner
	collectErrors int64

	mu   sync.Mutex
	last error
}

func newPushExporter(cfg PushConfig, client otlptransport.Client, kept *spool.Spool, stats *pushStats, sources []*pushProducer) *pushExporter {
	e := &pushExporter{
		client:   client,
		stats:    stats,
		sources:  sources,
		lenders:  cfg.Producers,
		resource: clean.Resource(cfg.Resource),
		maxBatch: cfg.MaxExportBatchSize,
		interval: cfg.Interval,
		timeout:  cfg.ExportTimeout,
		spool:    kept,
		sending:  make(chan struct{}, 1),
		calm:     calm{interval: cfg.Interval},
		tracker:  newTracker(cfg),
		cleaner:  clean.New(),
	}
	e.life, e.abort = context.WithCancel(context.Background())
	e.open, e.close = context.WithCancel(e.life)
	return e
}

// Temporality implements [sdkmetric.Exporter]. The reader's provider has no instruments.
func (*pushExporter) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}

// Aggregation implements [sdkmetric.Exporter].
func (*pushExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

// ForceFlush implements [sdkmetric.Exporter]. Nothing is held back.
func (*pushExporter) ForceFlush(context.Context) error { return nil }

// Shutdown implements [sdkmetric.Exporter]. [Push.Shutdown] closes the client, whatever the reader does.
func (*pushExporter) Shutdown(context.Context) error { return nil }

// Export implements [sdkmetric.Exporter].
func (e *pushExporter) Export(ctx context.Context, rm *metricdata.ResourceMetrics) error {
	e.sending <- struct{}{}
	defer func() { <-e.sending }()
	defer release(e.lenders)
	ctx, hurry, done := e.begin(ctx)
	defer done()
	e.setLast(e.guarded(attempt{ctx, hurry}, rm.ScopeMetrics))
	return nil
}

// attempt is the time one push has: to the end of ctx, without waiting between requests once hurry
// is closed.
type attempt struct {
	context.Context
	hurry <-chan struct{}
}

// guarded pushes and makes an error of a panic: the reader's goroutine would take the process down.
func (e *pushExporter) guarded(a attempt, scopes []metricdata.ScopeMetrics) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("push: panic: %v\n%s", v, debug.Stack())
			e.stats.collectFailed(err)
		}
	}()
	now := time.Now()
	defer time.AfterFunc(overdueIntervals*min(e.interval, math.MaxInt64/overdueIntervals), func() { e.stats.overdue(now) }).Stop()
	cargo := e.load(scopes)
	if !e.forced.Swap(false) && e.yieldBy.Load() == nil && e.calm.holds(now) {
		e.keepAll(cargo)
		return e.lastError()
	}
	outcome := e.deliver(a, cargo)
	outcome.missing = e.missing()
	e.took = outcome.fresh.sent+outcome.replay.sent > 0
	if e.refusals++; !outcome.refused || !outcome.failed() {
		e.refusals = 0 // nothing was refused, or what was is set aside
	}
	e.calm.after(outcome.worst, time.Now())
	e.stats.pushed(outcome, now, time.Since(now))
	return outcome.err()
}

// overdueIntervals is for how many intervals a push may be under way before it counts as failing.
const overdueIntervals = 2

// missing returns why what was collected is not all that there is, nil when it is.
func (e *pushExporter) missing() error {
	var errs []error
	for _, source := range e.sources {
		errs = append(errs, source.missing())
	}
	return errors.Join(errs...)
}

// begin returns the context of one push. It has the deadline of the reader's, but not its
// cancellation: a reader that shuts down cancels the request under way, whose data the backend may
// just have taken. Instead the push is told to hurry, and cut off when its share of the time is over.
func (e *pushExporter) begin(ctx context.Context) (_ context.Context, hurry <-chan struct{}, done func()) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	if deadline, ok := ctx.Deadline(); ok {
		cancel()
		own, cancel = context.WithDeadline(context.WithoutCancel(ctx), e.earlier(deadline))
	}
	hurrying, stop := context.WithCancel(context.Background())
	var cut *time.Timer
	var mu sync.Mutex
	offReader := context.AfterFunc(ctx, func() {
		mu.Lock()
		defer mu.Unlock()
		stop()
		if by := e.yieldBy.Load(); by != nil {
			cut = time.AfterFunc(time.Until(*by), cancel)
		}
	})
	offLife := context.AfterFunc(e.life, cancel)
	return own, hurrying.Done(), func() {
		offReader()
		offLife()
		mu.Lock()
		defer mu.Unlock()
		if cut != nil {
			cut.Stop()
		}
		stop()
		cancel()
	}
}

// earlier leaves time to write to the spool before the process stops.
func (e *pushExporter) earlier(deadline time.Time) time.Time {
	if e.spool == nil || e.yieldBy.Load() == nil {
		return deadline
	}
	return deadline.Add(-min(time.Until(deadline)/4, time.Second))
}

// stopping gives a push under way half of the time that is left, and a preflight none.
func (e *pushExporter) stopping(ctx context.Context) {
	by := time.Now()
	if deadline, ok := ctx.Deadline(); ok {
		by = by.Add(time.Until(deadline) / 2)
	}
	e.yieldBy.Store(&by)
	e.close()
}

// force makes the next push go out although the backend asked for calm.
func (e *pushExporter) force() { e.forced.Store(true) }

func (e *pushExporter) setLast(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last = err
}

// lastError is why the latest push failed; nil when it did not.
func (e *pushExporter) lastError() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.last
}
