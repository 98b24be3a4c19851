package telemetry

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/cardinality"
)

// selfScope is the instrumentation scope of what the library says about itself.
const selfScope = "github.com/duotel/duotel/telemetry"

// openSelfMetrics makes the state of both exits visible at both exits. The instruments are
// observable: between collections they cost nothing.
func (s *SDK) openSelfMetrics(context.Context, *resource.Resource) error {
	b := &selfMetrics{meter: s.provider.Meter(selfScope)}
	b.counter("duotel.callback.failures", "{failure}", "Observable callbacks that returned an error or panicked.", func(observe observeInt) {
		stats := s.guard.Stats()
		observe(stats.Errors, semconv.ErrorTypeKey.String("error"))
		observe(stats.Panics, semconv.ErrorTypeKey.String("panic"))
	})
	b.cardinality(s.cardinality.Usage)
	if s.pull != nil {
		b.pull(s.pull.Stats)
	}
	if s.push != nil {
		b.push(s.push.Stats, s.cfg.Push.Protocol)
	}
	if s.registrar != nil {
		b.discovery(s.registrar.snapshot)
	}
	return b.err
}

type (
	observeInt   func(int64, ...attribute.KeyValue)
	observeFloat func(float64, ...attribute.KeyValue)
)

// selfMetrics makes instruments until one fails.
type selfMetrics struct {
	meter metric.Meter
	err   error
}

// cardinality shows the instruments that have come near their limit, as of the collection before.
func (b *selfMetrics) cardinality(usage func() []cardinality.Usage) {
	each := func(observe observeFloat, value func(cardinality.Usage) int) {
		for _, u := range usage() {
			observe(float64(value(u)), attribute.String("instrument", u.Instrument), attribute.String("scope", u.Scope))
		}
	}
	b.gauge("duotel.cardinality.used", "{series}", "Series of an instrument that has used 80 % of its cardinality limit or more.", func(observe observeFloat) {
		each(observe, func(u cardinality.Usage) int { return u.Used })
	})
	b.gauge("duotel.cardinality.limit", "{series}", "Cardinality limit of an instrument that has used 80 % of it or more.", func(observe observeFloat) {
		each(observe, func(u cardinality.Usage) int { return u.Limit })
	})
}

func (b *selfMetrics) pull(stats func() exporter.PullStats) {
	b.counter("duotel.scrapes", "{scrape}", "Scrapes answered, by outcome.", func(observe observeInt) {
		for outcome, n := range stats().Scrapes {
			observe(n, attribute.String("outcome", outcome))
		}
	})
	b.counter("duotel.dropped_series", "{series}", "Series left out of a scrape because they are invalid or clash with another, once per scrape.", func(observe observeInt) {
		for reason, n := range stats().DroppedSeries {
			observe(n, attribute.String("reason", reason))
		}
	})
	b.counter("duotel.repaired_series", "{series}", "Series shown with invalid UTF-8 replaced by U+FFFD, once per scrape.", func(observe observeInt) { observe(stats().Repaired) })
	b.counter("duotel.scrape.io", "By", "Bytes of scrape answers, before compression.", func(observe observeInt) { observe(stats().Bytes) })
	b.gauge("duotel.scrape.last.duration", "s", "How long the scrape before this one took, collection included.", func(observe observeFloat) { observe(stats().LastDuration.Seconds()) })
	b.gauge("duotel.scrape.last.series", "{series}", "Series in the scrape before this one.", func(observe observeFloat) { observe(float64(stats().LastSeries)) })
}

// push uses the semantic conventions' names where there are some
// (https://opentelemetry.io/docs/specs/semconv/otel/sdk-metrics/), and duotel.push.* for the rest.
func (b *selfMetrics) push(stats func() exporter.PushStats, protocol exporter.Protocol) {
	component := semconv.OTelComponentTypeOtlpHTTPMetricExporter
	if protocol == exporter.ProtocolGRPC {
		component = semconv.OTelComponentTypeOtlpGRPCMetricExporter
	}
	name := semconv.OTelComponentName(component.Value.AsString() + "/0")
	b.counter("otel.sdk.exporter.metric_data_point.exported", "{data_point}", "Data points for which the push ended: accepted, or with error.type rejected, set_aside or lost.", func(observe observeInt) {
		s := stats()
		observe(s.PointsSent, component, name)
		observe(s.PointsRejected, component, name, semconv.ErrorTypeKey.String("rejected"))
		observe(s.PointsLost-s.PointsSetAside, component, name, semconv.ErrorTypeKey.String("lost"))
		observe(s.PointsSetAside, component, name, semconv.ErrorTypeKey.String("set_aside"))
	})
	b.counter("duotel.push.failures", "{push}", "Pushes that failed, by reason.", func(observe observeInt) {
		for reason, n := range stats().Failures {
			observe(n, semconv.ErrorTypeKey.String(reason))
		}
	})
	b.counter("duotel.push.requests", "{request}", "Requests sent to the backend, retries included.", func(observe observeInt) { observe(stats().Requests) })
	b.counter("duotel.push.io", "By", "Bytes of request bodies sent to the backend, compressed where compression is on.", func(observe observeInt) { observe(stats().Bytes) })
	b.counter("duotel.push.requests.ambiguous", "{request}", "Requests that got no answer though the backend may have taken them; they were sent again.", func(observe observeInt) { observe(stats().AmbiguousRequests) })
	b.counter("duotel.push.collect.failures", "{failure}", "Producers and client_golang collectors that failed before a push and were left out of it.", func(observe observeInt) { observe(stats().CollectErrors) })
	b.counter("duotel.push.lost_series", "{series}", "Series of which a delta could not carry everything.", func(observe observeInt) { observe(stats().SeriesLost) })
	b.counter("duotel.push.set_aside_series", "{series}", "Series that are not sent any more, because the backend refuses everything that is sent with them.", func(observe observeInt) { observe(stats().SeriesSetAside) })
	b.counter("duotel.push.repaired", "{series}", "Metrics and series that were sent otherwise than recorded, because a backend would refuse them; once per push.", func(observe observeInt) { observe(stats().Repaired) })
	b.gauge("duotel.push.spool.size", "By", "Bytes that wait in the spool.", func(observe observeFloat) { observe(float64(stats().SpoolBytes)) })
	b.counter("duotel.push.spool.failures", "{push}", "Pushes in which the spool could not be read, written to or emptied.", func(observe observeInt) { observe(stats().SpoolFailures) })
	b.gauge("duotel.push.consecutive_failures", "{push}", "Failed pushes since the last success.", func(observe observeFloat) { observe(float64(stats().ConsecutiveFailures)) })
	b.gauge("duotel.push.last_success.timestamp", "s", "Unix time of the last push that was accepted; absent before the first.", func(observe observeFloat) {
		if t := stats().LastSuccess; !t.IsZero() {
			observe(float64(t.UnixMilli()) / 1e3)
		}
	})
	b.gauge("duotel.push.last.duration", "s", "How long the last push took.", func(observe observeFloat) { observe(stats().Duration.Seconds()) })
}

func (b *selfMetrics) discovery(status func() DiscoveryStatus) {
	b.gauge("duotel.discovery.registered", "{target}", "1 while this process is listed for discovery: its last sign of life arrived.", func(observe observeFloat) {
		listed := 0.0
		if status().State == DiscoveryListed {
			listed = 1
		}
		observe(listed)
	})
	b.counter("duotel.discovery.failures", "{failure}", "Signs of life of this process that did not arrive at its registry.", func(observe observeInt) { observe(status().Failures) })
	b.gauge("duotel.discovery.last_success.timestamp", "s", "Unix time of the last sign of life that arrived; absent before the first.", func(observe observeFloat) {
		if t := status().LastSuccess; !t.IsZero() {
			observe(float64(t.UnixMilli()) / 1e3)
		}
	})
}

func (b *selfMetrics) counter(name, unit, description string, observe func(observeInt)) {
	_, err := b.meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			observe(func(v int64, attrs ...attribute.KeyValue) { o.Observe(v, metric.WithAttributes(attrs...)) })
			return nil
		}))
	b.keep(err)
}

func (b *selfMetrics) gauge(name, unit, description string, observe func(observeFloat)) {
	_, err := b.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			observe(func(v float64, attrs ...attribute.KeyValue) { o.Observe(v, metric.WithAttributes(attrs...)) })
			return nil
		}))
	b.keep(err)
}

func (b *selfMetrics) keep(err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("self metrics: %w", err)
	}
}
