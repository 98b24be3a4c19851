package middleware

import (
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// ScopeName is the name of the instrumentation scope of everything this package records.
const ScopeName = "github.com/duotel/duotel/middleware"

// convention is what a generated type of package httpconv says about its instrument. The types'
// constructors are not used, because there the conventions' buckets win over an option's.
type convention interface {
	Name() string
	Unit() string
	Description() string
}

// instrument is a [convention] of our own.
type instrument struct{ name, unit, description string }

func (i instrument) Name() string        { return i.name }
func (i instrument) Unit() string        { return i.unit }
func (i instrument) Description() string { return i.description }

// builder creates instruments on one meter and remembers what went wrong.
type builder struct {
	meter metric.Meter
	errs  []error
}

func (b *builder) failed(c convention, err error) {
	if err != nil {
		b.errs = append(b.errs, fmt.Errorf("middleware: instrument %q: %w", c.Name(), err))
	}
}

func (b *builder) seconds(c convention, bounds []float64) metric.Float64Histogram {
	h, err := b.meter.Float64Histogram(
		c.Name(), metric.WithUnit(c.Unit()), metric.WithDescription(c.Description()),
		metric.WithExplicitBucketBoundaries(bounds...),
	)
	b.failed(c, err)
	return h
}

func (b *builder) bytes(c convention, bounds []float64) metric.Int64Histogram {
	h, err := b.meter.Int64Histogram(
		c.Name(), metric.WithUnit(c.Unit()), metric.WithDescription(c.Description()),
		metric.WithExplicitBucketBoundaries(bounds...),
	)
	b.failed(c, err)
	return h
}

func (b *builder) level(c convention) metric.Int64UpDownCounter {
	u, err := b.meter.Int64UpDownCounter(
		c.Name(), metric.WithUnit(c.Unit()), metric.WithDescription(c.Description()),
	)
	b.failed(c, err)
	return u
}
