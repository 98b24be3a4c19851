package exporter_test

import (
	"io"
	"math"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
)

const (
	acceptText        = "text/plain;version=0.0.4"
	acceptOpenMetrics = "application/openmetrics-text;version=1.0.0"
	acceptProtobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// accepts is what a scraper sends for each format.
var accepts = map[string]string{"text": acceptText, "OpenMetrics": acceptOpenMetrics, "protobuf": acceptProtobuf}

// answerIn scrapes in a format and returns the answer as text, protobuf turned into text 0.0.4.
func (r *pullRig) answerIn(t *testing.T, accept string) string {
	t.Helper()
	w := r.get(http.MethodGet, "Accept", accept)
	if w.Code != http.StatusOK {
		t.Fatalf("%s is answered %d: %s", accept, w.Code, w.Body)
	}
	if accept != acceptProtobuf {
		return w.Body.String()
	}
	decoder := expfmt.NewDecoder(w.Body, expfmt.NewFormat(expfmt.TypeProtoDelim))
	var text strings.Builder
	for {
		var mf dto.MetricFamily
		err := decoder.Decode(&mf)
		if err == io.EOF {
			return text.String()
		}
		if err != nil {
			t.Fatalf("the protobuf answer does not decode: %v", err)
		}
		if _, err := expfmt.MetricFamilyToText(&text, &mf); err != nil {
			t.Fatal(err)
		}
	}
}

// poison is one bad thing beside a good counter.
type poison struct {
	add       func(*testing.T, *pullRig)
	gatherers func() []prometheus.Gatherer
	want      []string // in every format, and never nowhere
	never     []string
	dropped   map[string]int64 // exactly, in a scrape of a format; "" stands for the others
	repaired  int64            // exactly, in a scrape of any format
	reported  []string         // once each, however many scrapes there are
}

// panicking is a collector with a defect.
type panicking struct{ prometheus.Collector }

func (panicking) Describe(chan<- *prometheus.Desc) {}
func (panicking) Collect(chan<- prometheus.Metric) { panic("collector bug") }

// registry has a gauge of each name, at zero, and more.
func registry(names []string, more ...prometheus.Collector) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(more...)
	for _, name := range names {
		reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "h"}))
	}
	return reg
}

func poisons() map[string]poison {
	str := attribute.String
	return map[string]poison{
		"F1 invalid UTF-8": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("mailed", metric.WithDescription("\xff"))).Add(t.Context(), 1, metric.WithAttributes(str("to", "a\xffb")))
			},
			want: []string{`to="a` + "\uFFFD" + `b"`, "mailed_total{"}, repaired: 1,
		},
		"F2 counter and gauge of one name": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("jobs.total")).Add(t.Context(), 4)
				must(r.meter.Int64Gauge("jobs_total")).Record(t.Context(), 5)
			},
			want: []string{"# TYPE jobs"}, never: []string{"jobs_total{otel_scope_name=\"app\"} 5"},
			dropped: map[string]int64{"": 1}, reported: []string{"left out of the scrape"},
		},
		"F5 collector and gatherer that panic": {
			gatherers: func() []prometheus.Gatherer {
				gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("gatherer bug") })
				return []prometheus.Gatherer{registry(nil, panicking{}), gatherer, registry([]string{"good_disk"})}
			},
			want: []string{"good_disk 0"}, dropped: map[string]int64{"": 2}, reported: []string{"collector bug", "gatherer bug"},
		},
		"F6 label name of nothing": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("named")).Add(t.Context(), 1, metric.WithAttributes(str("ok", "yes")))
				must(r.meter.Int64Counter("unnamed")).Add(t.Context(), 1, metric.WithAttributes(str("é", "x")))
			},
			want: []string{`named_total{ok="yes"`, `unnamed="x"`}, repaired: 1,
		},
		"F6 special floats": {
			add: func(t *testing.T, r *pullRig) {
				g := must(r.meter.Float64Gauge("level"))
				for name, v := range map[string]float64{"nan": math.NaN(), "inf": math.Inf(1), "ninf": math.Inf(-1)} {
					g.Record(t.Context(), v, metric.WithAttributes(str("v", name)))
				}
			},
			want: []string{" NaN", " +Inf", " -Inf"},
		},
		"F7 the same in a registry": {
			gatherers: func() []prometheus.Gatherer {
				same := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "other help"}, []string{"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"})
				same.WithLabelValues("app", "", "").Add(100)
				return []prometheus.Gatherer{registry([]string{"size_total", "good_disk"}, same), registry([]string{"good_disk", "good_net"})}
			},
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1)
				must(r.meter.Int64Counter("size")).Add(t.Context(), 2)
			},
			want:    []string{"good_disk 0", "good_net 0", "jobs_total{" + scopeLabels + "} 1", "size_total{" + scopeLabels + "} 2"},
			never:   []string{"} 100", "} 1e+02", "size_total 0", "other help"},
			dropped: map[string]int64{"": 3}, reported: []string{"jobs_total", "size_total", "good_disk"},
		},
	}
}

// scopeLabels are what every series of the rig's meter has.
const scopeLabels = `otel_scope_name="app"`

// TestPoison shows each of the rows in each format: 200, the good series there, the loser counted.
func TestPoison(t *testing.T) {
	for name, p := range poisons() {
		for format := range accepts {
			t.Run(name+"/"+format, func(t *testing.T) {
				r := newPull(t, func(c *exporter.PullConfig) {
					if p.gatherers != nil {
						c.Gatherers = p.gatherers()
					}
				})
				must(r.meter.Int64Counter("good")).Add(t.Context(), 1)
				if p.add != nil {
					p.add(t, r)
				}
				for range 2 {
					checkPoisoned(t, r, p, format)
				}
				for _, message := range p.reported {
					r.reportedOnce(t, message)
				}
			})
		}
	}
}

// reportedOnce looks for message in what the handler got.
func (r *pullRig) reportedOnce(t *testing.T, message string) {
	t.Helper()
	n := 0
	for _, err := range r.errors {
		if strings.Contains(err, message) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%q is reported %d times, want once: %q", message, n, r.errors)
	}
}

func checkPoisoned(t *testing.T, r *pullRig, p poison, format string) {
	t.Helper()
	before := r.Stats()
	text := r.answerIn(t, accepts[format])
	for _, want := range append(p.want, "good_total{", "target_info{") {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for _, never := range p.never {
		if strings.Contains(text, never) {
			t.Errorf("%q is in\n%s", never, text)
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^# TYPE \S+`).FindAllString(text, -1) {
		if strings.Count(text, line+" ") != 1 {
			t.Errorf("%q is there twice:\n%s", line, text)
		}
	}
	want, ok := p.dropped[format]
	if !ok {
		want = p.dropped[""]
	}
	after := r.Stats()
	if n := after.Dropped() - before.Dropped(); n != want {
		t.Errorf("%d dropped, want %d (%q)", n, want, r.errors)
	}
	if n := after.Repaired - before.Repaired; n != p.repaired {
		t.Errorf("%d repaired, want %d", n, p.repaired)
	}
}

// TestF6Histograms gives the exits what an SDK would not make, through a producer.
func TestF6Histograms(t *testing.T) {
	set := attribute.NewSet(attribute.String("k", "v"))
	src := exporter.NewSource(exporter.SourceConfig{Producers: []sdkmetric.Producer{producerFunc(func() ([]metricdata.ScopeMetrics, error) {
		return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
			{Name: "coarse", Data: metricdata.ExponentialHistogram[float64]{
				Temporality: metricdata.CumulativeTemporality,
				DataPoints:  []metricdata.ExponentialHistogramDataPoint[float64]{{Attributes: set, Count: 1, Sum: 1, Scale: -6, PositiveBucket: metricdata.ExponentialBucket{Counts: []uint64{1}}}},
			}},
			{Name: "empty", Data: metricdata.Histogram[float64]{
				Temporality: metricdata.CumulativeTemporality,
				DataPoints:  []metricdata.HistogramDataPoint[float64]{{Attributes: set}},
			}},
			{Name: "good", Data: metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{{Attributes: set, Value: 1}}}},
		}}}, nil
	})}})
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(src.Reader()))
	r := newPull(t, func(c *exporter.PullConfig) { c.Source = src })
	t.Cleanup(func() { shutdown(src) })
	for _, accept := range []string{acceptText, acceptOpenMetrics, acceptProtobuf} {
		text := r.answerIn(t, accept)
		for _, want := range []string{"good_total{", "empty_count{"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", accept, want, text)
			}
		}
	}
	if text := r.answerIn(t, acceptText); !strings.Contains(text, "coarse_bucket{") {
		t.Errorf("the text has no buckets of the coarse histogram:\n%s", text)
	}
	if text := r.answerIn(t, acceptProtobuf); !strings.Contains(text, "coarse_count{") {
		t.Errorf("protobuf has no coarse histogram, whose scale can be restated:\n%s", text)
	}
	if n := r.Stats().Dropped(); n != 0 {
		t.Errorf("%d dropped, want none", n)
	}
}

// TestF28Created shows start times in both formats that have them.
func TestF28Created(t *testing.T) {
	r := newPull(t, nil)
	must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1)
	must(r.meter.Float64Histogram("took", metric.WithUnit("s"))).Record(t.Context(), 1)
	om := r.answerIn(t, acceptOpenMetrics)
	for _, want := range []string{"jobs_created{", "took_seconds_created{"} {
		if !strings.Contains(om, want) {
			t.Errorf("no %s in\n%s", want, om)
		}
	}
	w := r.get(http.MethodGet, "Accept", acceptProtobuf)
	decoder := expfmt.NewDecoder(w.Body, expfmt.NewFormat(expfmt.TypeProtoDelim))
	stamped := 0
	for {
		var mf dto.MetricFamily
		if err := decoder.Decode(&mf); err != nil {
			break
		}
		for _, m := range mf.Metric {
			if m.GetCounter().GetCreatedTimestamp() != nil || m.GetHistogram().GetCreatedTimestamp() != nil {
				stamped++
			}
		}
	}
	if stamped != 2 {
		t.Errorf("%d series have a created timestamp in protobuf, want 2", stamped)
	}
	r = newPull(t, func(c *exporter.PullConfig) { c.WithoutCreated = true })
	must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1)
	if om := r.answerIn(t, acceptOpenMetrics); strings.Contains(om, "_created") {
		t.Errorf("WithoutCreated leaves\n%s", om)
	}
}
