package exporter

import (
	"context"
	"errors"
	"fmt"
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
	exporter    *pushExporter
	stats       *pushStats
	advice      []advice

	timeout time.Duration
	kickoff context.CancelFunc
	running sync.WaitGroup

	stopOnce sync.Once
	stopped  chan struct{}
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
		return nil, fmt.Errorf("push: Endpoint=%q: %w", endpoint.Redacted(), err)
	}
	kept, err := openSpool(cfg)
	if err != nil {
		client.Close()
		return nil, err
	}
	for _, advice := range cfg.advice(endpoint) {
		cfg.Logger.Warn("push: "+advice.what, "endpoint", endpoint.Redacted(), "fix", advice.fix)
	}
	return startPush(cfg, endpoint, client, kept), nil
}

func newPushClient(cfg PushConfig, endpoint *url.URL) (otlptransport.Client, error) {
	transport := otlptransport.Config{
		URL:             endpoint,
		Headers:         cfg.Headers,
		UserAgent:       userAgent,
		Timeout:         cfg.Timeout,
		Gzip:            cfg.Compression == CompressionGzip,
		TLS:             cfg.TLS,
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
	p := &Push{
		stats:    stats,
		advice:   cfg.advice(endpoint),
		timeout:  cfg.ExportTimeout,
		exporter: newPushExporter(cfg, client, kept, stats),
		stopped:  make(chan struct{}),
	}
	own := sdkmetric.NewManualReader()
	p.instruments = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(own),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
		sdkmetric.WithCardinalityLimit(2000),
	)
	p.reader = newPushReader(cfg, p.exporter, stats, readerProducer{own})
	p.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(p.reader),
		sdkmetric.WithResource(cfg.Resource),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter),
		sdkmetric.WithCardinalityLimit(2000),
	)
	ctx, cancel := context.WithCancel(context.Background())
	p.kickoff = cancel
	p.running.Go(func() { p.first(ctx, rand.N(cfg.Interval)) })
	return p
}

func newPushReader(cfg PushConfig, exp *pushExporter, stats *pushStats, own sdkmetric.Producer) *sdkmetric.PeriodicReader {
	opts := []sdkmetric.PeriodicReaderOption{
		sdkmetric.WithInterval(cfg.Interval),
		sdkmetric.WithTimeout(cfg.ExportTimeout),
		sdkmetric.WithProducer(newPushProducer(own, stats.collectFailed)),
	}
	for _, p := range cfg.Producers {
		opts = append(opts, sdkmetric.WithProducer(newPushProducer(p, stats.collectFailed)))
	}
	return sdkmetric.NewPeriodicReader(exp, opts...)
}

// first pushes after the jitter. That restarts the reader's ticker, so every later push keeps the
// distance to those of other replicas.
func (p *Push) first(ctx context.Context, jitter time.Duration) {
	timer := time.NewTimer(jitter)
	defer timer.Stop()
	select {
	case <-timer.C:
		_ = p.reader.ForceFlush(ctx) // the outcome is in the stats, as that of every push
	case <-ctx.Done():
	}
}

// MeterProvider returns the provider of instruments that leave by this exit only. What is recorded
// with it is cumulative inside, like everything else, and a failing callback costs only its own data.
func (p *Push) MeterProvider() metric.MeterProvider { return p.instruments }

// Stats returns how pushing stands. The snapshot is consistent and belongs to the caller.
func (p *Push) Stats() PushStats { return p.stats.read() }

// ForceFlush pushes now, also when the backend asked to be left alone for a while, and returns why
// the push failed if it did. It waits for a push under way first. It returns an error when ctx ends
// before that, and [ErrShutdown] after Shutdown.
func (p *Push) ForceFlush(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		// The reader's own limit ends together with the push, which then could not say why it failed.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, 2*p.timeout+time.Second)
		defer cancel()
	}
	p.exporter.force()
	err := p.reader.ForceFlush(ctx)
	switch {
	case errors.Is(err, sdkmetric.ErrReaderShutdown):
		return ErrShutdown
	case err != nil:
		return fmt.Errorf("push: flush: %w", err)
	default:
		return p.exporter.lastError()
	}
}
