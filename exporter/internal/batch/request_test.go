package batch_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/duotel/duotel/exporter/internal/batch"
)

const delta, cumulative = metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA, metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE

// kinds make data of every kind with n points, whose times start at *at.
var kinds = []func(m *metricspb.Metric, n int, at *uint64){
	func(m *metricspb.Metric, n int, at *uint64) {
		m.Data = &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: numbers(n, at)}}
	},
	func(m *metricspb.Metric, n int, at *uint64) {
		m.Data = &metricspb.Metric_Sum{Sum: &metricspb.Sum{DataPoints: numbers(n, at), IsMonotonic: true, AggregationTemporality: delta}}
	},
	func(m *metricspb.Metric, n int, at *uint64) {
		data := &metricspb.Histogram{AggregationTemporality: cumulative}
		for range n {
			data.DataPoints = append(data.DataPoints, &metricspb.HistogramDataPoint{TimeUnixNano: next(at), BucketCounts: []uint64{1, 2}})
		}
		m.Data = &metricspb.Metric_Histogram{Histogram: data}
	},
	func(m *metricspb.Metric, n int, at *uint64) {
		data := &metricspb.ExponentialHistogram{AggregationTemporality: delta}
		for range n {
			data.DataPoints = append(data.DataPoints, &metricspb.ExponentialHistogramDataPoint{TimeUnixNano: next(at), Scale: 3})
		}
		m.Data = &metricspb.Metric_ExponentialHistogram{ExponentialHistogram: data}
	},
	func(m *metricspb.Metric, n int, at *uint64) {
		data := &metricspb.Summary{}
		for range n {
			data.DataPoints = append(data.DataPoints, &metricspb.SummaryDataPoint{TimeUnixNano: next(at), Sum: 1})
		}
		m.Data = &metricspb.Metric_Summary{Summary: data}
	},
	func(*metricspb.Metric, int, *uint64) {}, // no data
}

func next(at *uint64) uint64 { *at++; return *at }

func numbers(n int, at *uint64) (out []*metricspb.NumberDataPoint) {
	for range n {
		out = append(out, &metricspb.NumberDataPoint{TimeUnixNano: next(at), Value: &metricspb.NumberDataPoint_AsInt{AsInt: 7}})
	}
	return out
}

// random is a request of any shape, whose points are told apart by their times.
func random(rng *rand.Rand) *colmetricpb.ExportMetricsServiceRequest {
	out, at := new(colmetricpb.ExportMetricsServiceRequest), new(uint64)
	for r := range rng.IntN(3) {
		rm := &metricspb.ResourceMetrics{SchemaUrl: fmt.Sprint("resource", r), Resource: &resourcepb.Resource{
			Attributes: []*commonpb.KeyValue{{Key: fmt.Sprint("r", r)}},
		}}
		for s := range rng.IntN(3) {
			sm := &metricspb.ScopeMetrics{SchemaUrl: fmt.Sprint("scope", s), Scope: &commonpb.InstrumentationScope{Name: fmt.Sprint("s", s), Version: "1"}}
			for k := range rng.IntN(5) {
				m := &metricspb.Metric{Name: fmt.Sprint("m", k), Unit: "u", Description: "d", Metadata: []*commonpb.KeyValue{{Key: "k"}}}
				kinds[rng.IntN(len(kinds))](m, rng.IntN(4), at)
				m.ProtoReflect().SetUnknown(unknown())
				sm.Metrics = append(sm.Metrics, m)
			}
			rm.ScopeMetrics = append(rm.ScopeMetrics, sm)
		}
		out.ResourceMetrics = append(out.ResourceMetrics, rm)
	}
	return out
}

// unknown is a field of a newer version of the protocol.
func unknown() protoreflect.RawFields {
	return protowire.AppendVarint(protowire.AppendTag(nil, 999, protowire.VarintType), 1)
}

// flat is a request taken apart: each point alone, with all that it belongs to, as text.
func flat(tb testing.TB, r *colmetricpb.ExportMetricsServiceRequest) (out []string) {
	tb.Helper()
	for _, rm := range r.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				out = append(out, each(tb, fmt.Sprint(rm.GetResource(), rm.GetSchemaUrl(), sm.GetScope(), sm.GetSchemaUrl()), m)...)
			}
		}
	}
	return out
}

func each(tb testing.TB, where string, m *metricspb.Metric) (out []string) {
	tb.Helper()
	m = proto.CloneOf(m)
	message := m.ProtoReflect()
	kind := message.WhichOneof(message.Descriptor().Oneofs().ByName("data"))
	if kind == nil {
		return nil
	}
	data := message.Mutable(kind).Message()
	field := data.Descriptor().Fields().ByName("data_points")
	var points []string
	for i := range data.Get(field).List().Len() {
		points = append(points, fmt.Sprint(data.Get(field).List().Get(i).Message().Interface()))
	}
	data.Clear(field)
	about, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		tb.Fatal(err)
	}
	for _, point := range points {
		out = append(out, fmt.Sprintf("%s %x %s", where, about, point))
	}
	return out
}

// Whatever the request, its pieces of any size have every point once, in order, with all that it
// belongs to.
func TestSlicesOfARequestCoverEverythingOnce(t *testing.T) {
	for seed := range uint64(200) {
		request := random(rand.New(rand.NewPCG(seed, 1)))
		want := flat(t, request)
		encoded := must(proto.Marshal(request))
		r := must(batch.Decode(encoded))
		if r.Points() != len(want) {
			t.Fatalf("seed %d: %d points, want %d", seed, r.Points(), len(want))
		}
		for size := 1; size <= len(want)+1; size++ {
			var got []string
			for from := 0; from < len(want); from += size {
				piece := new(colmetricpb.ExportMetricsServiceRequest)
				if err := proto.Unmarshal(must(r.Slice(batch.Range{From: from, To: from + size})), piece); err != nil {
					t.Fatal(err)
				}
				points := flat(t, piece)
				if len(points) != min(size, len(want)-from) {
					t.Errorf("seed %d: a piece of %d points, want %d", seed, len(points), size)
				}
				got = append(got, points...)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("seed %d, pieces of %d:\n%v\nwant\n%v", seed, size, got, want)
			}
		}
		if fmt.Sprint(flat(t, request)) != fmt.Sprint(want) {
			t.Errorf("seed %d: the request was changed", seed)
		}
	}
}

func TestDecodeRefusesWhatIsNotARequest(t *testing.T) {
	if r, err := batch.Decode([]byte("<html>")); err == nil {
		t.Errorf("decoded %v", r)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
