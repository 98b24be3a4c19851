package cardinality_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/internal/cardinality"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const scope = "shop"

// log is what a watcher reported.
type log struct {
	mu       sync.Mutex
	findings []cardinality.Finding
}

func (l *log) add(f cardinality.Finding) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.findings = append(l.findings, f)
}

func limitOf(n int) func(string, string) int { return func(string, string) int { return n } }

// gauge is a collection of one metric with n series.
func gauge(name string, n int) []metricdata.ScopeMetrics {
	points := make([]metricdata.DataPoint[int64], n)
	for i := range points {
		points[i].Attributes = attribute.NewSet(attribute.Int("user", i), attribute.String("shop", "one"))
	}
	return collection(name, metricdata.Gauge[int64]{DataPoints: points})
}

func collection(name string, data metricdata.Aggregation) []metricdata.ScopeMetrics {
	return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: scope}, Metrics: []metricdata.Metrics{{Name: name, Data: data}}}}
}

// TestReportedOncePerChange watches an instrument go up and down.
func TestReportedOncePerChange(t *testing.T) {
	tests := []struct {
		name string
		used []int
		want []int // the numbers of series that are reported
	}{
		{"below", []int{0, 1, 79, 79}, nil},
		{"near", []int{79, 80, 81, 99}, []int{80}},
		{"full", []int{80, 99, 100, 100, 100}, []int{80, 100}},
		{"full at once", []int{0, 100, 100}, []int{100}},
		{"around the threshold", []int{80, 79, 80, 71, 80}, []int{80}},
		{"around the limit", []int{100, 99, 100}, []int{100}},
		{"again after calm", []int{100, 69, 85, 100}, []int{100, 85, 100}},
		{"gone and back", []int{85, -1, 85}, []int{85}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l log
			w := cardinality.New(limitOf(100), l.add)
			for _, n := range tt.used {
				if n < 0 {
					w.Observe(nil)
					continue
				}
				w.Observe(gauge("users", n))
			}
			var got []int
			for _, f := range l.findings {
				got = append(got, f.Used)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("reported %v, want %v", got, tt.want)
			}
		})
	}
}

// TestF23 fills an instrument of the SDK through its limit.
func TestF23(t *testing.T) {
	const limit = 50
	reader := sdkmetric.NewManualReader()
	mp := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithCardinalityLimit(limit))
	defer func() { _ = mp.Shutdown(context.Background()) }()
	orders, _ := mp.Meter(scope).Int64Counter("orders")
	calm, _ := mp.Meter(scope).Float64Histogram("calm")
	calm.Record(t.Context(), 1)
	var l log
	w := cardinality.New(limitOf(limit), l.add)
	var rm metricdata.ResourceMetrics
	for i := range 2 * limit {
		orders.Add(t.Context(), 1, metric.WithAttributes(attribute.String("customer", fmt.Sprintf("c%03d", i)), attribute.Int("kind", i%4)))
		if err := reader.Collect(t.Context(), &rm); err != nil {
			t.Fatal(err)
		}
		w.Observe(rm.ScopeMetrics)
	}
	if len(l.findings) != 2 {
		t.Fatalf("reported %v, want one at 80 %% and one at the limit", l.findings)
	}
	near, full := l.findings[0], l.findings[1]
	if near.State != cardinality.Near || near.Used != 40 || full.State != cardinality.Full || full.Used != limit {
		t.Errorf("reported %+v and %+v", near, full)
	}
	want := `cardinality: orders: 50 of 50 series are used, and new ones fold into the overflow series; ` +
		`the attribute with the most values is "customer": 49, such as "c000", "c001", "c002"`
	if full.String() != want {
		t.Errorf("the line is\n%s\nwant\n%s", full, want)
	}
	if strings.Contains(near.String(), "overflow") {
		t.Errorf("the line at 80 %% is %q", near)
	}
	if got := w.Usage(); len(got) != 1 || got[0] != (cardinality.Usage{Scope: scope, Instrument: "orders", Used: limit, Limit: limit}) {
		t.Errorf("the usage is %+v", got)
	}
}

// TestOverflowBelowTheLimit has an overflow series although the number of series does not say so.
func TestOverflowBelowTheLimit(t *testing.T) {
	var l log
	w := cardinality.New(limitOf(100), l.add)
	scopes := gauge("users", 85)
	scopes[0].Metrics[0].Data.(metricdata.Gauge[int64]).DataPoints[84].Attributes = attribute.NewSet(attribute.Bool("otel.metric.overflow", true))
	w.Observe(scopes)
	if len(l.findings) != 1 || l.findings[0].State != cardinality.Full {
		t.Errorf("reported %+v, want a full instrument", l.findings)
	}
}

func TestEveryAggregationCounts(t *testing.T) {
	set := attribute.NewSet(attribute.String("k", "v"))
	tests := []metricdata.Aggregation{
		metricdata.Sum[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: set}}},
		metricdata.Sum[float64]{DataPoints: []metricdata.DataPoint[float64]{{Attributes: set}}},
		metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Attributes: set}}},
		metricdata.Gauge[float64]{DataPoints: []metricdata.DataPoint[float64]{{Attributes: set}}},
		metricdata.Histogram[int64]{DataPoints: []metricdata.HistogramDataPoint[int64]{{Attributes: set}}},
		metricdata.Histogram[float64]{DataPoints: []metricdata.HistogramDataPoint[float64]{{Attributes: set}}},
		metricdata.ExponentialHistogram[int64]{DataPoints: []metricdata.ExponentialHistogramDataPoint[int64]{{Attributes: set}}},
		metricdata.ExponentialHistogram[float64]{DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{{Attributes: set}}},
	}
	for _, data := range tests {
		t.Run(fmt.Sprintf("%T", data), func(t *testing.T) {
			var l log
			cardinality.New(limitOf(1), l.add).Observe(collection("one", data))
			if len(l.findings) != 1 || l.findings[0].Attribute != "k" || !slices.Equal(l.findings[0].Samples, []string{"v"}) {
				t.Errorf("reported %+v, want one value of k", l.findings)
			}
		})
	}
}

func TestLimitsArePerInstrument(t *testing.T) {
	var l log
	limits := map[string]int{"small": 10, "none": 0, "negative": -1}
	w := cardinality.New(func(_, name string) int { return limits[name] }, l.add)
	for _, name := range []string{"small", "none", "negative"} {
		w.Observe(gauge(name, 10))
	}
	w.Observe(append(gauge("small", 10), gauge("none", 1000)...))
	if len(l.findings) != 1 || l.findings[0].Instrument != "small" || len(w.Usage()) != 1 {
		t.Errorf("reported %+v with usage %+v, want small once", l.findings, w.Usage())
	}
}

// TestSameNameTwice has two versions of a scope, one full and one calm.
func TestSameNameTwice(t *testing.T) {
	var l log
	w := cardinality.New(limitOf(10), l.add)
	for range 3 {
		w.Observe(append(gauge("users", 10), gauge("users", 1)...))
		w.Observe(append(gauge("users", 1), gauge("users", 10)...))
	}
	if len(l.findings) != 1 {
		t.Errorf("reported %+v, want one", l.findings)
	}
}

func TestSamplesAreSafeToLog(t *testing.T) {
	hostile := []string{"\x1b[31mred\nline", "caf\xe9", strings.Repeat("é", 500)}
	points := make([]metricdata.DataPoint[int64], len(hostile))
	for i, v := range hostile {
		points[i].Attributes = attribute.NewSet(attribute.String("path", v))
	}
	var l log
	cardinality.New(limitOf(3), l.add).Observe(collection("requests", metricdata.Sum[int64]{DataPoints: points}))
	if len(l.findings) != 1 || len(l.findings[0].Samples) != 3 {
		t.Fatalf("reported %+v, want three samples", l.findings)
	}
	for _, s := range l.findings[0].Samples {
		if len(s) > 43+len("…") || !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\n") {
			t.Errorf("the sample %q is not safe", s)
		}
	}
}

func TestFindingIsBounded(t *testing.T) {
	const n = 20_000
	var l log
	cardinality.New(limitOf(n), l.add).Observe(gauge("users", n))
	if f := l.findings[0]; f.Attribute != "user" || f.Values > 4096 || f.Values < 2048 || f.Used != n {
		t.Errorf("reported %+v, want at most 4096 values of user", f)
	}
}

// TestObserveIsCheapBelow wants no allocation and no look at the series.
func TestObserveIsCheapBelow(t *testing.T) {
	w := cardinality.New(limitOf(1000), func(f cardinality.Finding) { t.Errorf("reported %v", f) })
	scopes := gauge("users", 799)
	if got := testing.AllocsPerRun(100, func() { w.Observe(scopes) }); got > 0 {
		t.Errorf("%g allocations below 80 %%", got)
	}
}

func TestWatcherConcurrentSafe(t *testing.T) {
	var l log
	w := cardinality.New(limitOf(10), l.add)
	full := gauge("users", 10)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				w.Observe(full)
				w.Usage()
			}
		})
	}
	wg.Wait()
	if len(l.findings) != 1 {
		t.Errorf("reported %d times, want once", len(l.findings))
	}
}
