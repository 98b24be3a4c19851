package exporter

import (
	"slices"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/batch"
	"github.com/duotel/duotel/exporter/internal/delta"
)

// newTracker returns nil where nothing is differenced.
func newTracker(cfg PushConfig) *delta.Tracker {
	switch cfg.Temporality {
	case TemporalityDelta:
		return delta.New(nil)
	case TemporalityLowMemory:
		return delta.New(func(scope instrumentation.Scope, metric string) bool {
			return cfg.Asynchronous != nil && cfg.Asynchronous(scope, metric)
		})
	default:
		return nil
	}
}

// cargo is what one push has to deliver.
type cargo struct {
	scopes     []metricdata.ScopeMetrics
	points     int
	aside      []int             // points of series that are set aside, in order
	difference *delta.Difference // nil for cumulative
}

// load makes the cargo of a collection. It is called for every one, sent or not, so that no reset in
// between is missed.
func (e *pushExporter) load(scopes []metricdata.ScopeMetrics) *cargo {
	c := &cargo{scopes: scopes}
	if e.tracker != nil {
		c.difference = e.tracker.Take(summariesAsHistograms(scopes), e.complete())
		c.scopes = c.difference.Scopes
		e.stats.differenced(c.difference.Lost, c.difference.Duplicates)
	}
	// Last, because two series may become one: their differences are right all the same.
	clean, repaired := e.cleaner.Scopes(c.scopes)
	c.scopes, c.points = clean, batch.Count(clean)
	c.aside = e.aside.in(clean)
	e.stats.repaired(repaired)
	e.stats.failures.End() // the round of a push lasts from here to the next collection's end
	return c
}

// complete reports whether every producer gave its data since the last call.
func (e *pushExporter) complete() bool {
	before := e.collectErrors
	e.collectErrors = e.stats.snapshot().CollectErrors
	return e.collectErrors == before
}

func (c *cargo) all() span { return span{0, c.points} }

func (c *cargo) acknowledge(s span) {
	if c.difference != nil {
		c.difference.Acknowledge(s.from, s.to)
	}
}

func (c *cargo) isAside(i int) bool {
	_, found := slices.BinarySearch(c.aside, i)
	return found
}

// live is the number of points of s that are not set aside.
func (c *cargo) live(s span) int64 {
	from, _ := slices.BinarySearch(c.aside, s.from)
	to, _ := slices.BinarySearch(c.aside, s.to)
	return s.size() - int64(to-from)
}

// cut returns the points of s that are not set aside.
func (c *cargo) cut(s span) []metricdata.ScopeMetrics {
	switch {
	case c.live(s) < s.size():
		return batch.Keep(c.scopes, func(i int) bool { return i >= s.from && i < s.to && !c.isAside(i) })
	case s == c.all():
		return c.scopes
	default:
		return batch.Slice(c.scopes, s.from, s.to)
	}
}
