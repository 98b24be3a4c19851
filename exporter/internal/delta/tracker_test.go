package delta_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"

	"github.com/duotel/duotel/exporter/internal/delta"
)

// pair is one measurement seen by a cumulative reader under the Tracker and by the SDK's delta reader.
func TestDifferenceIsWhatTheSDKsDeltaReaderGives(t *testing.T) {
	cumulative := sdkmetric.NewManualReader()
	deltas := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	view := sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"}, sdkmetric.Stream{
		Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 8, MaxScale: 20, NoMinMax: true},
	})
	plain := sdkmetric.NewView(sdkmetric.Instrument{Name: "histogram"}, sdkmetric.Stream{
		Aggregation: sdkmetric.AggregationExplicitBucketHistogram{Boundaries: []float64{1, 10, 100}, NoMinMax: true},
	})
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(cumulative), sdkmetric.WithReader(deltas), sdkmetric.WithView(view, plain))
	meter := provider.Meter("m")
	counter, _ := meter.Int64Counter("counter")
	float, _ := meter.Float64Counter("float")
	updown, _ := meter.Int64UpDownCounter("updown")
	histogram, _ := meter.Float64Histogram("histogram")
	exponential, _ := meter.Int64Histogram("exponential")
	gauge, _ := meter.Int64Gauge("gauge")
	rng, tracker := rand.New(rand.NewPCG(1, 1)), delta.New(nil)
	for range 30 {
		for i := range 4 {
			at := metric.WithAttributes(attribute.Int("series", i))
			counter.Add(t.Context(), 1+rng.Int64N(9), at)
			float.Add(t.Context(), float64(1+rng.Int64N(8))/4, at)
			updown.Add(t.Context(), rng.Int64N(9)-4, at)
			histogram.Record(t.Context(), float64(rng.Int64N(200)), at)
			exponential.Record(t.Context(), 1<<uint(rng.IntN(1+rng.IntN(20))), at)
			gauge.Record(t.Context(), rng.Int64N(9), at)
		}
		var got, want metricdata.ResourceMetrics
		collect(t, cumulative, &got)
		collect(t, deltas, &want)
		d := tracker.Take(got.ScopeMetrics, true)
		d.Acknowledge(0, d.Len())
		// The SDK starts each delta at a finer scale again; at the coarser one of the two they are equal.
		alignScales(d.Scopes, want.ScopeMetrics)
		metricdatatest.AssertEqual(t, want.ScopeMetrics[0], d.Scopes[0], metricdatatest.IgnoreTimestamp())
	}
}

func collect(t *testing.T, r sdkmetric.Reader, rm *metricdata.ResourceMetrics) {
	t.Helper()
	if err := r.Collect(context.Background(), rm); err != nil {
		t.Fatal(err)
	}
}

func alignScales(got, want []metricdata.ScopeMetrics) {
	for i, m := range want[0].Metrics {
		w, ok := m.Data.(metricdata.ExponentialHistogram[int64])
		if !ok {
			continue
		}
		g := got[0].Metrics[i].Data.(metricdata.ExponentialHistogram[int64])
		for k := range w.DataPoints {
			for n := range g.DataPoints {
				if g.DataPoints[n].Attributes == w.DataPoints[k].Attributes {
					scale := min(g.DataPoints[n].Scale, w.DataPoints[k].Scale)
					coarsen(&g.DataPoints[n], scale)
					coarsen(&w.DataPoints[k], scale)
				}
			}
		}
	}
}

func coarsen(p *metricdata.ExponentialHistogramDataPoint[int64], scale int32) {
	by := p.Scale - scale
	sums := map[int32]uint64{}
	first, last := int32(1<<30), int32(-1<<30)
	for i, n := range p.PositiveBucket.Counts {
		if n > 0 {
			index := (p.PositiveBucket.Offset + int32(i)) >> by
			sums[index] += n
			first, last = min(first, index), max(last, index)
		}
	}
	p.Scale, p.PositiveBucket = scale, metricdata.ExponentialBucket{Offset: first, Counts: make([]uint64, last-first+1)}
	p.NegativeBucket = metricdata.ExponentialBucket{}
	for index, n := range sums {
		p.PositiveBucket.Counts[index-first] = n
	}
}

var epoch = time.Unix(1000, 0)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

type point = metricdata.DataPoint[int64]

func sum(name string, points ...point) []metricdata.ScopeMetrics {
	return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{
		Name: name, Data: metricdata.Sum[int64]{DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true},
	}}}}
}

func taken(d *delta.Difference) []point {
	var out []point
	for _, sm := range d.Scopes {
		for _, m := range sm.Metrics {
			out = append(out, m.Data.(metricdata.Sum[int64]).DataPoints...)
		}
	}
	return out
}

// Each row is a cumulative value as collected, and the difference it gives; ok acknowledges it.
func TestIntervalsAcrossFailuresAndResets(t *testing.T) {
	type row struct {
		start, end int
		value      int64
		ok         bool
		from       int
		want       int64
	}
	for name, rows := range map[string][]row{
		"steady":                    {{0, 1, 5, true, 0, 5}, {0, 2, 7, true, 1, 2}},
		"failure carries over":      {{0, 1, 5, true, 0, 5}, {0, 2, 7, false, 1, 2}, {0, 3, 8, true, 1, 3}, {0, 4, 9, true, 3, 1}},
		"reset by value":            {{0, 1, 5, true, 0, 5}, {0, 2, 3, true, 1, 3}},
		"reset by start":            {{0, 1, 5, true, 0, 5}, {2, 3, 9, true, 2, 9}},
		"reset while failing":       {{0, 1, 5, true, 0, 5}, {0, 2, 9, false, 1, 4}, {3, 4, 2, false, 1, 6}, {3, 5, 3, true, 1, 7}, {3, 6, 4, true, 5, 1}},
		"two resets while failing":  {{0, 1, 5, false, 0, 5}, {2, 3, 1, false, 0, 6}, {4, 5, 1, true, 0, 7}},
		"start moves within a life": {{0, 4, 5, true, 0, 5}, {2, 6, 6, true, 4, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			tracker := delta.New(nil)
			for i, r := range rows {
				d := tracker.Take(sum("c", point{StartTime: at(r.start), Time: at(r.end), Value: r.value}), true)
				got := taken(d)
				want := point{StartTime: at(r.from), Time: at(r.end), Value: r.want}
				if len(got) != 1 || !got[0].StartTime.Equal(want.StartTime) || !got[0].Time.Equal(want.Time) || got[0].Value != want.Value {
					t.Fatalf("row %d: got %+v, want %+v", i, got, want)
				}
				if r.ok {
					d.Acknowledge(0, d.Len())
				}
			}
		})
	}
}

func TestUnchangedSeriesAreLeftOut(t *testing.T) {
	tracker := delta.New(nil)
	first := tracker.Take(sum("c", point{StartTime: at(0), Time: at(1)}), true)
	if first.Len() != 1 {
		t.Fatalf("a new series at zero gave %d points, want 1", first.Len())
	}
	first.Acknowledge(0, 1)
	if d := tracker.Take(sum("c", point{StartTime: at(0), Time: at(2)}), true); d.Len() != 0 || len(d.Scopes) != 0 {
		t.Fatalf("an unchanged series gave %+v", d.Scopes)
	}
	d := tracker.Take(sum("c", point{StartTime: at(0), Time: at(3), Value: 1}), true)
	if got := taken(d)[0]; !got.StartTime.Equal(at(2)) {
		t.Errorf("starts at %v, want %v", got.StartTime, at(2))
	}
}

func TestVanishedSeriesStillDelivers(t *testing.T) {
	tracker := delta.New(nil)
	tracker.Take(sum("c", point{StartTime: at(0), Time: at(1), Value: 5}), true)
	d := tracker.Take(nil, true)
	if got := taken(d); len(got) != 1 || got[0].Value != 5 || !got[0].Time.Equal(at(1)) {
		t.Fatalf("got %+v", got)
	}
	d.Acknowledge(0, 1)
	if d := tracker.Take(nil, true); d.Len() != 0 {
		t.Errorf("delivered twice: %+v", d.Scopes)
	}
	back := tracker.Take(sum("c", point{StartTime: at(0), Time: at(4), Value: 6}), true)
	if got := taken(back); len(got) != 1 || got[0].Value != 1 {
		t.Errorf("came back as %+v, want 1", got)
	}
}

func TestLateAcknowledgementIsIgnored(t *testing.T) {
	tracker := delta.New(nil)
	old := tracker.Take(sum("c", point{StartTime: at(0), Time: at(1), Value: 5}), true)
	tracker.Take(sum("c", point{StartTime: at(0), Time: at(2), Value: 7}), true)
	old.Acknowledge(0, 1)
	if got := taken(tracker.Take(sum("c", point{StartTime: at(0), Time: at(3), Value: 8}), true)); got[0].Value != 8 {
		t.Errorf("got %d, want all 8", got[0].Value)
	}
}

func TestDuplicateSeriesAreLeftOutAndCounted(t *testing.T) {
	p := point{StartTime: at(0), Time: at(1), Value: 5}
	d := delta.New(nil).Take(append(sum("c", p, p), sum("c", p)...), true)
	if d.Len() != 1 || d.Duplicates != 2 {
		t.Errorf("%d points and %d duplicates, want 1 and 2", d.Len(), d.Duplicates)
	}
}

// A metric may come in parts, as from two registries; each keeps its points.
func TestMetricInParts(t *testing.T) {
	part := func(id, end int, value int64) []metricdata.ScopeMetrics {
		return sum("c", point{Attributes: attribute.NewSet(attribute.Int("id", id)), StartTime: at(0), Time: at(end), Value: value})
	}
	tracker := delta.New(nil)
	for end := 1; end < 4; end++ {
		d := tracker.Take(append(part(1, end, int64(end)), part(2, end, int64(10*end))...), true)
		if got := taken(d); len(got) != 2 || got[0].Value != 1 || got[1].Value != 10 {
			t.Errorf("got %+v", got)
		}
		d.Acknowledge(0, d.Len())
	}
}

func TestWhatStaysCumulative(t *testing.T) {
	scopes := []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "s"}, Metrics: []metricdata.Metrics{
		{Name: "async", Data: metricdata.Sum[int64]{DataPoints: []point{{Value: 3}}, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}},
		{Name: "updown", Data: metricdata.Sum[int64]{DataPoints: []point{{Value: 3}}, Temporality: metricdata.CumulativeTemporality}},
		{Name: "gauge", Data: metricdata.Gauge[int64]{DataPoints: []point{{Value: 3}}}},
		{Name: "summary", Data: metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{Count: 3}}}},
		{Name: "delta", Data: metricdata.Sum[int64]{DataPoints: []point{{Value: 3}}, Temporality: metricdata.DeltaTemporality, IsMonotonic: true}},
	}}}
	tracker := delta.New(func(scope instrumentation.Scope, metric string) bool { return scope.Name == "s" && metric == "async" })
	for range 2 {
		d := tracker.Take(scopes, true)
		if d.Len() != 5 {
			t.Fatalf("%d points, want 5", d.Len())
		}
		d.Acknowledge(0, 5)
		metricdatatest.AssertEqual(t, scopes[0], d.Scopes[0])
	}
}

func TestExtremaAreKnownOnlyWhenTheyMove(t *testing.T) {
	histogram := func(end int, count uint64, low, high float64) []metricdata.ScopeMetrics {
		return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{{Name: "h", Data: metricdata.Histogram[float64]{
			Temporality: metricdata.CumulativeTemporality,
			DataPoints: []metricdata.HistogramDataPoint[float64]{{
				Time: at(end), Count: count, BucketCounts: []uint64{count},
				Min: metricdata.NewExtrema(low), Max: metricdata.NewExtrema(high),
			}},
		}}}}}
	}
	tracker := delta.New(nil)
	for i, tt := range []struct {
		in   []metricdata.ScopeMetrics
		want [2]bool
	}{
		{histogram(1, 2, 5, 6), [2]bool{true, true}},
		{histogram(2, 3, 5, 6), [2]bool{false, false}},
		{histogram(3, 4, 4, 6), [2]bool{true, false}},
		{histogram(4, 5, 4, 7), [2]bool{false, true}},
	} {
		d := tracker.Take(tt.in, true)
		p := d.Scopes[0].Metrics[0].Data.(metricdata.Histogram[float64]).DataPoints[0]
		_, low := p.Min.Value()
		_, high := p.Max.Value()
		if got := [2]bool{low, high}; got != tt.want {
			t.Errorf("row %d: min and max known: %v, want %v", i, got, tt.want)
		}
		d.Acknowledge(0, 1)
	}
}

func TestExemplarsAreSentOnce(t *testing.T) {
	tracker := delta.New(nil)
	p := point{StartTime: at(0), Time: at(2), Value: 1, Exemplars: []metricdata.Exemplar[int64]{{Time: at(1), Value: 1}}}
	d := tracker.Take(sum("c", p), true)
	if got := taken(d)[0].Exemplars; len(got) != 1 {
		t.Fatalf("%d exemplars, want 1", len(got))
	}
	d.Acknowledge(0, 1)
	p.Time, p.Value = at(4), 2
	p.Exemplars = append(p.Exemplars, metricdata.Exemplar[int64]{Time: at(3), Value: 1})
	if got := taken(tracker.Take(sum("c", p), true))[0].Exemplars; len(got) != 1 || !got[0].Time.Equal(at(3)) {
		t.Errorf("got %v", got)
	}
}

func TestMemoryIsBoundToLiveSeries(t *testing.T) {
	for _, acknowledged := range []bool{true, false} {
		for _, complete := range []bool{true, false} { // false: something else fails for good
			checkMemory(t, acknowledged, complete)
		}
	}
}

func checkMemory(t *testing.T, acknowledged, complete bool) {
	t.Helper()
	tracker, lost := delta.New(nil), 0
	for round := range 80 {
		var points []point
		for i := range 100 {
			set := attribute.NewSet(attribute.String("id", fmt.Sprint(round, "/", i)))
			points = append(points, point{Attributes: set, StartTime: at(round), Time: at(round + 1), Value: 1})
		}
		d := tracker.Take(sum("c", points...), complete || round == 0)
		if acknowledged {
			d.Acknowledge(0, d.Len())
		}
		lost += d.Lost
	}
	if got := tracker.Series(); got > 4*100+2*1024+100 {
		t.Errorf("acknowledged %v, complete %v: %d series remembered of 100 alive", acknowledged, complete, got)
	}
	if acknowledged != (lost == 0) {
		t.Errorf("acknowledged %v, complete %v: %d lost", acknowledged, complete, lost)
	}
}

// A collection that failed is not the end of every series in it.
func TestIncompleteCollectionForgetsNothing(t *testing.T) {
	tracker := delta.New(nil)
	var points []point
	for i := range 5000 {
		points = append(points, point{Attributes: attribute.NewSet(attribute.Int("id", i)), StartTime: at(0), Time: at(1), Value: 1})
	}
	d := tracker.Take(sum("c", points...), true)
	d.Acknowledge(0, d.Len())
	for range 20 {
		tracker.Take(nil, false)
	}
	if d := tracker.Take(sum("c", points...), true); d.Len() != 0 {
		t.Errorf("%d points were sent again", d.Len())
	}
}
