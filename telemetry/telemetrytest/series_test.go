package telemetrytest_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// at gives a point its times, in seconds.
func at(start, end int64) (time.Time, time.Time) { return time.Unix(start, 0), time.Unix(end, 0) }

func counter(temporality metricdata.Temporality, value, start, end int64) *metricdata.ResourceMetrics {
	p := metricdata.DataPoint[int64]{Attributes: attribute.NewSet(attribute.Bool("big", true), attribute.Int("shelf", 7)), Value: value}
	p.StartTime, p.Time = at(start, end)
	return metricsOf(metricdata.Metrics{
		Name: "orders", Unit: "{order}",
		Data: metricdata.Sum[int64]{Temporality: temporality, IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{p}},
	})
}

func histogram(start, end int64, buckets ...uint64) *metricdata.ResourceMetrics {
	p := metricdata.HistogramDataPoint[float64]{Sum: 1.5, Bounds: []float64{0.1, 1}, BucketCounts: buckets}
	p.StartTime, p.Time = at(start, end)
	for _, n := range buckets {
		p.Count += n
	}
	return metricsOf(metricdata.Metrics{Name: "wait", Unit: "s", Data: metricdata.Histogram[float64]{
		Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.HistogramDataPoint[float64]{p},
	}})
}

func exponential(scale, offset int32, counts ...uint64) *metricdata.ResourceMetrics {
	p := metricdata.ExponentialHistogramDataPoint[float64]{
		Scale: scale, ZeroCount: 1, Count: 1,
		PositiveBucket: metricdata.ExponentialBucket{Offset: offset, Counts: counts},
	}
	p.StartTime, p.Time = at(10, 20)
	for _, n := range counts {
		p.Count += n
	}
	return metricsOf(metricdata.Metrics{Name: "wait", Data: metricdata.ExponentialHistogram[float64]{
		Temporality: metricdata.DeltaTemporality, DataPoints: []metricdata.ExponentialHistogramDataPoint[float64]{p},
	}})
}

// export sends everything and returns the one series that must come of it.
func export(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter, data ...*metricdata.ResourceMetrics) telemetrytest.Series {
	t.Helper()
	for _, d := range data {
		if err := e.Export(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	series := b.Series()
	if len(series) != 1 {
		t.Fatalf("%d series: %v; want 1", len(series), series)
	}
	return series[0]
}

func TestSeriesOfDeltasIsTheirSum(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		delta := metricdata.DeltaTemporality
		s := export(t, b, e, counter(delta, 3, 10, 20), counter(delta, 4, 20, 30))
		if s.Name != "orders" || s.Unit != "{order}" || s.Kind != telemetrytest.KindSum || !s.Monotonic || s.Temporality != delta {
			t.Errorf("series = %+v", s)
		}
		if s.Value != 7 || s.StartTime.Unix() != 10 || s.Time.Unix() != 30 {
			t.Errorf("value %v from %v to %v; want 7 from 10 to 30", s.Value, s.StartTime.Unix(), s.Time.Unix())
		}
		if want := map[string]string{"big": "true", "shelf": "7"}; !maps.Equal(s.Labels, want) {
			t.Errorf("labels = %v; want %v", s.Labels, want)
		}
		if s.Resource["service.name"] != "shop" {
			t.Errorf("resource = %v", s.Resource)
		}
		if b.Sum("orders", map[string]string{"shelf": "8"}) != 0 || b.Sum("orders", map[string]string{"shelf": "7"}) != 7 {
			t.Error("Sum does not go by labels")
		}
	})
}

func TestSeriesOfCumulativePointsIsTheLatest(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		cumulative := metricdata.CumulativeTemporality
		s := export(t, b, e, counter(cumulative, 3, 10, 20), counter(cumulative, 9, 10, 40), counter(cumulative, 7, 10, 30))
		if s.Value != 9 || s.StartTime.Unix() != 10 || s.Time.Unix() != 40 {
			t.Errorf("value %v from %v to %v; want 9 from 10 to 40", s.Value, s.StartTime.Unix(), s.Time.Unix())
		}
	})
}

func TestSeriesOfHistogram(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		s := export(t, b, e, histogram(10, 20, 1, 2, 3), histogram(20, 30, 1, 0, 1))
		if s.Count != 8 || s.Sum != 3 || s.Total() != 8 {
			t.Errorf("count %d, sum %v, total %v; want 8, 3, 8", s.Count, s.Sum, s.Total())
		}
		if want := []uint64{2, 2, 4}; !slices.Equal(s.Buckets, want) || !slices.Equal(s.Bounds, []float64{0.1, 1}) {
			t.Errorf("buckets %v of %v; want %v", s.Buckets, s.Bounds, want)
		}
		// What is returned is the caller's: the backend's own must not change with it.
		s.Buckets[0], s.Resource["service.name"] = 99, "changed"
		if again := b.Series()[0]; again.Buckets[0] != 2 || again.Resource["service.name"] != "shop" {
			t.Errorf("the backend's series changed with the copy: %+v", again)
		}
		if got := b.Requests()[0].Message.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()[0].
			GetHistogram().GetDataPoints()[0].GetBucketCounts(); !slices.Equal(got, []uint64{1, 2, 3}) {
			t.Errorf("adding changed the recorded message: %v", got)
		}
	})
}

func TestSeriesOfExponentialHistogramsAddsAtSmallestScale(t *testing.T) {
	forEachProtocol(t, func(t *testing.T, b *telemetrytest.Backend, e sdkmetric.Exporter) {
		// At scale 1 the indexes are -3 to 0; one scale down that is -2, -1, -1, 0.
		s := export(t, b, e, exponential(1, -3, 1, 2, 3, 4), exponential(0, -1, 10, 20))
		want := map[int32]uint64{-2: 1, -1: 2 + 3 + 10, 0: 4 + 20}
		if s.Exponential == nil || s.Exponential.Scale != 0 || !maps.Equal(s.Exponential.Positive, want) {
			t.Fatalf("exponential = %+v; want scale 0 and %v", s.Exponential, want)
		}
		if s.Count != 42 || s.Exponential.ZeroCount != 2 {
			t.Errorf("count %d, zero count %d; want 42, 2", s.Count, s.Exponential.ZeroCount)
		}
	})
}
