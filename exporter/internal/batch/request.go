package batch

import (
	"fmt"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Request is an OTLP request that can be cut.
type Request struct {
	message *colmetricpb.ExportMetricsServiceRequest
	points  int
}

// Decode reads an encoded request.
func Decode(encoded []byte) (*Request, error) {
	r := &Request{message: new(colmetricpb.ExportMetricsServiceRequest)}
	if err := proto.Unmarshal(encoded, r.message); err != nil {
		return nil, fmt.Errorf("not an OTLP request: %w", err)
	}
	for _, rm := range r.message.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if _, points, ok := dataPoints(m); ok {
					r.points += points.Len()
				}
			}
		}
	}
	return r, nil
}

// Points returns the number of data points.
func (r *Request) Points() int { return r.points }

// Range is the points [From, To), counted in order.
type Range struct{ From, To int }

// Slice encodes the points of ranges, which are in order, with everything that they belong to. What has no points in
// them is left out.
func (r *Request) Slice(ranges ...Range) ([]byte, error) {
	c := cutter{ranges: ranges}
	out := shallow(r.message, "resource_metrics")
	for _, rm := range r.message.GetResourceMetrics() {
		if kept := c.resource(rm); len(kept.GetScopeMetrics()) > 0 {
			out.ResourceMetrics = append(out.ResourceMetrics, kept)
		}
	}
	encoded, err := proto.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("a part of an OTLP request: %w", err)
	}
	return encoded, nil
}

// cutter walks over a request and keeps the points of ranges.
type cutter struct {
	ranges []Range // those that have not been passed
	at     int
}

// keeps reports whether the point at index is kept. It is asked in order.
func (c *cutter) keeps(index int) bool {
	for len(c.ranges) > 0 && index >= c.ranges[0].To {
		c.ranges = c.ranges[1:]
	}
	return len(c.ranges) > 0 && index >= c.ranges[0].From
}

func (c *cutter) resource(rm *metricspb.ResourceMetrics) *metricspb.ResourceMetrics {
	out := shallow(rm, "scope_metrics")
	for _, sm := range rm.GetScopeMetrics() {
		if kept := c.scope(sm); len(kept.GetMetrics()) > 0 {
			out.ScopeMetrics = append(out.ScopeMetrics, kept)
		}
	}
	return out
}

func (c *cutter) scope(sm *metricspb.ScopeMetrics) *metricspb.ScopeMetrics {
	out := shallow(sm, "metrics")
	for _, m := range sm.GetMetrics() {
		if kept := c.metric(m); kept != nil {
			out.Metrics = append(out.Metrics, kept)
		}
	}
	return out
}

// metric returns nil when none of m's points is kept.
func (c *cutter) metric(m *metricspb.Metric) *metricspb.Metric {
	kind, points, ok := dataPoints(m)
	if !ok {
		return nil
	}
	first := c.at
	c.at += points.Len()
	data := m.ProtoReflect().Get(kind).Message()
	field := data.Descriptor().Fields().ByName("data_points")
	cut := shallow(data.Interface(), "data_points").ProtoReflect()
	kept := cut.Mutable(field).List()
	for i := range points.Len() {
		if c.keeps(first + i) {
			kept.Append(points.Get(i))
		}
	}
	if kept.Len() == 0 {
		return nil
	}
	out := shallow(m, kind.Name())
	out.ProtoReflect().Set(kind, protoreflect.ValueOfMessage(cut))
	return out
}

// dataPoints returns which kind of data m has, and its points.
func dataPoints(m *metricspb.Metric) (kind protoreflect.FieldDescriptor, points protoreflect.List, ok bool) {
	message := m.ProtoReflect()
	kind = message.WhichOneof(message.Descriptor().Oneofs().ByName("data"))
	if kind == nil {
		return nil, nil, false
	}
	data := message.Get(kind).Message()
	return kind, data.Get(data.Descriptor().Fields().ByName("data_points")).List(), true
}

// shallow copies m without one of its fields, and with those that this version does not know.
func shallow[M proto.Message](m M, without protoreflect.Name) M {
	from := m.ProtoReflect()
	to := from.New()
	from.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Name() != without {
			to.Set(field, value)
		}
		return true
	})
	to.SetUnknown(from.GetUnknown())
	return to.Interface().(M)
}
