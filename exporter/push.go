package exporter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/duotel/duotel/exporter/internal/otlptransport"
	"github.com/duotel/duotel/exporter/internal/spool"
)

// userAgent is what requests say they come from, in the form the OTLP specification asks for.
const userAgent = "OTel-OTLP-Exporter-Go (duotel)"

// maxRequestBytes is upstream's limit of a request before compression. What is over it is split.
const maxRequestBytes = 64 << 20

// Push is the exit that sends OTLP at an interval. It has one request under way at a time, tries
// again what failed, and says in [Push.Stats] how it stands. It is safe for concurrent use.
type Push struct {
	provider    *sdkmetric.MeterProvider
	reader      *sdkmetric.PeriodicReader
	instruments *sdkmetric.MeterProvider
	producers   []*pushProducer
	exporter    *pushExporter
	stats       *pushStats
	advice      []advice

	interval time.Duration
	timeout  time.Duration
	kickoff  context.CancelFunc
	running  sync.WaitGroup

	stopOnce sync.Once
	pushed   chan struct{} // closed when the last push has ended and stopErr is there
	stopped  chan struct{} // closed when everything has been released
	stopErr  error
}

// NewPush starts pushing. ctx bounds the construction only. An error names every field of cfg that is
// wrong, and nothing has been started then. No connection is made before the first push.
func NewPush(ctx context.Context, cfg PushConfig) (*Push, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("push: %w", err)
	}
	cfg = cfg.withDefaults()
	endpoint, err := cfg.endpointURL()
	if err != nil {
		return nil, err
	}
	client, err := newPushClient(cfg, endpoint)
	if err != nil {
		return nil, fmt.Errorf("push: Endpoint=%q: %w", showURL(endpoint), err)
	}
	kept, err := openSpool(ctx, cfg)
	if err != nil {
		client.Close()
		return nil, err
	}
	for _, advice := range cfg.advice(endpoint) {
		cfg.Logger.Warn("push: "+advice.what, "endpoint", showURL(endpoint), "fix", advice.fix)
	}
	return startPush(cfg, endpoint, client, kept), nil
}

func newPushClient(cfg PushConfig, endpoint *url.URL) (otlptransport.Client, error) {
	transport := otlptransport.Config{
		URL:             endpoint,
		Headers:         cfg.headers,
		UserAgent:       userAgent,
		Timeout:         cfg.Timeout,
		Gzip:            cfg.Compression == CompressionGzip,
		TLS:             cfg.tls(),
		Plaintext:       endpoint.Scheme == "http" || endpoint.Scheme != "https" && cfg.Insecure,
		Proxy:           cfg.Proxy,
		Dial:            cfg.Dial,
		MaxRequestBytes: maxRequestBytes,
	}
	if cfg.Protocol == ProtocolGRPC {
		return otlptransport.NewGRPC(transport)
	}
	return otlptransport.NewHTTP(transport)
}

func startPush(cfg PushConfig, endpoint *url.URL, client otlptransport.Client, kept *spool.Spool) *Push {
	stats := newPushStats(cfg, endpoint, kept)
	own := sdkmetric.NewManualReader()
	p := &Push{
		stats:    stats,
		advice:   cfg.advice(endpoint),
		interval: cfg.Interval,
		timeout:  cfg.ExportTimeout,
		instruments: sdkmetric.NewMeterProvider(
			sdkmetric.WithReader(own),
			sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
			sdkmetric.WithCardinalityLimit(2000),
		),
		pushed:  make(chan struct{}),
		stopped: make(chan struct{}),
	}
	for _, producer := range append([]sdkmetric.Producer{readerProducer{own}}, cfg.Producers...) {
		p.producers = append(p.producers, newPushProducer(producer, stats.collectFailed))
	}
	p.exporter = newPushExporter(cfg, client, kept, stats, p.producers)
	p.reader = p.newReader()
	p.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(p.reader),
		sdkmetric.WithResource(cfg.Resource),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
		sdkmetric.WithCardinalityLimit(2000),
	)
	ctx, cancel := context.WithCancel(context.Background())
	p.kickoff = cancel
	p.running.Go(func() { p.run(ctx, rand.N(cfg.Interval)) })
	return p
}

// never is an interval that does not pass.
const never = math.MaxInt64

// newReader returns the reader that collects the producers when it is flushed. Its own interval is none: it would
// tell OpenTelemetry's global error handler of a tick that meets a shutdown, and when to push is decided here.
func (p *Push) newReader() *sdkmetric.PeriodicReader {
	opts := []sdkmetric.PeriodicReaderOption{sdkmetric.WithInterval(never), sdkmetric.WithTimeout(p.timeout)}
	for _, producer := range p.producers {
		opts = append(opts, sdkmetric.WithProducer(producer))
	}
	return sdkmetric.NewPeriodicReader(p.exporter, opts...)
}

// run pushes after the jitter and then at every interval, until ctx ends. The outcome of each push is in the stats.
func (p *Push) run(ctx context.Context, jitter time.Duration) {
	timer := time.NewTimer(jitter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	ticker := time.NewTicker(p.interval)
	defer ticker.Stop()
	for {
		_ = p.flush(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// flush has the reader collect and export, and waits for it.
func (p *Push) flush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		// The reader's own limit ends together with the push, which then could not say why it failed.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*p.timeout+time.Second)
		defer cancel()
	}
	return p.reader.ForceFlush(ctx)
}

// MeterProvider returns the provider of instruments that leave by this exit only. What is recorded
// with it is cumulative inside, like everything else, and a failing callback costs only its own data.
func (p *Push) MeterProvider() metric.MeterProvider { return p.instruments }

// Stats returns how pushing stands. The snapshot is consistent and belongs to the caller.
func (p *Push) Stats() PushStats { return p.stats.read() }

// ForceFlush pushes now, also when the backend asked to be left alone for a while, and returns why
// the push failed if it did; a push that lacks what a producer has is a failed one. It waits for a push under way
// first. It returns an error when ctx ends before that, and [ErrShutdown] after Shutdown.
func (p *Push) ForceFlush(ctx context.Context) error {
	p.exporter.force()
	err := p.flush(ctx)
	switch {
	case errors.Is(err, sdkmetric.ErrReaderShutdown):
		return ErrShutdown
	case err != nil:
		return fmt.Errorf("push: flush: %w", err)
	default:
		return p.exporter.lastError()
	}
}
