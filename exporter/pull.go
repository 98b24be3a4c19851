package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzhttp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter/internal/exposition"
	"github.com/duotel/duotel/exporter/internal/flight"
	"github.com/duotel/duotel/internal/given"
	"github.com/duotel/duotel/internal/report"
)

// Defaults of [PullConfig].
const (
	DefaultMaxInFlight   = 40
	DefaultScrapeTimeout = 10 * time.Second
	DefaultWriteGrace    = 10 * time.Second
)

// maxScrapeTimeout bounds what a scraper's header may ask for.
const maxScrapeTimeout = time.Minute

// scrapeTimeoutHeader is sent by Prometheus with every scrape.
const scrapeTimeoutHeader = "X-Prometheus-Scrape-Timeout-Seconds"

// PullConfig says what a [Pull] shows and how. Source is required; the rest has defaults.
type PullConfig struct {
	// Source is the collection to show.
	Source *Source
	// Resource becomes target_info. Default: none.
	Resource *resource.Resource
	// Gatherers are client_golang registries shown beside the Source. A family that the Source has
	// stays the Source's; of a series that two gatherers have, the first one's is shown.
	Gatherers []prometheus.Gatherer
	// Fallback gives the families that neither the Source nor a gatherer has. Default: none.
	Fallback prometheus.Gatherer
	// Namespace prefixes the names of the Source's metrics. Default: none.
	Namespace string
	// Unprefixed names scopes whose metrics do without the Namespace. Default: none.
	Unprefixed func(scope string) bool
	// Labels are added to every series. Default: none.
	Labels map[string]string
	// ResourceLabels names attributes of Resource that are added, as labels, to every series of the Source but target_info,
	// which has them all. One that the Resource has not adds nothing. Default: none.
	ResourceLabels []string
	// WithoutScopeInfo leaves out the labels that say which scope a metric is of. Metrics that differ in nothing else are
	// then one, and the first keeps its place. Default: they are written.
	WithoutScopeInfo bool
	// WithoutTargetInfo leaves out target_info. Default: it is written.
	WithoutTargetInfo bool
	// TranslationStrategy is how names become Prometheus's, one of those of
	// https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/prometheus/. Default: UnderscoreEscapingWithSuffixes.
	TranslationStrategy otlptranslator.TranslationStrategyOption
	// Filter admits metrics to this exit. Default: all.
	Filter Filter
	// Authorizer decides who may scrape, and sees what. Default: everybody, everything.
	Authorizer Authorizer
	// WithoutCreated leaves the _created lines out of OpenMetrics. A scraper that does not read them
	// as start times stores each as a series of its own.
	WithoutCreated bool
	// MaxInFlight is how many scrapes may run at once; one more is answered 503. Default 40.
	MaxInFlight int
	// Timeout bounds a scrape that does not send X-Prometheus-Scrape-Timeout-Seconds. Default 10 s.
	Timeout time.Duration
	// WriteGrace is what a client has to read the answer, beyond the time of the scrape. A client that
	// stops reading is cut off then, or after a second where another scrape needs its place. Default 10 s.
	WriteGrace time.Duration
	// ErrorHandler receives what was left out of an answer, when that begins and not with every scrape. At most 64
	// messages come at once and then one every 10 s, with the number of those kept back. It must be safe for concurrent
	// use. Default: none.
	ErrorHandler func(error)
}

// Pull is the pull exit: the handler of /metrics. It answers GET and HEAD in the Prometheus text and
// protobuf formats and in OpenMetrics, as the scraper negotiates, compressed with gzip or zstd; a
// scraper that takes none of them is answered 406. It is safe for concurrent use; concurrent scrapes share
// one collection.
type Pull struct {
	cfg      PullConfig
	compress func(http.Handler) http.HandlerFunc
	encoder  *exposition.Encoder
	gatherer *flight.Group[[]*dto.MetricFamily]
	slots    chan struct{}
	held     heldCollections
	closed   atomic.Bool
	gathers  *report.Rounds // what the registries could not give
	scrapes  *report.Rounds // what else an answer lacks
	stats    pullStats
}

// NewPull returns the handler of cfg. It starts nothing and listens nowhere.
func NewPull(cfg PullConfig) (*Pull, error) {
	if cfg.Source == nil {
		return nil, errors.New("pull: Source is nil; it is required")
	}
	if i := slices.IndexFunc(cfg.Gatherers, func(g prometheus.Gatherer) bool { return given.Nothing(g) }); i >= 0 {
		return nil, fmt.Errorf("pull: Gatherers[%d] is nil; every element must be a registry", i)
	}
	if cfg.Fallback != nil && given.Nothing(cfg.Fallback) {
		return nil, errors.New("pull: Fallback is a nil pointer; a registry, or nothing")
	}
	if cfg.MaxInFlight <= 0 {
		cfg.MaxInFlight = DefaultMaxInFlight
	}
	cfg.Timeout = orDefault(cfg.Timeout, DefaultScrapeTimeout)
	cfg.WriteGrace = orDefault(cfg.WriteGrace, DefaultWriteGrace)
	cfg.Gatherers = tolerantAll(cfg.Gatherers, cfg.Filter)
	if cfg.Fallback != nil {
		cfg.Fallback = tolerant{cfg.Fallback, cfg.Filter}
	}
	p := &Pull{
		cfg:     cfg,
		slots:   make(chan struct{}, cfg.MaxInFlight),
		gathers: report.NewRounds(cfg.ErrorHandler), scrapes: report.NewRounds(cfg.ErrorHandler),
	}
	p.gatherer = flight.New(p.gather, nil, cfg.Timeout)
	return p, p.open()
}

// open makes the parts that can fail.
func (p *Pull) open() (err error) {
	p.encoder, err = exposition.New(exposition.Options{
		Namespace: p.cfg.Namespace, Unprefixed: p.cfg.Unprefixed, Strategy: p.cfg.TranslationStrategy,
		Labels: p.cfg.Labels, ResourceLabels: p.resourceLabels(),
		WithoutScopeInfo: p.cfg.WithoutScopeInfo, WithoutTargetInfo: p.cfg.WithoutTargetInfo,
		Filter: p.filter(),
	})
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	p.compress, err = gzhttp.NewWrapper(
		gzhttp.EnableZstd(true), gzhttp.PreferZstd(false),
		gzhttp.ContentTypeFilter(gzhttp.CompressAllContentTypeFilter),
	)
	if err != nil {
		return fmt.Errorf("pull: compression: %w", err)
	}
	return nil
}

// resourceLabels are the attributes of the resource that were asked for.
func (p *Pull) resourceLabels() map[string]string {
	labels := map[string]string{}
	for _, key := range p.cfg.ResourceLabels {
		if value, ok := p.cfg.Resource.Set().Value(attribute.Key(key)); ok {
			labels[key] = value.String()
		}
	}
	return labels
}

// filter is the encoder's form of the configured one.
func (p *Pull) filter() func(instrumentation.Scope, metricdata.Metrics) bool {
	if p.cfg.Filter == nil {
		return nil
	}
	return func(scope instrumentation.Scope, m metricdata.Metrics) bool { return p.cfg.Filter(scope.Name, m.Name) }
}

// ServeHTTP implements [http.Handler].
func (p *Pull) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.stats.scraped(outcomeMethod)
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, fmt.Sprintf("method %.20q is not allowed on the metrics page; use GET or HEAD", r.Method), http.StatusMethodNotAllowed)
		return
	}
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	default:
		p.refuse(w, outcomeBusy, fmt.Sprintf("%d scrapes are in flight already, which is the limit; try again later", p.cfg.MaxInFlight))
		return
	}
	// A client that stops reading must not hold a slot and a snapshot for ever. Where the writer has
	// no deadlines the server's own limits are all there is.
	conn := http.NewResponseController(w)
	_ = conn.SetWriteDeadline(time.Now().Add(p.timeout(r) + p.cfg.WriteGrace))
	answer := func(w http.ResponseWriter, _ *http.Request) { p.answer(w, r, &cutter{conn: conn}) }
	p.compress(http.HandlerFunc(answer)).ServeHTTP(w, codingRequest(r.Header))
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

// refuse answers 503 with a sentence.
func (p *Pull) refuse(w http.ResponseWriter, outcome outcomeKind, why string) {
	p.stats.scraped(outcome)
	http.Error(w, why, http.StatusServiceUnavailable)
}

// Shutdown makes every later scrape answer 503, and waits until ctx ends for the gathering in
// progress.
func (p *Pull) Shutdown(ctx context.Context) error {
	p.closed.Store(true)
	return p.gatherer.Close(ctx)
}

// Stats returns the counts so far.
func (p *Pull) Stats() PullStats { return p.stats.snapshot() }
