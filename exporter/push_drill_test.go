package exporter_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

var drillFor = flag.Duration("drill", 0, "how long each seed of the outage drill lasts; 0 is a compressed schedule")

// fault is what an outage looks like from outside.
type fault int

const (
	up fault = iota
	refused
	hanging
	unavailable
	resetting
	faults
)

// flaky is a backend on one address that can be in any condition. It adds up the deltas it accepts.
type flaky struct {
	tb   testing.TB
	addr string

	mu     sync.Mutex
	mode   fault
	server *http.Server
	served chan struct{}
	sums   map[string]uint64
}

func newFlaky(tb testing.TB) *flaky {
	f := &flaky{tb: tb, sums: map[string]uint64{}, addr: "127.0.0.1:0"}
	f.listen()
	tb.Cleanup(func() { f.set(refused) })
	return f
}

func (f *flaky) listen() {
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.addr = listener.Addr().String()
	f.server, f.served = &http.Server{Handler: f}, make(chan struct{})
	go func(s *http.Server, done chan struct{}) {
		defer close(done)
		_ = s.Serve(listener)
	}(f.server, f.served)
}

// set changes the condition.
func (f *flaky) set(mode fault) {
	f.mu.Lock()
	before := f.mode
	f.mode = mode
	f.mu.Unlock()
	switch {
	case mode == refused && before != refused:
		_ = f.server.Close()
		<-f.served
	case mode != refused && before == refused:
		f.listen()
	}
}

// recovers calls during, and is up again after the delay.
func (f *flaky) recovers(after time.Duration, during func()) {
	done := make(chan struct{})
	time.AfterFunc(after, func() {
		defer close(done)
		f.set(up)
	})
	during()
	<-done
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.mode == unavailable:
		w.WriteHeader(http.StatusServiceUnavailable)
	case f.mode == resetting:
		panic(http.ErrAbortHandler)
	case f.mode == hanging:
		f.mu.Unlock()
		<-r.Context().Done()
		f.mu.Lock()
	case err == nil && r.Context().Err() == nil:
		request := new(colmetricpb.ExportMetricsServiceRequest)
		if err := proto.Unmarshal(body, request); err != nil {
			f.tb.Error(err)
		}
		addDeltas(f.tb, f.sums, request)
	}
}

func (f *flaky) received() map[string]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sums)
}

// addDeltas adds every counter and histogram bucket of request to sums, by series.
func addDeltas(tb testing.TB, sums map[string]uint64, request *colmetricpb.ExportMetricsServiceRequest) {
	for _, rm := range request.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if t := max(m.GetSum().GetAggregationTemporality(), m.GetHistogram().GetAggregationTemporality()); t != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA {
					tb.Errorf("%s is %v", m.GetName(), t)
				}
				for _, p := range m.GetSum().GetDataPoints() {
					add(sums, fmt.Sprint("counter/", series(p.GetAttributes()[0].GetValue().GetIntValue())), uint64(p.GetAsInt()))
				}
				for _, p := range m.GetHistogram().GetDataPoints() {
					for i, n := range p.GetBucketCounts() {
						add(sums, fmt.Sprint("histogram/", series(p.GetAttributes()[0].GetValue().GetIntValue()), "/", i), n)
					}
				}
			}
		}
	}
}

type series int64

func add(sums map[string]uint64, key string, n uint64) {
	if n > 0 {
		sums[key] += n
	}
}

// load records random increments and remembers their sums.
type load struct {
	rng       *rand.Rand
	counter   metric.Int64Counter
	histogram metric.Int64Histogram
	sums      map[string]uint64
}

const drillSeries = 100

var drillBounds = []float64{10, 20, 50}

func newLoad(tb testing.TB, seed uint64, meter metric.Meter) *load {
	l := &load{rng: rand.New(rand.NewPCG(seed, 2)), sums: map[string]uint64{}}
	var err error
	if l.counter, err = meter.Int64Counter("counter"); err != nil {
		tb.Fatal(err)
	}
	if l.histogram, err = meter.Int64Histogram("histogram", metric.WithExplicitBucketBoundaries(drillBounds...)); err != nil {
		tb.Fatal(err)
	}
	return l
}

func (l *load) run(ctx context.Context, increments int) {
	for range increments {
		id, n := l.rng.IntN(drillSeries), l.rng.Int64N(60)
		at := metric.WithAttributes(attribute.Int("id", id))
		l.counter.Add(ctx, n, at)
		l.histogram.Record(ctx, n, at)
		add(l.sums, fmt.Sprint("counter/", series(id)), uint64(n))
		bucket := 0
		for bucket < len(drillBounds) && float64(n) > drillBounds[bucket] {
			bucket++
		}
		add(l.sums, fmt.Sprint("histogram/", series(id), "/", bucket), 1)
	}
}

// schedule runs load and flush through a random series of outages that ends with the backend up.
func schedule(ctx context.Context, b *flaky, l *load, flush func(context.Context) error) {
	until := time.Now().Add(*drillFor)
	for round := 0; round < 10 || time.Now().Before(until); round++ {
		mode := fault(l.rng.IntN(int(faults)))
		b.set(mode)
		l.run(ctx, 100)
		if mode != hanging && l.rng.IntN(2) == 0 {
			// Back up while the push tries again, but not at its very end: a request that is accepted while
			// its sender gives up is the one case that cannot be exact.
			b.recovers(time.Duration(l.rng.IntN(100))*time.Millisecond, func() { _ = flush(ctx) })
			continue
		}
		_ = flush(ctx)
	}
	b.set(up)
	l.run(ctx, 100)
}

// F15: whatever the backend goes through, the deltas it accepted add up to what was recorded.
func TestOutageDrill(t *testing.T) {
	var all sync.WaitGroup
	for seed := range uint64(20) {
		all.Go(func() { drill(t, seed) })
	}
	all.Wait()
}

func drill(t *testing.T, seed uint64) {
	b := newFlaky(t)
	source, meter := newSource(t)
	l := newLoad(t, seed, meter)
	batch := 0
	if seed%2 == 1 {
		batch = 37
	}
	p, _ := newPush(t, exporter.PushConfig{
		Endpoint: "http://" + b.addr + "/v1/metrics", Temporality: exporter.TemporalityDelta,
		ExportTimeout: 400 * time.Millisecond, MaxExportBatchSize: batch,
		Producers: []sdkmetric.Producer{source.Producer(nil)},
	})
	schedule(t.Context(), b, l, p.ForceFlush)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	s := p.Stats()
	if got := b.received(); !maps.Equal(got, l.sums) {
		t.Errorf("seed %d: received %d, recorded %d; %+v", seed, total(got), total(l.sums), s)
	}
	if s.PointsLost != 0 || s.SeriesLost != 0 || s.ConsecutiveFailures != 0 || len(s.Failures) == 0 {
		t.Errorf("seed %d: %+v", seed, s)
	}
}

// The same on the stock stack, to show what the drill is worth.
func TestOutageDrillStock(t *testing.T) {
	b := newFlaky(t)
	exp, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpointURL("http://"+b.addr+"/v1/metrics"),
		otlpmetrichttp.WithTemporalitySelector(sdkmetric.DeltaTemporalitySelector))
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewPeriodicReader(exp, sdkmetric.WithInterval(time.Hour), sdkmetric.WithTimeout(400*time.Millisecond))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	l := newLoad(t, 0, provider.Meter("m"))
	schedule(t.Context(), b, l, provider.ForceFlush)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Log(err)
	}
	http.DefaultClient.CloseIdleConnections()
	got, want := total(b.received()), total(l.sums)
	t.Logf("stock: received %d of %d, %d %% lost", got, want, 100*(want-got)/want)
	if got >= want {
		t.Error("the stock stack lost nothing: the drill does not show what it is meant to")
	}
}

func total(sums map[string]uint64) (n uint64) {
	for _, v := range sums {
		n += v
	}
	return n
}
