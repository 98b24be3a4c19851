package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// ShutdownGrace is the time that Shutdown takes for the last push when its context was over before it began. Such a
// context is what people have at hand when a signal has come: signal.NotifyContext cancels the one it gave.
const ShutdownGrace = time.Second

// stopGrace is how long past its deadline Shutdown waits for what it has just canceled, so that its
// report counts it.
const stopGrace = 20 * time.Millisecond

// ShutdownContext returns the context that a shutdown works with: ctx, with fallback as its time if it has no deadline,
// or, if ctx is over already, one that lasts for [ShutdownGrace].
func ShutdownContext(ctx context.Context, fallback time.Duration) (context.Context, context.CancelFunc) {
	if ctx.Err() != nil {
		return context.WithTimeout(context.WithoutCancel(ctx), ShutdownGrace)
	}
	if _, ok := ctx.Deadline(); !ok {
		return context.WithTimeout(ctx, fallback)
	}
	return context.WithCancel(ctx)
}

// Shutdown collects and pushes a last time, stops, and returns within ctx's deadline (default:
// ExportTimeout; [ShutdownGrace] when ctx is over already) whatever hangs: a callback, a connection, the backend. A push
// under way gets half of the time. The error says what was lost; [Push.Stats] has the numbers. What hangs is canceled, and
// nothing of it remains once it returns, but for a connection that nobody reads from, for a few seconds. Calls after the first wait
// for it and return the same.
func (p *Push) Shutdown(ctx context.Context) error {
	ctx, cancel := ShutdownContext(ctx, p.timeout)
	defer cancel()
	p.stopOnce.Do(func() { go p.stop(ctx) })
	select {
	case <-p.stopped:
		return p.stopErr
	case <-ctx.Done():
	}
	p.exporter.abort()
	select {
	case <-p.stopped:
		return p.stopErr
	case <-time.After(stopGrace):
	}
	select {
	case <-p.pushed: // what remains is a connection that nobody reads from any more; gRPC gives it some seconds
		return p.stopErr
	default:
		return p.unfinished(ctx)
	}
}

// unfinished reports a shutdown that something still holds up.
func (p *Push) unfinished(ctx context.Context) error {
	p.stats.stopped()
	s := p.stats.snapshot()
	return fmt.Errorf("push: shutdown: %w before the last push was done; %d points sent in all, those since %s are lost",
		context.Cause(ctx), s.PointsSent, since(s.LastSuccess))
}

func since(t time.Time) string {
	if t.IsZero() {
		return "the start"
	}
	return t.Format(time.RFC3339)
}

// stop runs to its end even when Shutdown has returned: it is what frees everything.
func (p *Push) stop(ctx context.Context) {
	defer close(p.stopped)
	p.kickoff()
	p.exporter.stopping(ctx)
	p.running.Wait()
	p.retireReader()
	p.pushLast(ctx)
	p.exporter.abort()
	err := p.instruments.Shutdown(context.WithoutCancel(ctx))
	p.stopErr = p.lastWords(p.stats.stopped(), err)
	close(p.pushed)
	p.exporter.client.Close()
}

// retireReader ends the reader's loop, and the push that it may be at. The reader does not push a last time: it
// would not when there is no time left to collect, and say nothing of what is lost by that.
func (p *Push) retireReader() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.provider.Shutdown(over) // that of the context, which is the point
}

// pushLast collects what there is time for, and sends, spools or counts it.
func (p *Push) pushLast(ctx context.Context) {
	var scopes []metricdata.ScopeMetrics
	for _, producer := range p.producers {
		produced, err := producer.Produce(ctx)
		if err != nil {
			p.stats.collectFailed(err)
		}
		scopes = append(scopes, produced...)
	}
	p.exporter.force()
	_ = p.exporter.Export(ctx, &metricdata.ResourceMetrics{ScopeMetrics: scopes}) // its outcome is the exporter's last error
}

// lastWords is the error of a finished shutdown, nil when all went out. lost is what the last push left.
func (p *Push) lastWords(lost int64, err error) error {
	if err = errors.Join(p.exporter.lastError(), err); err == nil {
		return nil
	}
	return fmt.Errorf("push: shutdown: %d points of the last push lost, %d sent in all: %w", lost, p.stats.snapshot().PointsSent, err)
}
