package service

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
)

// modelled are the metrics that the truth knows, by their names at both exits: without dots, units and "_total".
func modelled(name string) (string, bool) {
	name = strings.ReplaceAll(name, ".", "_")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_seconds"), "_total")
	return name, strings.HasPrefix(name, "sim_") || name == "http_server_request_duration"
}

// kept reports whether an attribute tells series apart in the truth. The others have one value in a world, or, as the
// identity that churns, too many.
func kept(key string) bool {
	switch key {
	case "shard", "http_route", "http_response_status_code", "error_type":
		return true
	}
	return false
}

// seriesName names a series as the truth does.
func seriesName(metric string, attributes map[string]string) string {
	var labels []string
	for key, value := range attributes {
		if key = strings.ReplaceAll(key, ".", "_"); kept(key) && value != "" {
			labels = append(labels, key+"="+value)
		}
	}
	slices.Sort(labels)
	return metric + "{" + strings.Join(labels, ",") + "}"
}

// bucket names the part of a histogram that is its i-th bucket.
func bucket(i int) string { return "bucket " + strconv.Itoa(i) }

// decode returns the points of a request that the truth knows, and how many there are in all.
func decode(r *colmetricpb.ExportMetricsServiceRequest) (points []point, all int) {
	for _, resource := range r.GetResourceMetrics() {
		life := attributeMap(resource.GetResource().GetAttributes())["service.instance.id"]
		for _, scope := range resource.GetScopeMetrics() {
			for _, metric := range scope.GetMetrics() {
				got := metricPoints(life, metric)
				all += len(got)
				if _, ok := modelled(metric.GetName()); ok {
					points = append(points, got...)
				}
			}
		}
	}
	return points, all
}

// cutTo leaves the first n points of a request, as a backend that takes a part.
func cutTo(r *colmetricpb.ExportMetricsServiceRequest, n int) *colmetricpb.ExportMetricsServiceRequest {
	r = proto.Clone(r).(*colmetricpb.ExportMetricsServiceRequest)
	for _, resource := range r.GetResourceMetrics() {
		for _, scope := range resource.GetScopeMetrics() {
			for i, metric := range scope.GetMetrics() {
				if n -= len(metricPoints("", metric)); n < 0 {
					scope.Metrics = scope.Metrics[:i]
					n = 0
					break
				}
			}
		}
	}
	return r
}

func metricPoints(life string, m *metricspb.Metric) (out []point) {
	name, _ := modelled(m.GetName())
	add := func(attributes []*commonpb.KeyValue, start, at uint64, parts map[string]float64, t metricspb.AggregationTemporality, rises bool) {
		all := attributeMap(attributes)
		out = append(out, point{
			life: life, series: seriesName(name, all), attributes: fmt.Sprint(all), parts: parts,
			start: time.Unix(0, int64(start)), at: time.Unix(0, int64(at)),
			delta: t == metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, rises: rises,
		})
	}
	for _, p := range m.GetSum().GetDataPoints() {
		add(p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), map[string]float64{"value": number(p)}, m.GetSum().GetAggregationTemporality(), m.GetSum().GetIsMonotonic())
	}
	for _, p := range m.GetGauge().GetDataPoints() {
		add(p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), map[string]float64{"value": number(p)}, 0, false)
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		parts := map[string]float64{"count": float64(p.GetCount()), "sum": p.GetSum()}
		for i, n := range p.GetBucketCounts() {
			parts[bucket(i)] = float64(n)
		}
		add(p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), parts, m.GetHistogram().GetAggregationTemporality(), true)
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		parts := map[string]float64{"count": float64(p.GetCount()), "sum": p.GetSum()}
		add(p.GetAttributes(), p.GetStartTimeUnixNano(), p.GetTimeUnixNano(), parts, m.GetExponentialHistogram().GetAggregationTemporality(), true)
	}
	return out
}

func number(p *metricspb.NumberDataPoint) float64 {
	if v, ok := p.GetValue().(*metricspb.NumberDataPoint_AsInt); ok {
		return float64(v.AsInt)
	}
	return p.GetAsDouble()
}

func attributeMap(attributes []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range attributes {
		switch v := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			out[kv.GetKey()] = strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			out[kv.GetKey()] = strconv.FormatBool(v.BoolValue)
		}
	}
	return out
}

// spoolHeader is what a file of the spool has before its request: a magic, a checksum, and the number of points.
const spoolHeader = 8 + 4 + 8

// spooled returns the points in a file of the spool.
func spooled(content []byte) []point {
	r := new(colmetricpb.ExportMetricsServiceRequest)
	if len(content) < spoolHeader || proto.Unmarshal(content[spoolHeader:], r) != nil {
		return nil
	}
	points, _ := decode(r)
	return points
}
