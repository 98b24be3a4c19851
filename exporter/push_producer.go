package exporter

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// pushProducer makes a producer that never fails out of one that may: a periodic reader sends
// nothing at all when one of its producers returns an error. An error, a panic or half the
// deadline going by is reported, and what data there is goes out.
type pushProducer struct {
	producer sdkmetric.Producer
	report   func(error)
	slot     chan struct{}         // holds a token while the producer is at work
	overdue  atomic.Bool           // it has not returned in time
	lacking  atomic.Pointer[error] // why the latest collection lacks what the producer has; nil when it does not
}

// incomplete is the error of a producer that could give only a part of what it has, so that a push of it is no success.
// A single metric that is left out is not that: see [leftOut].
type incomplete struct{ error }

func (i incomplete) Unwrap() error { return i.error }

// without reports an error, and takes note that the collection lacks what the producer has.
func (p *pushProducer) without(err error) {
	p.lacking.Store(&err)
	p.report(err)
}

// missing returns why the latest collection lacks what the producer has, nil when it does not.
func (p *pushProducer) missing() error {
	if err := p.lacking.Load(); err != nil {
		return headline{*err}
	}
	return nil
}

// headline shows the first line of an error: the report of a panic has its stack, which is no state.
type headline struct{ error }

func (h headline) Error() string {
	line, _, _ := strings.Cut(h.error.Error(), "\n")
	return line
}

func (h headline) Unwrap() error { return h.error }

func newPushProducer(p sdkmetric.Producer, report func(error)) *pushProducer {
	return &pushProducer{producer: p, report: report, slot: make(chan struct{}, 1)}
}

var (
	errProducerBusy = errors.New("collect: a producer has not returned from an earlier push")
	errProducerExit = errors.New("collect: a producer called runtime.Goexit")
)

type produced struct {
	scopes []metricdata.ScopeMetrics
	err    error
}

// Produce implements [sdkmetric.Producer].
func (p *pushProducer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	p.lacking.Store(nil)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/2)
		defer cancel()
	}
	if !p.enter(ctx) {
		p.without(errProducerBusy)
		return nil, nil
	}
	result := make(chan produced, 1)
	go func() {
		r := produced{err: errProducerExit}
		defer func() {
			<-p.slot // first, or the next push might come in between and leave this producer out
			result <- r
		}()
		r = p.call(ctx)
	}()
	select {
	case r := <-result:
		p.note(r)
		return r.scopes, nil
	case <-ctx.Done():
		// Reported also when it was canceled: what this collection lacks must not be taken for gone.
		p.overdue.Store(errors.Is(ctx.Err(), context.DeadlineExceeded))
		p.without(fmt.Errorf("collect: a producer did not return in time: %w", context.Cause(ctx)))
		return nil, nil
	}
}

// note reports what a producer's data lacks.
func (p *pushProducer) note(r produced) {
	nothing := r.scopes == nil && !errors.As(r.err, new(leftOut))
	if r.err != nil && (nothing || errors.As(r.err, new(incomplete))) {
		p.lacking.Store(&r.err)
	}
	for _, err := range each(r.err) {
		p.report(err)
	}
}

// each returns the errors to report for one of a producer's.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if several, ok := err.(leftOut); ok {
		return several
	}
	return []error{err}
}

// canceledGrace is how long a call that was canceled is waited for.
const canceledGrace = time.Second

// enter waits for the call before if it was canceled, for half of ctx's time at most: it is about to return.
// For one that did not return in time there is no waiting.
func (p *pushProducer) enter(ctx context.Context) bool {
	select {
	case p.slot <- struct{}{}:
	default:
		if p.overdue.Load() {
			return false
		}
		grace := canceledGrace
		if deadline, ok := ctx.Deadline(); ok {
			grace = min(grace, time.Until(deadline)/2)
		}
		patience := time.NewTimer(grace)
		defer patience.Stop()
		select {
		case p.slot <- struct{}{}:
		case <-patience.C:
			return false
		}
	}
	p.overdue.Store(false)
	return true
}

func (p *pushProducer) call(ctx context.Context) (r produced) {
	defer func() {
		if v := recover(); v != nil {
			r = produced{err: fmt.Errorf("collect: a producer panicked: %v\n%s", v, debug.Stack())}
		}
	}()
	scopes, err := p.producer.Produce(ctx)
	return produced{scopes, err}
}

// releaser is a producer that lends its data: it may reuse the memory after Release.
type releaser interface{ Release() }

// release tells producers that a push is done with their data.
func release(producers []sdkmetric.Producer) {
	for _, p := range producers {
		if r, ok := p.(releaser); ok {
			r.Release()
		}
	}
}

// readerProducer collects the instruments of the push exit's own MeterProvider. They have a reader
// of their own because a periodic reader drops everything when one callback of its provider fails.
type readerProducer struct{ reader *sdkmetric.ManualReader }

// Produce implements [sdkmetric.Producer].
func (p readerProducer) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
	var rm metricdata.ResourceMetrics
	err := p.reader.Collect(ctx, &rm)
	return rm.ScopeMetrics, err
}
