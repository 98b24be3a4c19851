package discovery

import (
	"context"
	"log/slog"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// scopeName is the instrumentation scope of the registry's metrics.
const scopeName = "github.com/duotel/duotel/discovery"

// stats counts what happens, and writes one line for each change of state.
type stats struct {
	logger   *slog.Logger
	answers  metric.Int64Counter
	rejects  metric.Int64Counter
	expiries metric.Int64Counter

	mu   sync.Mutex
	down bool
}

func newStats(logger *slog.Logger, provider metric.MeterProvider, v func() *view) (*stats, metric.Registration, error) {
	s := &stats{logger: logger}
	meter := provider.Meter(scopeName)
	var err error
	if s.answers, err = meter.Int64Counter("duotel.discovery.answers", metric.WithUnit("{answer}"),
		metric.WithDescription("Answers of the HTTP service discovery handler, by outcome.")); err != nil {
		return nil, nil, err
	}
	if s.rejects, err = meter.Int64Counter("duotel.discovery.rejected", metric.WithUnit("{entry}"),
		metric.WithDescription("Entries of the store that were left out of the list because they are broken.")); err != nil {
		return nil, nil, err
	}
	if s.expiries, err = meter.Int64Counter("duotel.discovery.expired", metric.WithUnit("{target}"),
		metric.WithDescription("Targets that left the list because they showed no sign of life.")); err != nil {
		return nil, nil, err
	}
	registration, err := observe(meter, v)
	return s, registration, err
}

// observe makes the instruments that are read from the view when somebody collects.
func observe(meter metric.Meter, v func() *view) (metric.Registration, error) {
	targets, err := meter.Int64ObservableGauge("duotel.discovery.targets", metric.WithUnit("{target}"),
		metric.WithDescription("Listed targets, by what is known of their health."))
	if err != nil {
		return nil, err
	}
	age, err := meter.Float64ObservableGauge("duotel.discovery.age", metric.WithUnit("s"),
		metric.WithDescription("Time since the store was last heard of. 0 while it can be reached."))
	if err != nil {
		return nil, err
	}
	return meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		counts, seconds, loaded := v().summary()
		for _, health := range []Health{Healthy, Unhealthy, Unknown} {
			o.ObserveInt64(targets, counts[health], metric.WithAttributes(attribute.String("health", string(health))))
		}
		if loaded {
			o.ObserveFloat64(age, seconds)
		}
		return nil
	}, targets, age)
}

// answered counts an answer of the handler.
func (s *stats) answered(outcome string) {
	s.answers.Add(context.Background(), 1, metric.WithAttributes(attribute.String("outcome", outcome)))
}

// reject counts an entry that was left out, and names it the first time.
func (s *stats) reject(name string, err error, first bool) {
	s.rejects.Add(context.Background(), 1)
	if first {
		s.logger.Warn("discovery: an entry of the store is left out", "entry", cut(name), "error", err)
	}
}

// expired counts targets that left the list by themselves.
func (s *stats) expired(n int) { s.expiries.Add(context.Background(), int64(n)) }

func (s *stats) disconnected(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.down {
		s.down = true
		s.logger.Warn("discovery: the store cannot be reached; the list is served as it was", "error", err)
	}
}

func (s *stats) connected() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		s.down = false
		s.logger.Info("discovery: the store can be reached again")
	}
}
