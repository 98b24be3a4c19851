package exposition

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

var (
	began    = time.Unix(1_700_000_000, 250_000_000)
	observed = time.Unix(1_700_000_060, 0)
	traceID  = []byte{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36}
	spanID   = []byte{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7}
)

func attrs(pairs ...string) attribute.Set {
	var kvs []attribute.KeyValue
	for i := 0; i < len(pairs); i += 2 {
		kvs = append(kvs, attribute.String(pairs[i], pairs[i+1]))
	}
	return attribute.NewSet(kvs...)
}

func scope(name string, metrics ...metricdata.Metrics) metricdata.ScopeMetrics {
	return metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: name, Version: "v1"}, Metrics: metrics}
}

func point(v int64, pairs ...string) metricdata.DataPoint[int64] {
	return metricdata.DataPoint[int64]{Attributes: attrs(pairs...), StartTime: began, Time: observed, Value: v}
}

func counter(name string, points ...metricdata.DataPoint[int64]) metricdata.Metrics {
	return metricdata.Metrics{
		Name: name, Description: "Counts " + name + ".",
		Data: metricdata.Sum[int64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true},
	}
}

func gauge(name string, points ...metricdata.DataPoint[int64]) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Description: "Gauges " + name + ".", Data: metricdata.Gauge[int64]{DataPoints: points}}
}

func gaugeOf(name string, v float64) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Data: metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Value: v}}}}
}

func histogram(name string, points ...metricdata.HistogramDataPoint[float64]) metricdata.Metrics {
	return metricdata.Metrics{
		Name: name, Description: "Distributes " + name + ".", Unit: "s",
		Data: metricdata.Histogram[float64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality},
	}
}

func histogramPoint(pairs ...string) metricdata.HistogramDataPoint[float64] {
	return metricdata.HistogramDataPoint[float64]{
		Attributes: attrs(pairs...), StartTime: began, Time: observed,
		Count: 6, Sum: 12.5, Bounds: []float64{0.5, 1, 5}, BucketCounts: []uint64{1, 2, 0, 3},
	}
}

func exponential(name string, points ...metricdata.ExponentialHistogramDataPoint[float64]) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Description: "Distributes " + name + ".", Data: metricdata.ExponentialHistogram[float64]{DataPoints: points}}
}

func exemplarOf(v float64, filtered ...attribute.KeyValue) metricdata.Exemplar[float64] {
	return metricdata.Exemplar[float64]{FilteredAttributes: filtered, Time: observed, Value: v, SpanID: spanID, TraceID: traceID}
}

func registryGauge(name string, v float64, pairs ...string) *dto.MetricFamily {
	m := &dto.Metric{Gauge: &dto.Gauge{Value: proto.Float64(v)}}
	for i := 0; i < len(pairs); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: proto.String(pairs[i]), Value: proto.String(pairs[i+1])})
	}
	return &dto.MetricFamily{
		Name: proto.String(name), Help: proto.String("From a registry."), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{m},
	}
}

func mustNew(t testing.TB, opts Options) *Encoder {
	t.Helper()
	e, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// encode returns the text of in, and holds it against the grammar and, in 0.0.4, Prometheus's parser.
func encode(t *testing.T, e *Encoder, f Format, in Input) (string, Result) {
	t.Helper()
	var b bytes.Buffer
	r, err := e.Encode(&b, f, in)
	if err != nil {
		t.Fatal(err)
	}
	if f.Protobuf {
		t.Fatal("use decode for protobuf")
	}
	if err := checkLines(b.String(), f.OpenMetrics); err != nil {
		t.Fatalf("%v in:\n%s", err, b.String())
	}
	if !f.OpenMetrics {
		parseText(t, b.Bytes())
	}
	if r.Bytes != int64(b.Len()) {
		t.Errorf("Bytes = %d, %d written", r.Bytes, b.Len())
	}
	return b.String(), r
}

// decode returns the families of in as they are in protobuf, and what of them a reader would refuse is an error.
func decode(t *testing.T, e *Encoder, f Format, in Input) ([]*dto.MetricFamily, Result) {
	t.Helper()
	f.Protobuf = true
	var b bytes.Buffer
	r, err := e.Encode(&b, f, in)
	if err != nil {
		t.Fatal(err)
	}
	if r.Bytes != int64(b.Len()) {
		t.Errorf("Bytes = %d, %d written", r.Bytes, b.Len())
	}
	var families []*dto.MetricFamily
	for b.Len() > 0 {
		mf := new(dto.MetricFamily)
		if err := protodelim.UnmarshalFrom(&b, mf); err != nil {
			t.Fatal(err)
		}
		checkFamily(t, mf)
		families = append(families, mf)
	}
	if !slices.IsSortedFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) }) {
		t.Error("the families are not sorted by name")
	}
	return families, r
}

// checkFamily looks for what makes Prometheus refuse a whole page.
func checkFamily(t *testing.T, mf *dto.MetricFamily) {
	t.Helper()
	if mf.GetName() == "" || len(mf.Metric) == 0 || !utf8.ValidString(mf.GetName()+mf.GetHelp()) {
		t.Errorf("family %v", mf)
	}
	seen := map[string]bool{}
	for _, m := range mf.Metric {
		key, previous := "", ""
		for _, l := range m.Label {
			name := l.GetName()
			reserved := name == "le" && m.Histogram != nil || name == "quantile" && m.Summary != nil || name == "__name__"
			if name <= previous || reserved || !utf8.ValidString(name+l.GetValue()) {
				t.Errorf("%s: labels %v", mf.GetName(), m.Label)
			}
			previous = name
			key += fmt.Sprintf("%q=%q,", name, l.GetValue())
		}
		if seen[key] {
			t.Errorf("%s{%s} is there twice", mf.GetName(), key)
		}
		seen[key] = true
		if h := m.Histogram; h != nil && h.Schema != nil && !fitsNative(h) {
			t.Errorf("%s: a native histogram that contradicts itself: %v", mf.GetName(), h)
		}
	}
}
