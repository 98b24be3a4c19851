package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// stopGrace is how long past its deadline Shutdown waits for what it has just canceled, so that its
// report counts it.
const stopGrace = 20 * time.Millisecond

// Shutdown collects and pushes a last time, stops, and returns within ctx's deadline (default:
// ExportTimeout) whatever hangs: a callback, a connection, the backend. A push under way gets half of
// the time. The error says what was lost; [Push.Stats] has the numbers. What hangs is canceled, and
// nothing of it remains once it returns. Calls after the first wait for it and return the same.
func (p *Push) Shutdown(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout)
		defer cancel()
	}
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
	err := p.provider.Shutdown(ctx)
	if errors.Is(err, sdkmetric.ErrReaderShutdown) {
		err = nil
	}
	p.exporter.abort()
	p.exporter.client.Close()
	err = errors.Join(err, p.instruments.Shutdown(context.WithoutCancel(ctx)))
	p.stats.stopped()
	p.stopErr = p.lastWords(err)
}

// lastWords is the error of a finished shutdown, nil when all went out.
func (p *Push) lastWords(err error) error {
	if pushErr := p.exporter.lastError(); pushErr != nil {
		err = pushErr
	}
	if err == nil {
		return nil
	}
	s := p.stats.snapshot()
	return fmt.Errorf("push: shutdown: %d points of the last push lost, %d sent in all: %w", s.PointsLost, s.PointsSent, err)
}
