// Package guard makes observable callbacks safe to run.
//
// The SDK runs every callback of every instrument inside one collection: an error ends the push
// exit's export for good, and a panic ends the process. [Provider] wraps the SDK's provider and
// hands it callbacks that cannot do either: a failure is caught, counted and reported, and
// everything else that was observed goes out.
package guard

import (
	"context"
	"fmt"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/embedded"
)

// Stats counts what callbacks did since the provider was made.
type Stats struct {
	// Errors and Panics count the calls that ended so.
	Errors, Panics int64
}

// Provider is a [metric.MeterProvider] whose observable callbacks cannot fail a collection.
// Instruments are the inner provider's own. It is safe for concurrent use.
type Provider struct {
	embedded.MeterProvider

	inner          metric.MeterProvider
	report         func(error)
	errors, panics atomic.Int64

	mu          sync.Mutex
	observables map[instrument]struct{}
}

// instrument names an instrument for the whole life of a provider.
type instrument struct{ scope, name string }

// NewProvider wraps inner. report receives one error when a callback starts to fail and is not
// called again for it until it has succeeded in between; it must be safe for concurrent use.
func NewProvider(inner metric.MeterProvider, report func(error)) *Provider {
	return &Provider{inner: inner, report: report}
}

// Meter returns the inner provider's meter with its callbacks guarded.
func (p *Provider) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return &meter{Meter: p.inner.Meter(name, opts...), provider: p, name: name}
}

// Asynchronous reports whether an observable instrument of this name was made by a meter of this name.
func (p *Provider) Asynchronous(meter, name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.observables[instrument{meter, name}]
	return ok
}

func (p *Provider) observable(meter, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.observables == nil {
		p.observables = make(map[instrument]struct{})
	}
	p.observables[instrument{meter, name}] = struct{}{}
}

// Stats returns the counts so far.
func (p *Provider) Stats() Stats {
	return Stats{Errors: p.errors.Load(), Panics: p.panics.Load()}
}

// callback is one registered callback: its name for reports, and whether it failed last time.
type callback struct {
	provider *Provider
	name     string
	failing  atomic.Bool
}

func (p *Provider) callback(meter, subject string, f any) *callback {
	return &callback{provider: p, name: fmt.Sprintf("%s of meter %q (%s)", subject, meter, funcName(f))}
}

// run calls f. It returns nil whatever happens, because an error would reach the readers.
func (c *callback) run(ctx context.Context, f func(context.Context) error) error {
	done := false
	defer func() {
		if done {
			return
		}
		if v := recover(); v != nil {
			c.provider.panics.Add(1)
			c.failed(fmt.Errorf("collect: callback of %s panicked: %v", c.name, v))
		}
	}()
	err := f(ctx)
	done = true
	if err == nil {
		c.failing.Store(false)
		return nil
	}
	c.provider.errors.Add(1)
	c.failed(fmt.Errorf("collect: callback of %s failed: %w", c.name, err))
	return nil
}

func (c *callback) failed(err error) {
	if !c.failing.Swap(true) {
		c.provider.report(err)
	}
}

// funcName says where a callback was written; it is the only name a multi-instrument callback has.
func funcName(f any) string {
	if fn := runtime.FuncForPC(reflect.ValueOf(f).Pointer()); fn != nil {
		return fn.Name()
	}
	return "unknown function"
}
