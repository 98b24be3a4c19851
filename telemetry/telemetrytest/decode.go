package telemetrytest

import (
	"strconv"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// decode flattens a message into one Series per data point, in the message's order.
func decode(m *colmetricpb.ExportMetricsServiceRequest) []*Series {
	var out []*Series
	for _, rm := range m.GetResourceMetrics() {
		resource := labelsOf(rm.GetResource().GetAttributes())
		for _, sm := range rm.GetScopeMetrics() {
			for _, metric := range sm.GetMetrics() {
				base := Series{Name: metric.GetName(), Unit: metric.GetUnit(), Resource: resource, Scope: sm.GetScope().GetName()}
				out = base.appendPoints(out, metric)
			}
		}
	}
	return out
}

// appendPoints appends the points of metric, each a copy of base.
func (base Series) appendPoints(out []*Series, metric *metricpb.Metric) []*Series {
	switch d := metric.GetData().(type) {
	case *metricpb.Metric_Gauge:
		base.Kind = KindGauge
		return appendEach(out, base, d.Gauge.GetDataPoints(), setNumber)
	case *metricpb.Metric_Sum:
		base.Kind, base.Monotonic = KindSum, d.Sum.GetIsMonotonic()
		base.Temporality = temporality(d.Sum.GetAggregationTemporality())
		return appendEach(out, base, d.Sum.GetDataPoints(), setNumber)
	case *metricpb.Metric_Histogram:
		base.Kind = KindHistogram
		base.Temporality = temporality(d.Histogram.GetAggregationTemporality())
		return appendEach(out, base, d.Histogram.GetDataPoints(), setHistogram)
	case *metricpb.Metric_ExponentialHistogram:
		base.Kind = KindExponentialHistogram
		base.Temporality = temporality(d.ExponentialHistogram.GetAggregationTemporality())
		return appendEach(out, base, d.ExponentialHistogram.GetDataPoints(), setExponential)
	case *metricpb.Metric_Summary:
		base.Kind = KindSummary
		return appendEach(out, base, d.Summary.GetDataPoints(), setSummary)
	}
	return out
}

// point is what the five kinds of data point have in common.
type point interface {
	GetAttributes() []*commonpb.KeyValue
	GetStartTimeUnixNano() uint64
	GetTimeUnixNano() uint64
}

func appendEach[P point](out []*Series, base Series, points []P, set func(*Series, P)) []*Series {
	for _, p := range points {
		s := base
		s.Labels = labelsOf(p.GetAttributes())
		s.StartTime, s.Time = timeOf(p.GetStartTimeUnixNano()), timeOf(p.GetTimeUnixNano())
		set(&s, p)
		out = append(out, &s)
	}
	return out
}

func setNumber(s *Series, p *metricpb.NumberDataPoint) {
	switch v := p.GetValue().(type) {
	case *metricpb.NumberDataPoint_AsInt:
		s.Value = float64(v.AsInt)
	case *metricpb.NumberDataPoint_AsDouble:
		s.Value = v.AsDouble
	}
}

func setHistogram(s *Series, p *metricpb.HistogramDataPoint) {
	s.Count, s.Sum = p.GetCount(), p.GetSum()
	// Copies: the message belongs to the recorded request, and buckets are added to.
	s.Bounds = append([]float64(nil), p.GetExplicitBounds()...)
	s.Buckets = append([]uint64(nil), p.GetBucketCounts()...)
}

func setExponential(s *Series, p *metricpb.ExponentialHistogramDataPoint) {
	s.Count, s.Sum = p.GetCount(), p.GetSum()
	s.Exponential = newExponential(p)
}

func setSummary(s *Series, p *metricpb.SummaryDataPoint) {
	s.Count, s.Sum = p.GetCount(), p.GetSum()
}

func temporality(t metricpb.AggregationTemporality) metricdata.Temporality {
	switch t {
	case metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA:
		return metricdata.DeltaTemporality
	case metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE:
		return metricdata.CumulativeTemporality
	}
	return 0
}

// timeOf reads OTLP's nanoseconds, where 0 means that there is no time.
func timeOf(nanos uint64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(nanos))
}

func labelsOf(attrs []*commonpb.KeyValue) map[string]string {
	m := make(map[string]string, len(attrs))
	for _, kv := range attrs {
		m[kv.GetKey()] = textOf(kv.GetValue())
	}
	return m
}

func textOf(v *commonpb.AnyValue) string {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return v.StringValue
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		return strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	}
	return protojson.Format(v)
}
