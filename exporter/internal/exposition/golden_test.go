package exposition

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

var update = flag.Bool("update", false, "write testdata anew")

// Each case is one rule, and testdata has one file for it: the text in 0.0.4, and then in OpenMetrics.
var golden = []struct {
	name    string
	opts    Options
	format  Format
	in      Input
	dropped int
}{
	{name: "counter", in: Input{Scopes: scopes(counter("jobs.done", point(3, "queue", "b"), point(1_000_000, "queue", "a")))}},
	{name: "created", format: Format{Created: true}, in: Input{Scopes: scopes(counter("jobs.done", point(3)), histogram("wait", histogramPoint()))}},
	{name: "created_clash", format: Format{Created: true}, in: Input{Scopes: scopes(counter("n", point(3)), gauge("n.created", point(1)))}},
	{name: "gauge", in: Input{Scopes: scopes(gauge("depth", point(-2)))}},
	{name: "histogram", in: Input{Scopes: scopes(histogram("wait", histogramPoint("queue", "a")))}},
	{name: "histogram_without_buckets", in: Input{Scopes: scopes(histogram("wait", metricdata.HistogramDataPoint[float64]{Count: 2, Sum: 3}))}},
	{name: "exponential", in: Input{Scopes: scopes(exponential("size", exponentialPoint(0)))}},
	{name: "exponential_coarse", in: Input{Scopes: scopes(exponential("size", exponentialPoint(-6)))}},
	{name: "summary", in: Input{Scopes: scopes(summaryMetric())}},
	{name: "special_floats", in: Input{Scopes: scopes(gaugeOf("a", math.NaN()), gaugeOf("b", math.Inf(1)), gaugeOf("c", math.Inf(-1)))}},
	{name: "escaping", in: Input{Scopes: scopes(withHelp(gauge("g", point(1, "path", "C:\\dir\n\"x\"")), "A \"quoted\" \\ and\nbroken line."))}},
	{name: "label_collision", in: Input{Scopes: scopes(gauge("g", point(1, "a.b", "z", "a_b", "y", "a/b", "x")))}},
	{name: "label_without_letters", in: Input{Scopes: scopes(gauge("g", point(1, "é", "acute")))}},
	{name: "label_reserved", in: Input{Scopes: scopes(
		gauge("g", point(1, "__name__", "evil", "otel_scope_name", "fake")), histogram("wait", histogramPoint("le", "0.5")))}},
	{name: "invalid_utf8", in: Input{Scopes: scopes(gauge("g", point(1, "user", "a\xff\xfeb"), point(2, "user", "ok")))}},
	{name: "scope_attributes", in: Input{Scopes: []metricdata.ScopeMetrics{{
		Scope:   instrumentation.Scope{Name: "s", Version: "2", SchemaURL: "https://x/1", Attributes: attrs("shard.id", "7", "name", "no")},
		Metrics: []metricdata.Metrics{gauge("g", point(1))},
	}}}},
	{name: "scopes_merge", in: Input{Scopes: []metricdata.ScopeMetrics{scope("b", counter("n", point(2))), scope("a", withHelp(counter("n", point(1)), "First."))}}},
	{name: "target_info", in: Input{Resource: resource.NewSchemaless(attribute.String("service.name", "shop"))}},
	{name: "without_scope_info", opts: Options{WithoutScopeInfo: true}, dropped: 1, in: Input{Scopes: []metricdata.ScopeMetrics{
		scope("b", counter("n", point(2))), scope("a", counter("n", point(1))),
	}}},
	{name: "constant_labels", opts: Options{Namespace: "shop", Labels: map[string]string{"env": "prod"}}, in: Input{
		Resource: resource.NewSchemaless(attribute.String("service.name", "shop")),
		Scopes:   scopes(gauge("g", point(1, "env", "own"))), Families: []*dto.MetricFamily{registryGauge("r", 1, "env", "own")},
	}},
	{name: "name_conflict", dropped: 1, in: Input{Scopes: scopes(counter("jobs.total", point(1)), gauge("jobs_total", point(2)))}},
	{name: "suffix_conflict", dropped: 1, in: Input{Scopes: scopes(histogram("wait", histogramPoint()), gauge("wait_seconds_count", point(2)))}},
	{name: "units", opts: Options{WithUnits: true}, in: Input{Scopes: scopes(histogram("wait", histogramPoint()))}},
	{name: "exemplars", in: Input{Scopes: scopes(exemplarMetrics()...)}},
	{name: "exemplar_too_long", in: Input{Scopes: scopes(longExemplar())}},
	{name: "utf8_quoted", opts: Options{Strategy: otlptranslator.NoTranslation}, in: Input{Scopes: scopes(
		counter("jobs.done", point(3, "queue.name", "a", "a:b", "c"), point(2)), histogram("wait.time", histogramPoint()))}},
	{
		name: "utf8_underscores", opts: Options{Strategy: otlptranslator.NoTranslation}, format: Format{Escaping: model.UnderscoreEscaping},
		dropped: 1, in: Input{Scopes: scopes(counter("jobs.done", point(3, "queue.name", "a")), gauge("jobs_done", point(1)))},
	},
	{
		name: "utf8_dots", opts: Options{Strategy: otlptranslator.NoTranslation}, format: Format{Escaping: model.DotsEscaping},
		in: Input{Scopes: scopes(counter("jobs.done", point(3, "queue.name", "a", "_x.y", "z")))},
	},
	{
		name: "utf8_values", opts: Options{Strategy: otlptranslator.NoTranslation}, format: Format{Escaping: model.ValueEncodingEscaping},
		in: Input{Scopes: scopes(counter("jobs.done", point(3, "queue.name", "a")))},
	},
	{name: "registry", dropped: 1, in: Input{Scopes: scopes(gauge("m", point(1))), Families: []*dto.MetricFamily{
		registryGauge("z", 1), registryGauge("m", 2), registryGauge("a", 3, "b", "bad\xff"),
	}}},
}

func TestGolden(t *testing.T) {
	for _, c := range golden {
		t.Run(c.name, func(t *testing.T) {
			e := mustNew(t, c.opts)
			text, r := encode(t, e, c.format, c.in)
			c.format.OpenMetrics = true
			openMetrics, _ := encode(t, e, c.format, c.in)
			got := text + "\n" + openMetrics
			file := filepath.Join("testdata", c.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
			n := 0
			for _, d := range r.Dropped {
				n += d.Series
			}
			if n != c.dropped {
				t.Errorf("%d series dropped, want %d: %+v", n, c.dropped, r.Dropped)
			}
		})
	}
}

func scopes(metrics ...metricdata.Metrics) []metricdata.ScopeMetrics {
	return []metricdata.ScopeMetrics{scope("lib", metrics...)}
}

func withHelp(m metricdata.Metrics, help string) metricdata.Metrics {
	m.Description = help
	return m
}

func exponentialPoint(scale int32) metricdata.ExponentialHistogramDataPoint[float64] {
	return metricdata.ExponentialHistogramDataPoint[float64]{
		StartTime: began, Count: 15, Sum: 40, Scale: scale, ZeroCount: 2,
		PositiveBucket: metricdata.ExponentialBucket{Offset: 0, Counts: []uint64{0, 1, 0, 4, 3}},
		NegativeBucket: metricdata.ExponentialBucket{Offset: -1, Counts: []uint64{2, 3}},
	}
}

func summaryMetric() metricdata.Metrics {
	return metricdata.Metrics{Name: "rpc", Description: "Bridged.", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
		Attributes: attrs("quantile", "mine"), StartTime: began, Count: 4, Sum: 9,
		QuantileValues: []metricdata.QuantileValue{{Quantile: 0.5, Value: 2}, {Quantile: 0.99, Value: 4.5}},
	}}}}
}

func exemplarMetrics() []metricdata.Metrics {
	h := histogramPoint()
	h.Exemplars = []metricdata.Exemplar[float64]{
		exemplarOf(0.2), exemplarOf(0.3, attribute.String("user.id", "u1")), exemplarOf(5), exemplarOf(9),
	}
	c := counter("n", point(2))
	c.Data.(metricdata.Sum[int64]).DataPoints[0].Exemplars = []metricdata.Exemplar[int64]{
		{Value: 1, Time: observed}, {Value: 1, Time: observed, TraceID: traceID, SpanID: spanID},
	}
	return []metricdata.Metrics{histogram("wait", h), c}
}

func longExemplar() metricdata.Metrics {
	h := histogramPoint()
	h.Exemplars = []metricdata.Exemplar[float64]{exemplarOf(0.2, attribute.String("url", string(make128())))}
	return histogram("wait", h)
}

func make128() []byte {
	b := make([]byte, 128)
	for i := range b {
		b[i] = 'x'
	}
	return b
}
