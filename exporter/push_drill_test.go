package exporter_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/duotel/duotel/exporter"
)

var (
	drillSeeds = flag.Int("drill.seeds", 20, "how many random schedules the outage drill plays")
	drillRate  = flag.Int("drill.rate", 100, "increments a second in the outage drill; 1000 is the full one")
)

// received adds up the deltas that the backend accepted.
func (b *backend) received(tb testing.TB) map[cell]uint64 {
	sums := map[cell]uint64{}
	for _, a := range b.all() {
		if a.accepted {
			a.addDeltas(tb, sums)
		}
	}
	return sums
}

// addDeltas adds every counter and histogram bucket to sums, by series.
func (a arrival) addDeltas(tb testing.TB, sums map[cell]uint64) {
	for _, m := range a.metrics() {
		if t := max(m.GetSum().GetAggregationTemporality(), m.GetHistogram().GetAggregationTemporality()); t != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA {
			tb.Errorf("%s is %v", m.GetName(), t)
		}
		for _, p := range m.GetSum().GetDataPoints() {
			add(sums, cell{m.GetName(), p.GetAttributes()[0].GetValue().GetIntValue(), 0}, uint64(p.GetAsInt()))
		}
		for _, p := range m.GetHistogram().GetDataPoints() {
			for i, n := range p.GetBucketCounts() {
				add(sums, cell{m.GetName(), p.GetAttributes()[0].GetValue().GetIntValue(), i}, n)
			}
		}
	}
}

// cell is what is added up: a counter, or a histogram's bucket.
type cell struct {
	metric string
	id     int64
	bucket int
}

func add(sums map[cell]uint64, key cell, n uint64) {
	if n > 0 {
		sums[key] += n
	}
}

// load records random increments and remembers their sums.
type load struct {
	rng       *rand.Rand
	counter   metric.Int64Counter
	histogram metric.Int64Histogram
	series    []metric.MeasurementOption
	sums      map[cell]uint64
}

const drillSeries = 200

var drillBounds = []float64{10, 20, 50}

func newLoad(tb testing.TB, seed uint64, meter metric.Meter) *load {
	l := &load{rng: rand.New(rand.NewPCG(seed, 2)), sums: map[cell]uint64{}}
	var err error
	if l.counter, err = meter.Int64Counter("counter"); err != nil {
		tb.Fatal(err)
	}
	if l.histogram, err = meter.Int64Histogram("histogram", metric.WithExplicitBucketBoundaries(drillBounds...)); err != nil {
		tb.Fatal(err)
	}
	for id := range drillSeries {
		l.series = append(l.series, metric.WithAttributeSet(attribute.NewSet(attribute.Int("id", id))))
	}
	return l
}

func (l *load) run(ctx context.Context, increments int) {
	for range increments {
		id, n := l.rng.IntN(drillSeries), l.rng.Int64N(60)
		l.counter.Add(ctx, n, l.series[id])
		l.histogram.Record(ctx, n, l.series[id])
		add(l.sums, cell{"counter", int64(id), 0}, uint64(n))
		bucket := 0
		for bucket < len(drillBounds) && float64(n) > drillBounds[bucket] {
			bucket++
		}
		add(l.sums, cell{"histogram", int64(id), bucket}, 1)
	}
}

// play runs a minute of load through a random series of outages that
// ends with the backend up.
func (l *load) play(ctx context.Context, b *backend) {
	left := 0
	for range 600 {
		if left == 0 {
			left = 1 + l.rng.IntN(120)
			b.set(fault(l.rng.IntN(int(faults))))
		}
		left--
		l.run(ctx, *drillRate/10)
		time.Sleep(100 * time.Millisecond) // of the bubble's clock
	}
	b.set(up)
}

// F15: whatever the backend goes through, the deltas it accepted add up to what was recorded.
func TestOutageDrill(t *testing.T) {
	for seed := range uint64(*drillSeeds) {
		for _, p := range protocols {
			t.Run(fmt.Sprint(seed, p), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { drill(t, p, seed) })
			})
		}
	}
}

func drill(t *testing.T, protocol exporter.Protocol, seed uint64) {
	b := newBackend(t)
	source, meter := newSource(t)
	l := newLoad(t, seed, meter)
	batch := 0
	if seed%2 == 1 {
		batch = 37
	}
	p, _ := newPush(t, b.to(protocol, exporter.PushConfig{
		Temporality: exporter.TemporalityDelta, MaxExportBatchSize: batch,
		Interval: 5 * time.Second, Timeout: 3 * time.Second, ExportTimeout: 8 * time.Second,
		Producers: []sdkmetric.Producer{source.Producer(nil)},
	}))
	l.play(t.Context(), b)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	s, got := p.Stats(), b.received(t)
	if !maps.Equal(got, l.sums) {
		t.Errorf("received %d, recorded %d; %+v", total(got), total(l.sums), s)
	}
	if s.PointsLost != 0 || s.SeriesLost != 0 || s.ConsecutiveFailures != 0 {
		t.Errorf("%+v", s)
	}
	t.Logf("%d of %d received, failures %v", total(got), total(l.sums), s.Failures)
}

// The same on the stock stack, to show what the drill is worth.
func TestOutageDrillStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackend(t)
		transport := &http.Transport{DialContext: b.wires[exporter.ProtocolHTTPProtobuf].dial}
		exp, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL("http://backend/v1/metrics"),
			otlpmetrichttp.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector),
			otlpmetrichttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: 3 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		reader := sdkmetric.NewPeriodicReader(exp, sdkmetric.WithInterval(5*time.Second), sdkmetric.WithTimeout(8*time.Second))
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
		l := newLoad(t, 0, provider.Meter("m"))
		l.play(t.Context(), b)
		if err := provider.Shutdown(t.Context()); err != nil {
			t.Log(err)
		}
		transport.CloseIdleConnections()
		got, want := total(b.received(t)), total(l.sums)
		t.Logf("stock: received %d of %d, %d %% lost", got, want, 100*(want-got)/want)
		if got >= want {
			t.Error("the stock stack lost nothing: the drill does not show what it is meant to")
		}
	})
}

func total(sums map[cell]uint64) (n uint64) {
	for _, v := range sums {
		n += v
	}
	return n
}
