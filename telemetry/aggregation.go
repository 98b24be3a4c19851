package telemetry

import (
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/vocabulary"
)

// Bounds of an exponential histogram, as the metrics SDK specification sets them.
const (
	exponentialMaxSize  = 160
	exponentialMaxScale = 20
)

// defaultCardinalityLimit is the metrics SDK specification's.
const defaultCardinalityLimit = 2000

// aggregation returns the selector of the one aggregation, or nil for the SDK's. Both exits show what
// it makes: the text formats of the pull exit derive classic buckets from exponential ones.
func (c Config) aggregation() sdkmetric.AggregationSelector {
	if c.Push.HistogramAggregation != HistogramBase2 {
		return nil
	}
	return func(kind sdkmetric.InstrumentKind) sdkmetric.Aggregation {
		if kind == sdkmetric.InstrumentKindHistogram {
			return sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: exponentialMaxSize, MaxScale: exponentialMaxScale}
		}
		return sdkmetric.DefaultAggregationSelector(kind)
	}
}

// cardinalityLimit returns the limit in the SDK's terms, where 0 is none.
func (c Config) cardinalityLimit() int {
	switch {
	case c.CardinalityLimit == 0:
		return defaultCardinalityLimit
	case c.CardinalityLimit < 0:
		return 0
	}
	return c.CardinalityLimit
}

// prefix joins namespace and subsystem as client_golang's options do.
func (c PullConfig) prefix() string {
	switch {
	case c.Namespace == "":
		return c.Subsystem
	case c.Subsystem == "":
		return c.Namespace
	}
	return c.Namespace + "_" + c.Subsystem
}

// enabled reports whether a listener was asked for.
func (c ListenerConfig) enabled() bool { return c.Host != "" || c.Port != 0 }

// rewrite returns what makes the vocabulary of the HTTP metrics, or nil where they stay as recorded.
func (c HTTPConfig) rewrite() func([]metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
	if c.Names == "" || c.Names == HTTPNamesSemconv {
		return nil
	}
	added := make([]float64, len(c.DurationBounds))
	for i, b := range c.DurationBounds {
		added[i] = float64(b) / float64(time.Second)
	}
	return func(scopes []metricdata.ScopeMetrics) []metricdata.ScopeMetrics {
		return vocabulary.Rewrite(scopes, vocabulary.Names(c.Names), added...)
	}
}
