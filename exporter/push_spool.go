package exporter

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/spool"
)

func openSpool(cfg PushConfig) (*spool.Spool, error) {
	if cfg.SpoolDir == "" {
		return nil, nil
	}
	s, err := spool.Open(spool.Config{Dir: cfg.SpoolDir, MaxBytes: cfg.SpoolMaxBytes, MaxAge: cfg.SpoolMaxAge})
	if err != nil {
		return nil, fmt.Errorf("push: SpoolDir=%q: %w; a directory that can be written to", cfg.SpoolDir, err)
	}
	return s, nil
}

// keep writes what was not sent to the spool, which then owes it to the backend in our place.
func (e *pushExporter) keep(c *cargo, o *outcome) {
	if e.spool == nil {
		return
	}
	for _, unsent := range o.unsent {
		for _, s := range spans(unsent, e.maxBatch) {
			if err := e.keepSpan(c, s); err != nil {
				o.keepErr = err
				e.stats.collectFailed(err)
				continue
			}
			c.acknowledge(s)
			o.spooled += s.size()
		}
	}
}

// keepAll is keep for a push that is left out.
func (e *pushExporter) keepAll(c *cargo) {
	o := &outcome{points: c.all().size(), unsent: []span{c.all()}}
	e.keep(c, o)
	e.stats.skipped(o)
}

func (e *pushExporter) keepSpan(c *cargo, s span) error {
	// The time of the push may be over; that of the process is not.
	request, err := e.client.Encode(context.Background(), &metricdata.ResourceMetrics{Resource: e.resource, ScopeMetrics: c.cut(s)})
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if err := e.spool.Put(spool.Request{Body: request, Points: s.size()}); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}
