package exporter

import (
	"cmp"
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/spool"
	"github.com/duotel/duotel/internal/spooldisk"
)

func openSpool(ctx context.Context, cfg PushConfig) (*spool.Spool, error) {
	if cfg.SpoolDir == "" {
		return nil, nil
	}
	s, err := spool.Open(spool.Config{Dir: cfg.SpoolDir, MaxBytes: cfg.SpoolMaxBytes, MaxAge: cfg.SpoolMaxAge, Disk: spooldisk.FromContext(ctx)})
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
			e.keepSpan(c, s, o)
		}
	}
	e.stats.spoolWorked(o.spoolErr)
}

// keepAll is keep for a push that is left out.
func (e *pushExporter) keepAll(c *cargo) {
	o := &outcome{points: c.all().size(), unsent: []span{c.all()}}
	if e.spool != nil {
		o.spoolErr = e.spool.Refresh()
	}
	e.keep(c, o)
	e.stats.skipped(o)
}

// keepSpan writes one range of points, in halves where that is larger than what the spool takes.
func (e *pushExporter) keepSpan(c *cargo, s span, o *outcome) {
	live := c.live(s)
	if live == 0 {
		return // set aside, all of it
	}
	// The time of the push may be over; that of the process is not.
	request, err := e.client.Encode(context.Background(), &metricdata.ResourceMetrics{Resource: e.resource, ScopeMetrics: c.cut(s)})
	if err != nil {
		o.keepErr = fmt.Errorf("spool: %w", err)
		e.stats.collectFailed(o.keepErr)
		return
	}
	if len(request) > spool.MaxRequest && s.size() > 1 {
		for _, half := range s.halves() {
			e.keepSpan(c, half, o)
		}
		return
	}
	if err := e.spool.Put(spool.Request{Body: request, Points: live}); err != nil {
		o.keepErr, o.spoolErr = err, cmp.Or(o.spoolErr, err)
		return
	}
	c.acknowledge(s)
	o.spooled += live
	o.fresh.giveUp(s.size() - live)
}

// spoolWorked takes note of how the spool did in one push, and tells the log when that is not as before.
func (s *pushStats) spoolWorked(err error) {
	s.mu.Lock()
	before, failures := s.stats.SpoolError, s.stats.SpoolFailures
	s.stats.SpoolError = ""
	if err != nil {
		s.stats.SpoolError = err.Error()
		s.stats.SpoolFailures++
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == "":
		s.logger.Warn("push: the spool is failing", "error", err, "fix", "check DUOTEL_PUSH_SPOOL_DIR: its permissions, its disk, and whether it is there")
	case err == nil && before != "":
		s.logger.Info("push: the spool is working again", "failures", failures)
	}
}
