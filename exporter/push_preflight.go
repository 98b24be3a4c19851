package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// Preflight finds out whether pushing works, before the first interval has passed: it checks what is
// known about the backend, then sends one request without metrics. Its outcome is in the log and in
// [Push.Stats] like that of a push. It returns nil, or everything that stands in the way. It waits for
// a push that is under way.
func (p *Push) Preflight(ctx context.Context) error {
	var errs []error
	for _, a := range p.advice {
		if a.sure {
			errs = append(errs, a)
		}
	}
	return errors.Join(append(errs, p.exporter.probe(ctx))...)
}

func (e *pushExporter) probe(ctx context.Context) error {
	select {
	case e.sending <- struct{}{}:
		defer func() { <-e.sending }()
	case <-ctx.Done():
		return fmt.Errorf("push: preflight: %w", context.Cause(ctx))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.open, cancel)()
	if e.open.Err() != nil {
		return ErrShutdown
	}
	start, o := time.Now(), &outcome{probe: true}
	answer := e.client.Send(ctx, &metricdata.ResourceMetrics{Resource: e.resource})
	o.request(answer)
	if answer.Accepted() {
		o.rejection(answer, 0)
	} else if answer.Reason != otlpanswer.Canceled {
		o.worst = answer
	}
	e.stats.pushed(o, start, time.Since(start))
	if err := answer.Err(); err != nil {
		return fmt.Errorf("push: preflight: %w", err)
	}
	return nil
}
