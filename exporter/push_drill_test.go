package exporter_test

import (
	"context"
	"flag"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
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

var (
	drillSeeds = flag.Int("drill.seeds", 20, "how many random schedules the outage drill plays")
	drillRate  = flag.Int("drill.rate", 100, "increments a second in the outage drill; 1000 is the full one")
)

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

// flaky is a backend that can be in any condition, over connections without a network, so that the
// clock of a synctest bubble rules. It adds up the deltas it accepts.
type flaky struct {
	tb     testing.TB
	conns  chan net.Conn
	handle http.HandlerFunc // instead of what the mode says

	mu   sync.Mutex
	mode fault
	sums map[cell]uint64
}

func newFlaky(tb testing.TB) *flaky {
	f := &flaky{tb: tb, sums: map[cell]uint64{}, conns: make(chan net.Conn)}
	server, served := &http.Server{Handler: f}, make(chan struct{})
	go func() { defer close(served); _ = server.Serve(f) }()
	tb.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	return f
}

// Accept, Close and Addr make it a net.Listener.
func (f *flaky) Accept() (net.Conn, error) {
	c, ok := <-f.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (f *flaky) Close() error   { close(f.conns); return nil }
func (f *flaky) Addr() net.Addr { return &net.TCPAddr{} }

func (f *flaky) dial(context.Context, string, string) (net.Conn, error) {
	if f.is(refused) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	f.conns <- server
	return client, nil
}

func (f *flaky) is(mode fault) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mode == mode
}

func (f *flaky) set(mode fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	switch {
	case f.handle != nil:
		f.handle(w, r)
	case f.is(refused) || f.is(resetting):
		panic(http.ErrAbortHandler)
	case f.is(unavailable):
		w.WriteHeader(http.StatusServiceUnavailable)
	case f.is(hanging):
		<-r.Context().Done()
	case err == nil && r.Context().Err() == nil:
		request := new(colmetricpb.ExportMetricsServiceRequest)
		if err := proto.Unmarshal(body, request); err != nil {
			f.tb.Error(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		addDeltas(f.tb, f.sums, request)
	}
}

func (f *flaky) received() map[cell]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.sums)
}

// addDeltas adds every counter and histogram bucket of request to sums, by series.
func addDeltas(tb testing.TB, sums map[cell]uint64, request *colmetricpb.ExportMetricsServiceRequest) {
	for _, rm := range request.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
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
func (l *load) play(ctx context.Context, b *flaky) {
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
		synctest.Test(t, func(t *testing.T) { drill(t, seed) })
	}
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
		Endpoint: "http://backend/v1/metrics", Temporality: exporter.TemporalityDelta, Dial: b.dial, MaxExportBatchSize: batch,
		Interval: 5 * time.Second, Timeout: 3 * time.Second, ExportTimeout: 8 * time.Second,
		Producers: []sdkmetric.Producer{source.Producer(nil)},
	})
	l.play(t.Context(), b)
	if err := p.Shutdown(t.Context()); err != nil {
		t.Errorf("seed %d: %v", seed, err)
	}
	s := p.Stats()
	if got := b.received(); !maps.Equal(got, l.sums) {
		t.Errorf("seed %d: received %d, recorded %d; %+v", seed, total(got), total(l.sums), s)
	}
	if s.PointsLost != 0 || s.SeriesLost != 0 || s.ConsecutiveFailures != 0 {
		t.Errorf("seed %d: %+v", seed, s)
	}
	t.Logf("seed %d: %d of %d received, failures %v", seed, total(b.received()), total(l.sums), s.Failures)
}

// The same on the stock stack, to show what the drill is worth.
func TestOutageDrillStock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newFlaky(t)
		transport := &http.Transport{DialContext: b.dial}
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
		got, want := total(b.received()), total(l.sums)
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
