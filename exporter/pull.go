package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	_ "github.com/prometheus/client_golang/prometheus/promhttp/zstd" // lets promhttp offer zstd
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter/internal/flight"
)

// Defaults of [PullConfig].
const (
	DefaultMaxInFlight   = 40
	DefaultScrapeTimeout = 10 * time.Second
)

// maxScrapeTimeout bounds what a scraper's header may ask for.
const maxScrapeTimeout = time.Minute

// scrapeTimeoutHeader is sent by Prometheus with every scrape.
const scrapeTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// PullConfig says what a [Pull] shows and how. Source is required; the rest has defaults.
type PullConfig struct {
	// Source is the collection to show.
	Source *Source
	// Resource becomes target_info.
	Resource *resource.Resource
	// Gatherers are client_golang registries shown beside the Source. Where both have a metric of
	// one name and another type, or the same series, the Source's wins, then the first gatherer's.
	Gatherers []prometheus.Gatherer
	// Fallback gives the families that neither the Source nor a gatherer has. Default: none.
	Fallback prometheus.Gatherer
	// Namespace prefixes the names of the Source's metrics. Default: none.
	Namespace string
	// Labels are added to every series. Default: none.
	Labels map[string]string
	// Filter admits metrics to this exit. Default: all.
	Filter Filter
	// MaxInFlight is how many scrapes may run at once; one more is answered 503. Default 40.
	MaxInFlight int
	// Timeout bounds a scrape that does not send X-Prometheus-Scrape-Timeout-Seconds. Default 10 s.
	Timeout time.Duration
	// ErrorHandler receives what was left out of an answer, once per message. Default: none.
	ErrorHandler func(error)
}

// PullStats counts what a [Pull] did.
type PullStats struct {
	// Scrapes counts answers by cause of failure; "" is success.
	Scrapes map[string]int64
	// Dropped counts metrics that were left out of an answer because they are invalid or clash.
	Dropped int64
}

// Pull is the pull exit: the handler of /metrics. It answers GET and HEAD in the Prometheus text and
// protobuf formats and in OpenMetrics, as the scraper negotiates, compressed with gzip or zstd. It
// is safe for concurrent use; concurrent scrapes share one collection.
type Pull struct {
	cfg      PullConfig
	renderer *official
	labels   []*dto.LabelPair
	gatherer *flight.Group[[]*dto.MetricFamily]
	slots    chan struct{}
	closed   atomic.Bool
	reported once
	counts   pullCounts
}

// pullCounts holds the causes that [PullStats] names.
type pullCounts struct {
	ok, busy, timeout, closed, failed, method, dropped atomic.Int64
}

// NewPull returns the handler of cfg. It starts nothing and listens nowhere.
func NewPull(cfg PullConfig) (*Pull, error) {
	if cfg.Source == nil {
		return nil, errors.New("pull: Source is nil; it is required")
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultScrapeTimeout
	}
	cfg.Gatherers = tolerantAll(cfg.Gatherers, cfg.Filter)
	if cfg.Fallback != nil {
		cfg.Fallback = tolerant{cfg.Fallback, cfg.Filter}
	}
	renderer, err := newOfficial(cfg.Resource, cfg.Namespace)
	if err != nil {
		return nil, err
	}
	p := &Pull{cfg: cfg, renderer: renderer, labels: constantLabels(cfg.Labels), slots: make(chan struct{}, cfg.MaxInFlight)}
	p.gatherer = flight.New(p.gather, nil, cfg.Timeout)
	return p, nil
}

// ServeHTTP implements [http.Handler].
func (p *Pull) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.counts.method.Add(1)
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("method %.20s is not allowed on the metrics page; use GET or HEAD", strconv.Quote(r.Method)), http.StatusMethodNotAllowed)
		return
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		p.counts.busy.Add(1)
		refuse(w, fmt.Sprintf("%d scrapes are in flight already, which is the limit; try again later", p.cfg.MaxInFlight))
		return
	}
	p.scrape(w, r)
}

func (p *Pull) scrape(w http.ResponseWriter, r *http.Request) {
	timeout := p.timeout(r)
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	families, release, err := p.gatherer.Do(ctx, false)
	defer release()
	switch {
	case p.closed.Load():
		p.counts.closed.Add(1)
		refuse(w, "metrics are shut down; this process is stopping")
	case errors.Is(err, context.DeadlineExceeded):
		p.counts.timeout.Add(1)
		refuse(w, fmt.Sprintf("the collection did not end within %s; a callback or a collector may be hanging", timeout))
	case err != nil:
		p.counts.failed.Add(1)
		p.report(err)
		refuse(w, "the collection failed; the service's log says why")
	default:
		p.counts.ok.Add(1)
		promhttp.HandlerFor(rendered{families: families}, promhttp.HandlerOpts{
			EnableOpenMetrics:                   true,
			EnableOpenMetricsTextCreatedSamples: true,
			ErrorHandling:                       promhttp.ContinueOnError,
			AcceptedFormats:                     expfmt.DefaultOpenMetricsAcceptedFormats(),
		}).ServeHTTP(w, r)
	}
}

// timeout is what the scraper allows, less a tenth so that the answer arrives in time.
func (p *Pull) timeout(r *http.Request) time.Duration {
	seconds, err := strconv.ParseFloat(r.Header.Get(scrapeTimeoutHeader), 64)
	if err != nil || !(seconds > 0) {
		return p.cfg.Timeout
	}
	asked := time.Duration(min(seconds, maxScrapeTimeout.Seconds()) * float64(time.Second))
	return asked - min(asked/10, 500*time.Millisecond)
}

// gather is the run that concurrent scrapes share.
func (p *Pull) gather(ctx context.Context) ([]*dto.MetricFamily, error) {
	snap, err := p.cfg.Source.Collect(ctx)
	if err != nil {
		return nil, err
	}
	defer snap.Release()
	own, err := p.renderer.families(filterScopes(snap.Scopes, p.cfg.Filter))
	p.dropped(err)
	families, err := merge(rendered{families: own}, p.cfg.Gatherers, p.cfg.Fallback)
	p.dropped(err)
	addLabels(families, p.labels)
	return families, nil
}

// dropped counts what a gathering left out and reports each message once.
func (p *Pull) dropped(err error) {
	for _, e := range omissions(err) {
		p.counts.dropped.Add(1)
		p.report(fmt.Errorf("left out of the scrape: %s", e))
	}
}

func (p *Pull) report(err error) {
	if p.cfg.ErrorHandler != nil && p.reported.first(err.Error()) {
		p.cfg.ErrorHandler(fmt.Errorf("pull: %w", err))
	}
}

// refuse answers 503 with a sentence.
func refuse(w http.ResponseWriter, why string) { http.Error(w, why, http.StatusServiceUnavailable) }

// Shutdown makes every later scrape answer 503, and waits until ctx ends for the collection in
// progress.
func (p *Pull) Shutdown(ctx context.Context) error {
	p.closed.Store(true)
	return p.gatherer.Close(ctx)
}

// Stats returns the counts so far.
func (p *Pull) Stats() PullStats {
	return PullStats{
		Scrapes: map[string]int64{
			"":         p.counts.ok.Load(),
			"busy":     p.counts.busy.Load(),
			"timeout":  p.counts.timeout.Load(),
			"shutdown": p.counts.closed.Load(),
			"error":    p.counts.failed.Load(),
			"method":   p.counts.method.Load(),
		},
		Dropped: p.counts.dropped.Load(),
	}
}
