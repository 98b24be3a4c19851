package exporter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// official turns collections into client_golang families with the official Prometheus exporter.
//
// The exporter insists on collecting from a reader of its own, without a context. So it stands on a
// second provider that has no instruments, and the only data there is what families is given: the
// one aggregation stays one, and what reaches the exporter can be filtered and mended before.
type official struct {
	registry *prometheus.Registry
	namer    otlptranslator.MetricNamer // the exporter's own, to know its names again
	target   map[string]bool            // the names of target_info's labels

	mu     sync.Mutex // one rendering at a time: scopes is its input
	scopes []metricdata.ScopeMetrics
}

func newOfficial(res *resource.Resource, namespace string) (*official, error) {
	strategy := otlptranslator.UnderscoreEscapingWithSuffixes
	o := &official{registry: prometheus.NewRegistry(), namer: otlptranslator.NewMetricNamer(namespace, strategy)}
	o.target = targetLabels(res)
	exp, err := otelprom.New(
		otelprom.WithRegisterer(o.registry),
		otelprom.WithNamespace(namespace),
		otelprom.WithTranslationStrategy(strategy),
		otelprom.WithProducer(o),
	)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(exp), sdkmetric.WithResource(res))
	return o, nil
}

// families renders scopes. A metric that cannot be rendered is left out and named in the error; the
// others are in the result.
func (o *official) families(scopes []metricdata.ScopeMetrics) ([]*dto.MetricFamily, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scopes = scopes
	defer func() { o.scopes = nil }()
	families, err := o.registry.Gather()
	o.ownTargetInfo(families)
	o.stampCreated(families, scopes)
	return families, err
}

// targetLabels returns the label names that the attributes of res become.
func targetLabels(res *resource.Resource) map[string]bool {
	names := make(map[string]bool)
	for _, kv := range res.Attributes() {
		namer := otlptranslator.LabelNamer{}
		if name, err := namer.Build(string(kv.Key)); err == nil {
			names[name] = true
		}
	}
	return names
}

// ownTargetInfo takes out of target_info what the SDK's provider has added to the resource from the
// environment: configuration is what the Config says.
func (o *official) ownTargetInfo(families []*dto.MetricFamily) {
	for _, mf := range families {
		if mf.GetName() != otlptranslator.TargetInfoMetricName {
			continue
		}
		for _, m := range mf.Metric {
			m.Label = slices.DeleteFunc(slices.Clone(m.Label), func(l *dto.LabelPair) bool { return !o.target[l.GetName()] })
		}
	}
}

// stampCreated gives counters and classic histograms their created timestamp, which the exporter
// gives to native histograms only: the start time of the family's series, where they all have one.
func (o *official) stampCreated(families []*dto.MetricFamily, scopes []metricdata.ScopeMetrics) {
	starts := o.starts(scopes)
	for _, mf := range families {
		start := starts[mf.GetName()]
		if start.IsZero() {
			continue
		}
		created := timestamppb.New(start)
		for _, m := range mf.Metric {
			if m.Counter != nil {
				m.Counter.CreatedTimestamp = created
			}
			if m.Histogram != nil {
				m.Histogram.CreatedTimestamp = created
			}
		}
	}
}

// starts returns the start time that all series of a family share, by the family's name; the zero
// time where they differ, since the families do not say which series came from which point.
func (o *official) starts(scopes []metricdata.ScopeMetrics) map[string]time.Time {
	starts := make(map[string]time.Time)
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			kind, times := startTimes(m)
			name, err := o.namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: kind})
			if err != nil {
				continue
			}
			for _, t := range times {
				if known, ok := starts[name]; ok && !known.Equal(t) {
					t = time.Time{}
				}
				starts[name] = t
			}
		}
	}
	return starts
}

// startTimes returns the distinct start times, in order of appearance, of a metric that has any.
func startTimes(m metricdata.Metrics) (otlptranslator.MetricType, []time.Time) {
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		return otlptranslator.MetricTypeMonotonicCounter, distinct(d.DataPoints, func(p metricdata.DataPoint[int64]) time.Time { return p.StartTime })
	case metricdata.Sum[float64]:
		return otlptranslator.MetricTypeMonotonicCounter, distinct(d.DataPoints, func(p metricdata.DataPoint[float64]) time.Time { return p.StartTime })
	case metricdata.Histogram[int64]:
		return otlptranslator.MetricTypeHistogram, distinct(d.DataPoints, func(p metricdata.HistogramDataPoint[int64]) time.Time { return p.StartTime })
	case metricdata.Histogram[float64]:
		return otlptranslator.MetricTypeHistogram, distinct(d.DataPoints, func(p metricdata.HistogramDataPoint[float64]) time.Time { return p.StartTime })
	}
	return otlptranslator.MetricTypeUnknown, nil // native histograms have theirs, gauges have none
}

func distinct[P any](points []P, start func(P) time.Time) []time.Time {
	var times []time.Time
	for _, p := range points {
		if t := start(p); len(times) == 0 || !times[len(times)-1].Equal(t) {
			times = append(times, t)
		}
	}
	return times
}

// Produce implements [sdkmetric.Producer] for the exporter's reader, inside families.
func (o *official) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return o.scopes, nil }
