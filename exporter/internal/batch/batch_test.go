package batch_test

import (
	"testing"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/exporter/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// every has two points of every kind of data, an empty metric and an empty scope.
func every() []metricdata.ScopeMetrics {
	var metrics []metricdata.Metrics
	for _, data := range []metricdata.Aggregation{
		metricdata.Gauge[int64]{DataPoints: make([]metricdata.DataPoint[int64], 2)},
		metricdata.Gauge[float64]{DataPoints: make([]metricdata.DataPoint[float64], 2)},
		metricdata.Sum[int64]{DataPoints: make([]metricdata.DataPoint[int64], 2), IsMonotonic: true, Temporality: metricdata.DeltaTemporality},
		metricdata.Sum[float64]{DataPoints: make([]metricdata.DataPoint[float64], 2)},
		metricdata.Histogram[int64]{DataPoints: make([]metricdata.HistogramDataPoint[int64], 2)},
		metricdata.Histogram[float64]{DataPoints: make([]metricdata.HistogramDataPoint[float64], 2)},
		metricdata.ExponentialHistogram[int64]{DataPoints: make([]metricdata.ExponentialHistogramDataPoint[int64], 2)},
		metricdata.ExponentialHistogram[float64]{DataPoints: make([]metricdata.ExponentialHistogramDataPoint[float64], 2)},
		metricdata.Summary{DataPoints: make([]metricdata.SummaryDataPoint, 2)},
	} {
		metrics = append(metrics, metricdata.Metrics{Name: "m", Unit: "u", Data: data})
	}
	empty := metricdata.Metrics{Name: "empty", Data: metricdata.Gauge[int64]{}}
	return []metricdata.ScopeMetrics{
		{Scope: instrumentation.Scope{Name: "a"}, Metrics: append(metrics[:4:4], empty)},
		{Scope: instrumentation.Scope{Name: "none"}},
		{Scope: instrumentation.Scope{Name: "b"}, Metrics: metrics[4:]},
	}
}

func TestSlicesOfEverySizeCoverEverythingOnce(t *testing.T) {
	all := batch.Count(every())
	if all != 18 {
		t.Fatalf("%d points, want 18", all)
	}
	for size := 1; size <= all+1; size++ {
		scopes, sum := every(), 0
		for from := 0; from < all; from += size {
			n := batch.Count(batch.Slice(scopes, from, from+size))
			if n != min(size, all-from) {
				t.Errorf("size %d from %d has %d points", size, from, n)
			}
			sum += n
		}
		if sum != all {
			t.Errorf("size %d covers %d points", size, sum)
		}
		for i, sm := range every() {
			metricdatatest.AssertEqual(t, sm, scopes[i])
		}
	}
}

func TestSliceKeepsWhatAPointBelongsTo(t *testing.T) {
	got := batch.Slice(every(), 5, 9)
	if len(got) != 2 || got[0].Scope.Name != "a" || got[1].Scope.Name != "b" {
		t.Fatalf("got %+v", got)
	}
	sum, ok := got[0].Metrics[0].Data.(metricdata.Sum[int64])
	if !ok || len(sum.DataPoints) != 1 || !sum.IsMonotonic || sum.Temporality != metricdata.DeltaTemporality || got[0].Metrics[0].Unit != "u" {
		t.Errorf("got %+v", got[0].Metrics[0])
	}
}
