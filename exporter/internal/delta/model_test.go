package delta_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/delta"
)

// source is a set of cumulative series that a script increments, restarts and removes.
type source struct {
	rng     *rand.Rand
	clock   time.Time
	started map[string]time.Time
	counter map[string]int64
	buckets map[string][]uint64
	fine    map[string]map[int32]uint64 // exponential, by index at scale 4
	scale   map[string]int32

	recordedCounter map[string]int64
	recordedBuckets map[string][]uint64
	recordedFine    map[string]map[int32]uint64 // by index at scale 0
}

const bucketCount = 4

func newSource(rng *rand.Rand) *source {
	return &source{
		rng: rng, clock: time.Unix(1000, 0), started: map[string]time.Time{}, counter: map[string]int64{},
		buckets: map[string][]uint64{}, fine: map[string]map[int32]uint64{}, scale: map[string]int32{},
		recordedCounter: map[string]int64{}, recordedBuckets: map[string][]uint64{}, recordedFine: map[string]map[int32]uint64{},
	}
}

func (s *source) record(name string) {
	if _, ok := s.started[name]; !ok {
		s.started[name] = s.clock
		s.buckets[name] = make([]uint64, bucketCount)
		s.fine[name] = map[int32]uint64{}
		s.scale[name] = 4
	}
	n, bucket, index := s.rng.Int64N(9), s.rng.IntN(bucketCount), int32(s.rng.IntN(200)-100)
	s.counter[name] += n
	s.buckets[name][bucket]++
	s.fine[name][index]++
	if s.rng.IntN(8) == 0 && s.scale[name] > 0 {
		s.scale[name]--
	}
	s.recordedCounter[name] += n
	if s.recordedBuckets[name] == nil {
		s.recordedBuckets[name], s.recordedFine[name] = make([]uint64, bucketCount), map[int32]uint64{}
	}
	s.recordedBuckets[name][bucket]++
	s.recordedFine[name][index>>4]++
}

// forget makes the series of name end, as a restart does before it comes back.
func (s *source) forget(name string) {
	delete(s.started, name)
	delete(s.counter, name)
	delete(s.buckets, name)
	delete(s.fine, name)
}

func (s *source) tick() { s.clock = s.clock.Add(time.Second) }

func (s *source) collect() []metricdata.ScopeMetrics {
	var counters []metricdata.DataPoint[int64]
	var histograms []metricdata.HistogramDataPoint[float64]
	var exponentials []metricdata.ExponentialHistogramDataPoint[int64]
	for name, start := range s.started {
		set := attribute.NewSet(attribute.String("name", name))
		var count uint64
		for _, n := range s.buckets[name] {
			count += n
		}
		counters = append(counters, metricdata.DataPoint[int64]{Attributes: set, StartTime: start, Time: s.clock, Value: s.counter[name]})
		histograms = append(histograms, metricdata.HistogramDataPoint[float64]{
			Attributes: set, StartTime: start, Time: s.clock, Count: count, Sum: float64(count),
			Bounds: []float64{1, 2, 3}, BucketCounts: append([]uint64(nil), s.buckets[name]...),
		})
		exponentials = append(exponentials, s.exponential(name, set, count))
	}
	return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{
		{Name: "c", Data: metricdata.Sum[int64]{DataPoints: counters, Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}},
		{Name: "h", Data: metricdata.Histogram[float64]{DataPoints: histograms, Temporality: metricdata.CumulativeTemporality}},
		{Name: "e", Data: metricdata.ExponentialHistogram[int64]{DataPoints: exponentials, Temporality: metricdata.CumulativeTemporality}},
	}}}
}

func (s *source) exponential(name string, set attribute.Set, count uint64) metricdata.ExponentialHistogramDataPoint[int64] {
	scale := s.scale[name]
	first := int32(-100) >> (4 - scale)
	counts := make([]uint64, 100>>(4-scale)-first+1)
	for index, n := range s.fine[name] {
		counts[index>>(4-scale)-first] += n
	}
	return metricdata.ExponentialHistogramDataPoint[int64]{
		Attributes: set, StartTime: s.started[name], Time: s.clock, Count: count, Scale: scale,
		PositiveBucket: metricdata.ExponentialBucket{Offset: first, Counts: counts},
	}
}

// received adds up what a backend accepted.
type received struct {
	counter map[string]int64
	buckets map[string][]uint64
	coarse  map[string]map[int32]uint64
	until   map[string]time.Time
}

func newReceived() *received {
	return &received{map[string]int64{}, map[string][]uint64{}, map[string]map[int32]uint64{}, map[string]time.Time{}}
}

func nameOf(set attribute.Set) string {
	v, _ := set.Value("name")
	return v.AsString()
}

// accept takes the points [from, to), counted in order.
func (r *received) accept(tb testing.TB, scopes []metricdata.ScopeMetrics, from, to int) {
	tb.Helper()
	at := 0
	take := func() bool { at++; return at-1 >= from && at-1 < to }
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				if d.Temporality != metricdata.DeltaTemporality {
					tb.Fatalf("temporality is %v", d.Temporality)
				}
				for _, p := range d.DataPoints {
					if take() {
						r.interval(tb, "c/"+nameOf(p.Attributes), p.StartTime, p.Time)
						r.counter[nameOf(p.Attributes)] += p.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					if take() {
						r.interval(tb, "h/"+nameOf(p.Attributes), p.StartTime, p.Time)
						r.histogram(tb, p)
					}
				}
			case metricdata.ExponentialHistogram[int64]:
				for _, p := range d.DataPoints {
					if take() {
						r.interval(tb, "e/"+nameOf(p.Attributes), p.StartTime, p.Time)
						r.exponential(tb, p)
					}
				}
			}
		}
	}
}

// interval checks that no two accepted intervals of a series overlap.
func (r *received) interval(tb testing.TB, series string, start, end time.Time) {
	tb.Helper()
	if start.After(end) {
		tb.Fatalf("%s: starts %v, ends %v", series, start, end)
	}
	if start.Before(r.until[series]) {
		tb.Fatalf("%s: starts %v, but all until %v was accepted", series, start, r.until[series])
	}
	r.until[series] = end
}

func (r *received) histogram(tb testing.TB, p metricdata.HistogramDataPoint[float64]) {
	name := nameOf(p.Attributes)
	if r.buckets[name] == nil {
		r.buckets[name] = make([]uint64, bucketCount)
	}
	var count uint64
	for i, n := range p.BucketCounts {
		r.buckets[name][i] += n
		count += n
	}
	if count != p.Count || p.Sum != float64(count) {
		tb.Fatalf("h/%s: count %d, sum %v, but %d in buckets", name, p.Count, p.Sum, count)
	}
}

func (r *received) exponential(tb testing.TB, p metricdata.ExponentialHistogramDataPoint[int64]) {
	name := nameOf(p.Attributes)
	if r.coarse[name] == nil {
		r.coarse[name] = map[int32]uint64{}
	}
	var count uint64
	for i, n := range p.PositiveBucket.Counts {
		if n > 0 {
			r.coarse[name][(p.PositiveBucket.Offset+int32(i))>>p.Scale] += n
			count += n
		}
	}
	if count != p.Count {
		tb.Fatalf("e/%s: count %d, but %d in buckets", name, p.Count, count)
	}
}

func (r *received) equal(tb testing.TB, s *source) {
	tb.Helper()
	for _, counters := range []map[string]int64{s.recordedCounter, r.counter} {
		maps.DeleteFunc(counters, func(_ string, n int64) bool { return n == 0 }) // nothing to deliver
	}
	for what, pair := range map[string][2]any{
		"counters":     {s.recordedCounter, r.counter},
		"buckets":      {s.recordedBuckets, r.buckets},
		"exponentials": {s.recordedFine, r.coarse},
	} {
		if want, got := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); want != got {
			tb.Errorf("%s: recorded %s, received %s", what, want, got)
		}
	}
}

// play runs a random script of increments, failures, half successes, restarts and disappearances,
// and ends with one success.
func play(tb testing.TB, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	s, r, tracker := newSource(rng), newReceived(), delta.New(nil)
	for step := range steps {
		for range rng.IntN(6) {
			s.record(fmt.Sprint(rng.IntN(5)))
		}
		s.tick()
		d := tracker.Take(s.collect(), rng.IntN(4) > 0)
		from := rng.IntN(d.Len() + 1)
		to := from + rng.IntN(d.Len()+1-from)
		if step == steps-1 || rng.IntN(4) == 0 {
			from, to = 0, d.Len()
		}
		r.accept(tb, d.Scopes, from, to)
		d.Acknowledge(from, to)
		s.tick()
		if rng.IntN(5) == 0 {
			s.forget(fmt.Sprint(rng.IntN(5)))
		}
	}
	r.equal(tb, s)
}

func TestWhatIsReceivedIsWhatWasRecorded(t *testing.T) {
	for seed := range uint64(100) {
		play(t, seed, 40)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzTracker(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) { play(t, seed, int(steps)+1) })
}
