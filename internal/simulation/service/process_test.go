package service

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/spooldisk"
	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
)

// life is one process of the service, from its start to its end.
type life struct {
	world *world
	plan  plan // of this life: its settings may be others than the world's
	id    string
	rng   *rand.Rand
	began time.Time

	sdk     program
	app     *app
	page    *page
	mount   *mount
	crashed atomic.Bool
	ended   atomic.Bool

	stopWork context.CancelFunc
	working  sync.WaitGroup

	mu     sync.Mutex
	totals map[string]sample // that the page showed, with a start
}

// program is what a life runs: the SDK of package telemetry, or the stock parts that it is held against.
type program interface {
	MeterProvider() metric.MeterProvider
	Registerer() prometheus.Registerer
	MetricsHandler() http.Handler
	Middleware(next http.Handler, opts ...middleware.Option) http.Handler
	Status() telemetry.Status
	ForceFlush(ctx context.Context) error
	Shutdown(ctx context.Context) error
}

// settled are the world's settings, or others for a life of a world in which they change.
func (w *world) settled(rng *rand.Rand) plan {
	p := w.plan
	if p.has("settings") {
		other := draw(rng.Uint64(), p.duration)
		p.grpc, p.delta, p.lowMemory, p.batch, p.limit, p.exponential, p.gzip = other.grpc, other.delta, other.lowMemory, other.batch, other.limit, other.exponential, other.gzip
	}
	return p
}

// start begins a life.
func (w *world) start(rng *rand.Rand) *life {
	p := w.settled(rng)
	l := &life{world: w, plan: p, id: fmt.Sprintf("life-%d", w.lives.Add(1)), rng: rng, began: time.Now(), mount: &mount{disk: w.disk}, totals: map[string]sample{}}
	cfg := telemetry.Config{
		ServiceName:        "sim",
		ResourceAttributes: map[string]string{"service.instance.id": l.id},
		CardinalityLimit:   p.limit,
		Push: telemetry.PushConfig{
			Endpoint: "http://backend:4318/v1/metrics", Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer " + secret}),
			Interval: p.interval, Timeout: p.timeout, ExportTimeout: p.exportTimeout, MaxExportBatchSize: p.batch,
		},
	}
	network := w.backend.web
	if p.grpc {
		cfg.Push.Endpoint, cfg.Push.Protocol, network = "http://backend:4317", exporter.ProtocolGRPC, w.backend.rpc
	}
	if p.delta {
		cfg.Push.Temporality = exporter.TemporalityDelta
	}
	if p.lowMemory {
		cfg.Push.Temporality = exporter.TemporalityLowMemory
	}
	if p.gzip {
		cfg.Push.Compression = exporter.CompressionGzip
	}
	if p.exponential {
		cfg.Push.HistogramAggregation = telemetry.HistogramBase2
	}
	if p.spool {
		cfg.Push.SpoolDir = "spool"
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		if l.crashed.Load() {
			return nil, errGone
		}
		return network.dial(ctx)
	}
	ctx := spooldisk.NewContext(context.Background(), l.mount)
	logger := slog.New(&listener{world: w, life: l.id})
	w.within("New", time.Second, func() {
		if w.stock {
			l.sdk = newStock(cfg, dial)
			return
		}
		sdk, err := telemetry.New(ctx, cfg, telemetry.WithPushDial(dial), telemetry.WithLogger(logger))
		if err != nil {
			w.tell("%s does not start: %v", l.id, err)
			return
		}
		l.sdk = sdk
	})
	if l.sdk == nil {
		return nil
	}
	w.tell("%s starts: %v", l.id, p)
	w.met(l)
	l.app = newApp(l)
	l.page = newPage(l)
	l.work()
	return l
}

// alive reports whether the page has to answer.
func (l *life) alive() bool { return !l.crashed.Load() && !l.ended.Load() }

// work has everybody do what they do until the life ends.
func (l *life) work() {
	var ctx context.Context
	ctx, l.stopWork = context.WithCancel(context.Background())
	worker := func(pace time.Duration, do func(rng *rand.Rand)) {
		rng := rand.New(rand.NewPCG(l.rng.Uint64(), 3))
		l.working.Go(func() {
			for {
				wait(ctx, time.Duration(rng.Int64N(int64(2*pace))+1))
				if ctx.Err() != nil {
					return
				}
				do(rng)
			}
		})
	}
	for range l.plan.recorders {
		worker(l.plan.pace, func(rng *rand.Rand) { l.app.measure(ctx, rng) })
	}
	for range l.plan.scrapers {
		worker(l.plan.interval, func(rng *rand.Rand) { l.page.scrape(ctx, rng) })
	}
	worker(l.plan.interval, func(*rand.Rand) { l.honest() })
	worker(10*l.plan.interval, func(rng *rand.Rand) {
		flush, cancel := context.WithTimeout(ctx, time.Duration(rng.Int64N(int64(2*l.plan.exportTimeout))+1))
		defer cancel()
		l.flush(flush)
	})
}

// flush asks for a push, which returns by the end of its context and is no success that the backend knows nothing of.
func (l *life) flush(ctx context.Context) error {
	before, from := l.sdk.Status().Push.PointsSent, time.Now()
	deadline, _ := ctx.Deadline()
	var err error
	l.world.within("ForceFlush", time.Until(deadline)+50*time.Millisecond, func() { err = l.sdk.ForceFlush(ctx) })
	if s := l.sdk.Status().Push; err == nil && l.alive() && !l.world.stock && s.PointsSent > before && l.world.backend.lastAccepted(l.id).Before(from) && s.PointsReplayed == 0 && s.PointsRejected == 0 && s.PointsSetAside == 0 {
		l.world.broken("no success the backend knows nothing of", "%s: ForceFlush says nil, and the backend accepted nothing since %v", l.id, from)
	}
	return err
}

// honest holds the status against what the backend knows.
func (l *life) honest() {
	s := l.sdk.Status()
	for _, fault := range apps {
		if l.plan.has(fault) {
			l.world.struck(l.id, "", fault)
		}
	}
	if l.world.stock {
		return // it has no status to be held to
	}
	l.world.public("the status", fmt.Sprintf("%+v %+v", s, s.Push))
	if s.Push.Duration > l.plan.exportTimeout+slowest+50*time.Millisecond {
		l.world.broken("a push ends in its time", "%s: %v", l.id, s.Push.Duration)
	}
	last := l.world.backend.lastAccepted(l.id)
	if last.IsZero() {
		last = l.began
	}
	patience := 3*l.plan.interval + l.plan.exportTimeout + 2*slowest + time.Second
	if silent := time.Since(last); silent > patience && s.Push.State != exporter.PushFailing && l.alive() && s.Push.PointsSetAside == 0 && s.Push.PointsRejected == 0 {
		l.world.broken("who asks is told", "%s: the backend has accepted nothing for %v, and the push is %s", l.id, silent, s.Push.State)
	}
}

// left reports whether a page may lack a series.
func (l *life) left(series string) bool {
	// The limit folds what comes late into one series. What churns is looked at as a whole.
	return l.plan.limit > 0 && !strings.HasPrefix(series, "sim_churn")
}

// starts wants counters on pages to fall only with a new start.
func (l *life) starts(points []point) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range points {
		value, counts := p.parts["value"]
		if !counts || !p.rises || p.start.IsZero() || p.start.Unix() == 0 {
			continue
		}
		key := p.series + p.attributes
		last, told := l.totals[key]
		if now := time.Now(); told && value < last.value && !p.start.After(last.start) && now.After(last.at) {
			l.world.broken("a counter falls only with a new start", "%s at the page of %s: %v after %v, both since %v", p.series, l.id, value, last.value, p.start)
		}
		l.totals[key] = sample{time.Now(), p.start, value}
	}
}

// stop ends the work, so that nothing is measured any more.
func (l *life) stop() {
	l.stopWork()
	l.working.Wait()
}

// end ends the life in one of the ways that a process ends.
func (l *life) end(how string) {
	w := l.world
	l.stop()
	w.struck(l.id, "", how)
	if how == "crash" {
		l.crash()
		return
	}
	limit := 10 * time.Second
	switch how {
	case "shutdown":
		limit = time.Duration(l.rng.Int64N(int64(5 * time.Second)))
	case "shutdown-short":
		limit = time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if how == "shutdown-cancelled" {
		cancel()
		limit = exporter.ShutdownGrace
	}
	w.tell("%s shuts down within %v (%s)", l.id, limit, how)
	l.ended.Store(true)
	var err error
	w.within("Shutdown", limit+50*time.Millisecond, func() { err = l.sdk.Shutdown(ctx) })
	s := l.sdk.Status().Push
	w.tell("%s has shut down: %v; %d sent, %d lost, %d rejected, %d ambiguous, %d spooled, %d replayed, %d wait", l.id, err, s.PointsSent, s.PointsLost, s.PointsRejected,
		s.AmbiguousRequests, s.PointsSpooled, s.PointsReplayed, s.SpoolRequests)
	if err == nil && s.PointsLost > s.PointsSetAside && !w.plan.has("limit") && !l.lostBefore(s) {
		w.broken("who asks is told", "%s: Shutdown says nil, and %d points are lost", l.id, s.PointsLost)
	}
	w.account(s, 0)
	// What could not be collected in time is not counted in points: the error says that something is missing.
	w.truth.end(l.id, err != nil && strings.Contains(err.Error(), "incomplete"), w.waiting())
	l.page.stop()
}

// lostBefore reports whether points may have been lost before Shutdown: what the spool drops, and what is refused out of it.
func (l *life) lostBefore(*exporter.PushStats) bool { return l.plan.spool }

// crash ends the life without a word: its connections end, its disk sees nothing more, and what it says afterwards nobody hears.
func (l *life) crash() {
	w := l.world
	s := l.sdk.Status().Push
	l.crashed.Store(true)
	l.mount.crash()
	w.backend.web.cut()
	w.backend.rpc.cut()
	uncounted := int64(1) // the request that is under way
	if w.plan.has("disk-torn") && l.rng.IntN(2) == 0 {
		uncounted += w.disk.powerLoss(l.rng)
		w.struck(l.id, "", "disk-torn")
		w.tell("the power fails")
	}
	waiting := w.waiting()
	w.truth.end(l.id, true, waiting)
	w.account(s, uncounted)
	w.tell("%s crashes; %d points wait in the spool", l.id, len(waiting))
	// The goroutines of a process end with it. Here they are asked to, and what they do is seen by nobody.
	over, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.sdk.Shutdown(over)
	l.page.stop()
}
