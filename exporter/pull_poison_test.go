package exporter_test

import (
	"context"
	"io"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
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
	add     func(*testing.T, *pullRig)
	want    []string // in every format
	never   []string
	dropped int64 // at least, per scrape; 0 is exactly none
}

func poisons() map[string]poison {
	str := attribute.String
	return map[string]poison{
		"F1 invalid UTF-8": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("mailed", metric.WithDescription("\xff"))).Add(t.Context(), 1, metric.WithAttributes(str("to", "a\xffb")))
			},
			want: []string{`to="a` + "\uFFFD" + `b"`, "mailed_total{"},
		},
		"F2 counter and gauge of one name": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("jobs.total")).Add(t.Context(), 4)
				must(r.meter.Int64Gauge("jobs_total")).Record(t.Context(), 5)
			},
			want: []string{"# TYPE jobs"}, never: []string{"jobs_total{otel_scope_name=\"app\",otel_scope_schema_url=\"\",otel_scope_version=\"\"} 5"}, dropped: 1,
		},
		"F6 label name of nothing": {
			add: func(t *testing.T, r *pullRig) {
				must(r.meter.Int64Counter("named")).Add(t.Context(), 1, metric.WithAttributes(str("ok", "yes")))
				must(r.meter.Int64Counter("unnamed")).Add(t.Context(), 1, metric.WithAttributes(str("é", "x")))
			},
			want: []string{`named_total{ok="yes"`}, dropped: -1,
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
	}
}

// TestPoison shows each of the rows in each format: 200, the good series there, the loser counted.
func TestPoison(t *testing.T) {
	for name, p := range poisons() {
		for format, accept := range map[string]string{"text": acceptText, "OpenMetrics": acceptOpenMetrics, "protobuf": acceptProtobuf} {
			t.Run(name+"/"+format, func(t *testing.T) {
				r := newPull(t, nil)
				must(r.meter.Int64Counter("good")).Add(t.Context(), 1)
				p.add(t, r)
				for range 2 {
					checkPoisoned(t, r, p, accept)
				}
			})
		}
	}
}

func checkPoisoned(t *testing.T, r *pullRig, p poison, accept string) {
	t.Helper()
	before := r.Stats().Dropped()
	text := r.answerIn(t, accept)
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
	dropped := r.Stats().Dropped() - before
	if (p.dropped == 0 && dropped != 0) || dropped < p.dropped {
		t.Errorf("%d dropped, want %d (%q)", dropped, p.dropped, r.errors)
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
	if n := r.Stats().Dropped(); n != 1 {
		t.Errorf("%d dropped, want 1: the coarse histogram in protobuf, which has no such scale", n)
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

// TestTenantsSeeTheirOwn shows that nothing of another tenant is in any format.
func TestTenantsSeeTheirOwn(t *testing.T) {
	reg := prometheus.NewRegistry()
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "disk", Help: "h"}, []string{"tenant"})
	reg.MustRegister(vec)
	byTenant := func(r *http.Request) (exporter.SeriesFilter, error) {
		tenant := r.Header.Get("X-Tenant")
		switch tenant {
		case "":
			return nil, exporter.ErrUnauthenticated
		case "banned":
			return nil, io.ErrClosedPipe
		}
		return func(_ string, labels exporter.Labels) bool {
			v, _ := labels.Get("tenant")
			return v == tenant
		}, nil
	}
	for _, accept := range []string{acceptText, acceptOpenMetrics, acceptProtobuf} {
		r := newPull(t, func(c *exporter.PullConfig) { c.Authorizer = byTenant; c.Gatherers = []prometheus.Gatherer{reg} })
		for _, tenant := range []string{"acme", "initech"} {
			opt := metric.WithAttributes(attribute.String("tenant", tenant))
			must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1, opt)
			must(r.meter.Float64Histogram("took")).Record(t.Context(), 1, opt)
			vec.WithLabelValues(tenant).Set(1)
		}
		w := r.get(http.MethodGet, "Accept", accept, "X-Tenant", "acme")
		body := w.Body.String()
		if w.Code != http.StatusOK || strings.Contains(body, "initech") || strings.Contains(body, "target_info") || !strings.Contains(body, "acme") {
			t.Errorf("%s: tenant acme gets %d\n%s", accept, w.Code, body)
		}
		if code := r.get(http.MethodGet, "Accept", accept).Code; code != http.StatusUnauthorized {
			t.Errorf("nobody gets %d, want 401", code)
		}
		if code := r.get(http.MethodGet, "Accept", accept, "X-Tenant", "banned").Code; code != http.StatusForbidden {
			t.Errorf("banned gets %d, want 403", code)
		}
	}
}

// stalled is a client that takes the header, and of the body nothing until told to.
type stalled struct {
	header  http.Header
	once    sync.Once
	reached chan struct{}
	resume  chan struct{}
}

func (s *stalled) Header() http.Header { return s.header }
func (s *stalled) WriteHeader(int)     {}
func (s *stalled) Write(b []byte) (int, error) {
	s.once.Do(func() {
		close(s.reached)
		<-s.resume
	})
	return len(b), nil
}

func TestStalledClientHoldsNoLock(t *testing.T) {
	r := newPull(t, nil)
	c := must(r.meter.Int64Counter("jobs"))
	for i := range 1500 { // over one chunk of the encoder's
		c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", strconv.Itoa(i)+strings.Repeat("x", 40))))
	}
	r.answerIn(t, acceptText) // caches are the series', not the scrape's
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	before := heap()
	s := &stalled{header: http.Header{}, reached: make(chan struct{}), resume: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
		r.ServeHTTP(s, req)
	}()
	<-s.reached
	if held, answer := heap()-before, len(r.answerIn(t, acceptText)); held > 2*answer {
		t.Errorf("a scrape that stands still holds %d bytes, its answer has %d", held, answer)
	}
	c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", "late")))
	if text := r.answerIn(t, acceptText); !strings.Contains(text, `id="late"`) {
		t.Error("another scrape does not see what was recorded meanwhile")
	}
	close(s.resume)
	<-done
}
