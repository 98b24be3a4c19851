package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// engine draws what a workflow engine would do, and measures it.
type engine struct {
	draw *rand.Rand
	sick bool

	requests, workflows, tasks, enqueued, dequeued, retries, lookups metric.Int64Counter
	duration                                                         metric.Float64Histogram
}

// What the engine's attributes can be. They are few, and known, so every series can exist from the start.
var (
	handlers  = []string{"CreateExecution", "GetExecution", "ListExecutions", "RegisterWorkflow"}
	codes     = []string{"OK", "InvalidArgument", "Internal", "Unavailable"}
	phases    = []string{"queued", "running", "succeeded", "failed", "aborted"}
	taskTypes = []string{"container", "python", "spark"}
	reasons   = []string{"system_error", "user_error", "preempted"}
)

// newEngine makes the instruments. Counters of failures start at zero instead of with the first failure, so that a ratio and
// an increase over them are right from the beginning.
func newEngine(meters metric.MeterProvider, seed uint64, sick bool) (*engine, error) {
	meter := meters.Meter("github.com/duotel/duotel/examples/flyte")
	e := &engine{draw: rand.New(rand.NewPCG(seed, 0)), sick: sick}
	var errs []error
	counter := func(name, unit, about string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(about))
		errs = append(errs, err)
		return c
	}
	e.requests = counter("flyteadmin.request", "{request}", "Requests to the admin service by code, method and handler.")
	e.workflows = counter("flytepropeller.workflow", "{workflow}", "Workflows that entered a phase.")
	e.tasks = counter("flytepropeller.task_execution", "{execution}", "Task executions that entered a phase, by type.")
	e.enqueued = counter("flytepropeller.enqueue", "{workflow}", "Workflows put into the work queue.")
	e.dequeued = counter("flytepropeller.dequeue", "{workflow}", "Workflows taken from the work queue.")
	e.retries = counter("flytepropeller.retries", "{retry}", "Tasks that were tried again, by reason.")
	e.lookups = counter("datacatalog.request", "{request}", "Requests to the data catalog by code and method.")
	var err error
	e.duration, err = meter.Float64Histogram("flyteadmin.request.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of requests to the admin service by handler."),
		// 0.4 is the bound of the latency objective.
		metric.WithExplicitBucketBoundaries(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	e.startAtZero()
	return e, nil
}

func (e *engine) startAtZero() {
	ctx := context.Background()
	for _, code := range codes {
		for _, handler := range handlers {
			e.requests.Add(ctx, 0, requestOf(code, handler))
		}
		e.lookups.Add(ctx, 0, with("code", code, "method", "GetArtifact"))
	}
	for _, phase := range phases {
		e.workflows.Add(ctx, 0, with("phase", phase))
		for _, kind := range taskTypes {
			e.tasks.Add(ctx, 0, with("phase", phase, "task_type", kind))
		}
	}
	for _, reason := range reasons {
		e.retries.Add(ctx, 0, with("reason", reason))
	}
}

// with returns attributes from keys and values in turn.
func with(pairs ...string) metric.MeasurementOption {
	attrs := make([]attribute.KeyValue, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		attrs = append(attrs, attribute.String(pairs[i], pairs[i+1]))
	}
	return metric.WithAttributeSet(attribute.NewSet(attrs...))
}

func requestOf(code, handler string) metric.MeasurementOption {
	return with("code", code, "method", "unary", "handler", handler)
}

// run draws rate requests a second until ctx ends.
func (e *engine) run(ctx context.Context, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			e.request(ctx)
		}
	}
}

// chance is true that often: its second number counts when the engine is sick.
func (e *engine) chance(well, sick float64) bool {
	if e.sick {
		well = sick
	}
	return e.draw.Float64() < well
}

// request draws one request, and a workflow where it creates one.
func (e *engine) request(ctx context.Context) {
	handler, code := handlers[e.draw.IntN(len(handlers))], "OK"
	switch {
	case e.chance(0.0005, 0.08):
		code = codes[2+e.draw.IntN(2)]
	case e.chance(0.01, 0.01):
		code = "InvalidArgument"
	}
	seconds := 0.01 + e.draw.ExpFloat64()*0.04
	if e.chance(0.002, 0.2) {
		seconds += 0.5
	}
	e.requests.Add(ctx, 1, requestOf(code, handler))
	e.duration.Record(ctx, seconds, with("handler", handler))
	if handler == "CreateExecution" && code == "OK" {
		e.workflow(ctx)
	}
}

// workflow takes one workflow from the queue to its end.
func (e *engine) workflow(ctx context.Context) {
	e.enqueued.Add(ctx, 1)
	e.workflows.Add(ctx, 1, with("phase", "queued"))
	e.dequeued.Add(ctx, 1)
	e.workflows.Add(ctx, 1, with("phase", "running"))
	end := "succeeded"
	for range 1 + e.draw.IntN(3) {
		if !e.task(ctx) {
			end = "failed"
			break
		}
	}
	e.workflows.Add(ctx, 1, with("phase", end))
}

// task runs one task, up to three times, and reports whether it succeeded.
func (e *engine) task(ctx context.Context) bool {
	kind := taskTypes[e.draw.IntN(len(taskTypes))]
	for try := range 3 {
		if try > 0 {
			e.retries.Add(ctx, 1, with("reason", reasons[e.draw.IntN(len(reasons))]))
			e.enqueued.Add(ctx, 1)
			e.dequeued.Add(ctx, 1)
		}
		e.tasks.Add(ctx, 1, with("phase", "running", "task_type", kind))
		code := "OK"
		if e.chance(0.001, 0.1) {
			code = "Unavailable"
		}
		e.lookups.Add(ctx, 1, with("code", code, "method", "GetArtifact"))
		if !e.chance(0.01, 0.4) {
			e.tasks.Add(ctx, 1, with("phase", "succeeded", "task_type", kind))
			return true
		}
		e.tasks.Add(ctx, 1, with("phase", "failed", "task_type", kind))
	}
	return false
}
