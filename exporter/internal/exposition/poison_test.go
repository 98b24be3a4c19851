package exposition

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/protobuf/proto"
)

var poison = []struct {
	name     string
	metrics  []metricdata.Metrics
	want     []string // each is in the text
	reason   Reason
	dropped  int
	official bool // the official exporter answers this with 200
}{
	{name: "F1 invalid UTF-8 value", metrics: []metricdata.Metrics{gauge("p", point(1, "k", "\xff"))}, want: []string{`k="` + "\uFFFD" + `"`}},
	{name: "F1 invalid UTF-8 key", metrics: []metricdata.Metrics{gauge("p", point(1, "k\xff", "v"))}, want: []string{`k_="v"`}, official: true},
	{
		name: "F2 type conflict", metrics: []metricdata.Metrics{counter("p.total", point(1)), gauge("p_total", point(2))},
		want: []string{"\np_total{"}, reason: ReasonNameConflict, dropped: 1,
	},
	{
		name: "F2 histogram's own lines", metrics: []metricdata.Metrics{histogram("p", histogramPoint()), gauge("p_seconds_sum", point(2))},
		want: []string{"p_seconds_count"}, reason: ReasonNameConflict, dropped: 1,
	},
	{name: "F6 label without letters", metrics: []metricdata.Metrics{gauge("p", point(1, "é", "v"))}, want: []string{`unnamed="v"`}},
	{name: "F6 empty label", metrics: []metricdata.Metrics{gauge("p", point(1, "", "v"))}, want: []string{`unnamed="v"`}},
	{name: "F6 reserved label", metrics: []metricdata.Metrics{gauge("p", point(1, "__name__", "v"))}, want: []string{`key__name__="v"`}},
	{name: "F6 scope label", metrics: []metricdata.Metrics{gauge("p", point(1, "otel_scope_name", "v"))}, want: []string{`exported_otel_scope_name="v"`}},
	{name: "F6 le", metrics: []metricdata.Metrics{histogram("p", histogramPoint("le", "v"))}, want: []string{`exported_le="v"`}, official: true},
	{name: "F49 le of an exponential histogram", metrics: []metricdata.Metrics{exponential("p", metricdata.ExponentialHistogramDataPoint[float64]{Attributes: attrs("le", "v", "exported_le", "w")})}, want: []string{`exported_le="v;w"`}, official: true},
	{name: "F6 name without letters", metrics: []metricdata.Metrics{gauge("é", point(1))}, reason: ReasonInvalidName, dropped: 1},
	{name: "F6 scale below -4", metrics: []metricdata.Metrics{exponential("p", exponentialPoint(-10))}, want: []string{`p_bucket{`}},
	{
		name: "F6 empty exponential histogram", metrics: []metricdata.Metrics{exponential("p", metricdata.ExponentialHistogramDataPoint[float64]{})},
		want: []string{`le="+Inf"} 0`}, official: true,
	},
	{name: "F6 NaN", metrics: []metricdata.Metrics{gaugeOf("p", math.NaN())}, want: []string{"} NaN"}, official: true},
	{
		name: "F6 empty histogram", metrics: []metricdata.Metrics{histogram("p", metricdata.HistogramDataPoint[float64]{})},
		want: []string{`le="+Inf"} 0`}, official: true,
	},
	{
		name: "too few bucket counts", metrics: []metricdata.Metrics{histogram("p", metricdata.HistogramDataPoint[float64]{Bounds: []float64{1}})},
		reason: ReasonInvalidData, dropped: 1,
	},
	{name: "bounds out of order", metrics: []metricdata.Metrics{histogram("p", metricdata.HistogramDataPoint[float64]{
		Bounds: []float64{2, 1}, BucketCounts: []uint64{1, 1, 1},
	})}, reason: ReasonInvalidData, dropped: 1},
	{name: "count below its buckets", metrics: []metricdata.Metrics{histogram("p", metricdata.HistogramDataPoint[float64]{
		Count: 1, Bounds: []float64{1}, BucketCounts: []uint64{3, 2},
	})}, want: []string{`le="+Inf"} 3`}, official: true},
	{
		name: "same series twice", metrics: []metricdata.Metrics{gauge("p", point(1, "k", "v"), point(2, "k", "v"))},
		want: []string{"} 1"}, reason: ReasonDuplicateSeries, dropped: 1,
	},
	{
		name: "same series once sanitised", metrics: []metricdata.Metrics{gauge("p", point(1, "k.k", "v"), point(2, "k_k", "v"))},
		want: []string{`k_k="v"`}, reason: ReasonDuplicateSeries, dropped: 1,
	},
	{name: "no data", metrics: []metricdata.Metrics{{Name: "p"}}, reason: ReasonUnsupported},
	{name: "target_info", metrics: []metricdata.Metrics{counter("target.info", point(1))}, want: []string{"target_info_total"}, official: true},
}

// Whatever is wrong with one metric, the others are there in both formats, and the loser is named.
func TestPoison(t *testing.T) {
	for _, c := range poison {
		t.Run(c.name, func(t *testing.T) {
			in := Input{
				Resource: resource.NewSchemaless(attribute.String("service.name", "s")),
				Scopes:   scopes(append([]metricdata.Metrics{gauge("a.good", point(7))}, append(c.metrics, gauge("z.good", point(7)))...)...),
			}
			e := mustNew(t, Options{})
			for _, f := range []Format{{}, {OpenMetrics: true, Created: true}} {
				text, r := encode(t, e, f, in)
				for _, want := range append([]string{"a_good{", "z_good{", "target_info{"}, c.want...) {
					if !strings.Contains(text, want) {
						t.Errorf("no %q in:\n%s", want, text)
					}
				}
				checkDropped(t, r, c.reason, c.dropped)
			}
			families, r := decode(t, e, Format{}, in)
			checkDropped(t, r, c.reason, c.dropped)
			var text strings.Builder
			for _, mf := range families {
				if _, err := expfmt.MetricFamilyToText(&text, mf); err != nil {
					t.Error(err)
				}
			}
			for _, want := range append([]string{"a_good{", "z_good{", "target_info{"}, c.want...) {
				if !strings.Contains(text.String(), strings.ReplaceAll(want, "p_bucket{", "p_count{")) {
					t.Errorf("no %q in protobuf, which says:\n%s", want, &text)
				}
			}
			if c.name == "too few bucket counts" {
				return // it takes the process of the official exporter down
			}
			if _, status := official(t, in, Options{Strategy: mustNew(t, Options{}).opts.Strategy}, "text/plain"); (status == http.StatusOK) != c.official {
				if c.name != "bounds out of order" {
					t.Errorf("the official exporter answers %d", status)
				}
			}
		})
	}
}

func checkDropped(t *testing.T, r Result, reason Reason, n int) {
	t.Helper()
	switch {
	case reason == "" && r.Dropped != nil:
		t.Errorf("dropped %+v", r.Dropped)
	case reason != "" && (len(r.Dropped) != 1 || r.Dropped[0].Reason != reason || r.Dropped[0].Series != n):
		t.Errorf("dropped %+v, want %d for %s", r.Dropped, n, reason)
	}
}

// Who has a name first keeps it, whatever order the scopes come in and however often.
func TestFirstOwnerIsStable(t *testing.T) {
	a, b := scope("a", gauge("jobs_total", point(1))), scope("b", counter("jobs", point(2)))
	for range 10 {
		e := mustNew(t, Options{})
		for i, order := range [][]metricdata.ScopeMetrics{{b, a}, {a, b}, {b, a}} {
			text, r := encode(t, e, Format{}, Input{Scopes: order})
			if !strings.Contains(text, "# TYPE jobs_total gauge") || len(r.Dropped) != 1 || r.Dropped[0].Scope != "b" {
				t.Fatalf("scrape %d: %+v\n%s", i, r.Dropped, text)
			}
		}
	}
	e := mustNew(t, Options{})
	encode(t, e, Format{}, Input{Scopes: []metricdata.ScopeMetrics{b}})
	if text, _ := encode(t, e, Format{}, Input{Scopes: []metricdata.ScopeMetrics{a, b}}); !strings.Contains(text, "jobs_total counter") {
		t.Errorf("a latecomer has taken the name:\n%s", text)
	}
	for range 2 * forgetAfter {
		encode(t, e, Format{}, Input{Scopes: []metricdata.ScopeMetrics{a}})
	}
	if text, _ := encode(t, e, Format{}, Input{Scopes: []metricdata.ScopeMetrics{a}}); !strings.Contains(text, "jobs_total gauge") {
		t.Errorf("a name nobody uses is never free again:\n%s", text)
	}
}

func TestRepairedSeriesAreCounted(t *testing.T) {
	in := Input{Scopes: scopes(gauge("g", point(1, "k", "\xff"), point(1, "k", "v"), point(1, "\xff", "v")))}
	e := mustNew(t, Options{})
	for range 2 {
		if _, r := encode(t, e, Format{}, in); r.Repaired != 2 || r.Series != 3 {
			t.Errorf("%d of %d repaired, want 2 of 3", r.Repaired, r.Series)
		}
	}
}

// The text of exemplars and of registries cannot be poisoned either.
func TestPoisonedRegistry(t *testing.T) {
	noPayload := registryGauge("no_payload", 1)
	noPayload.Metric[0].Gauge = nil
	nilMetric := registryGauge("nil_metric", 1)
	nilMetric.Metric = append(nilMetric.Metric, nil)
	twice := registryGauge("twice", 1, "a", "b")
	twice.Metric = append(twice.Metric, twice.Metric[0])
	typeless := registryGauge("typeless", 1)
	typeless.Type = dto.MetricType(77).Enum()
	histogramFamily := registryGauge("wait", 1)
	histogramFamily.Type = dto.MetricType_HISTOGRAM.Enum()
	histogramFamily.Metric[0].Histogram = &dto.Histogram{SampleCount: proto.Uint64(1)}
	families := []*dto.MetricFamily{
		registryGauge("good", 1), noPayload, nilMetric, twice, typeless, registryGauge("labels", 1, "__x", "\xff", "a:b", "c", "", "d"),
		nil,
		{},
		{Name: proto.String("empty")},
		registryGauge("", 1), registryGauge("same", 1), registryGauge("same", 2),
		registryGauge("otel", 1), registryGauge("otel_seconds_sum", 1), histogramFamily,
	}
	in := Input{Scopes: scopes(gauge("otel", point(5)), histogram("otel", histogramPoint()), gauge("wait_count", point(1))), Families: families}
	e := mustNew(t, Options{})
	for _, f := range []Format{{}, {OpenMetrics: true}} {
		text, r := encode(t, e, f, in)
		for _, want := range []string{
			"\ngood 1", "\nnil_metric 1", "\ntwice{a=\"b\"} 1", "\nsame 1", "\notel{", "\notel_seconds_count{",
			`labels{_="d",a_b="c",key__x="` + "\uFFFD" + `"} 1`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in:\n%s", want, text)
			}
		}
		var got []string
		for _, d := range r.Dropped {
			got = append(got, d.Name+" "+string(d.Reason))
		}
		slices.Sort(got)
		want := []string{
			" invalid_name", "nil_metric invalid_data", "no_payload invalid_data", "otel duplicate_family", "otel_seconds_sum name_conflict",
			"same duplicate_family", "twice duplicate_series", "typeless invalid_data", "wait name_conflict",
		}
		if !slices.Equal(got, want) {
			t.Errorf("dropped\n%q, want\n%q", got, want)
		}
	}
}
