package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

// ask scrapes and keeps the answer.
func (s *scene) ask(r *http.Request) {
	w := httptest.NewRecorder()
	s.sdk.MetricsHandler().ServeHTTP(w, r)
	s.said[inAnswer] += fmt.Sprintf("%d %s", w.Code, w.Body)
}

func request() *http.Request { return httptest.NewRequest(http.MethodGet, "/metrics", nil) }

// hang adds a callback that does not return until the function it returns is called.
func (s *scene) hang() (end func()) {
	hung := make(chan struct{})
	must(s.sdk.MeterProvider().Meter("app").Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-hung
		return nil
	})))
	return sync.OnceFunc(func() { close(hung) })
}

// deny scrapes once without the right to and then, so that there is a page, with it.
func deny(err error) func(*scene) {
	return func(s *scene) {
		var once sync.Once
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(*http.Request) (_ exporter.SeriesFilter, refusal error) {
			once.Do(func() { refusal = err })
			return nil, refusal
		}))
		s.ask(request())
	}
}

var refusedScrapes = map[string]func(*scene){
	"a callback or collector hangs": func(s *scene) {
		s.start(telemetry.Config{})
		end := s.hang()
		defer end()
		r := request()
		r.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "0.05")
		s.ask(r)
	},
	"too many scrapes at once": func(s *scene) {
		arrived, leave := make(chan struct{}), make(chan struct{})
		var scrapes sync.WaitGroup
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(*http.Request) (exporter.SeriesFilter, error) {
			select {
			case arrived <- struct{}{}:
			case <-leave:
			}
			<-leave
			return nil, nil
		}))
		for range exporter.DefaultMaxInFlight {
			scrapes.Go(func() { scrape(s.sdk.MetricsHandler()) })
			<-arrived
		}
		s.ask(request())
		close(leave)
		scrapes.Wait()
	},
	"the collection fails as a whole": func(s *scene) {
		once := new(sync.Once)
		broken := func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return func(attribute.Set) exemplar.Reservoir { return brokenReservoir{once} }
		}
		s.start(telemetry.Config{ExemplarFilter: telemetry.ExemplarAlwaysOn}, telemetry.WithView(sdkmetric.NewView(
			sdkmetric.Instrument{Name: "broken"}, sdkmetric.Stream{ExemplarReservoirProviderSelector: broken},
		)))
		must(s.sdk.MeterProvider().Meter("app").Int64ObservableGauge("broken", metric.WithInt64Callback(
			func(_ context.Context, o metric.Int64Observer) error { o.Observe(1); return nil },
		)))
		s.ask(request())
		if !strings.Contains(s.logged.String(), "pull: collect:") {
			s.Errorf("the log does not say why: %s", s.logged.String())
		}
	},
	"the scraper does not say who it is": func(s *scene) {
		file := filepath.Join(s.TempDir(), "token")
		s.done(os.WriteFile(file, []byte("s3cr3t\n"), 0o600))
		admit := must(telemetry.BearerTokenFile(file))
		s.start(telemetry.Config{}, telemetry.WithAuthorizer(func(r *http.Request) (exporter.SeriesFilter, error) {
			if r.Header.Get("Authorization") == "" && s.said[inAnswer] != "" {
				return nil, nil // the scrape that looks at the outcome
			}
			return admit(r)
		}))
		s.ask(request())
	},
	"the authorizer says no": deny(errors.New("not for you")),
	"the method is not GET or HEAD": func(s *scene) {
		s.start(telemetry.Config{})
		s.ask(httptest.NewRequest(http.MethodPost, "/metrics", nil))
	},
	"the scraper leaves before the answer": func(s *scene) {
		s.start(telemetry.Config{})
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		s.ask(request().WithContext(ctx))
	},
	"the process is stopping": func(s *scene) {
		s.start(telemetry.Config{})
		s.done(s.sdk.Shutdown(s.Context()))
		s.ask(request())
	},
	"there is no pull exit": func(s *scene) {
		s.start(telemetry.Config{Exporters: []telemetry.ExporterName{telemetry.ExporterNone}})
		s.ask(request())
	},
}

// brokenReservoir panics once where nothing guards a collection.
type brokenReservoir struct{ once *sync.Once }

func (brokenReservoir) Offer(context.Context, time.Time, exemplar.Value, []attribute.KeyValue) {}

func (b brokenReservoir) Collect(*[]exemplar.Exemplar) {
	b.once.Do(func() { panic("broken reservoir") })
}

// jobs counts one job for each of users, or one without a user.
func (s *scene) jobs(users ...string) {
	counter := must(s.sdk.MeterProvider().Meter("app").Int64Counter("jobs"))
	for _, user := range users {
		counter.Add(s.Context(), 1, metric.WithAttributes(attribute.String("user", user)))
	}
	if len(users) == 0 {
		counter.Add(s.Context(), 1)
	}
}

// scraped is a scrape of an SDK after something was done to it.
func scraped(do func(*scene)) func(*scene) {
	return func(s *scene) {
		s.start(telemetry.Config{})
		do(s)
		s.ask(request())
	}
}

// called is a scrape that calls f.
func called(f func() error) func(*scene) {
	return scraped(func(s *scene) {
		callback := func(context.Context, metric.Int64Observer) error { return f() }
		must(s.sdk.MeterProvider().Meter("app").Int64ObservableGauge("g", metric.WithInt64Callback(callback)))
	})
}

// disk is a collector that fails.
type disk struct{ panics bool }

func (disk) Describe(chan<- *prometheus.Desc) {}

func (d disk) Collect(out chan<- prometheus.Metric) {
	if d.panics {
		panic("no such disk")
	}
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("disk", "h", nil, nil), errors.New("no such disk"))
}

func gauge(name string) prometheus.Collector {
	return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "h"})
}

var missingSeries = map[string]func(*scene){
	"two metrics want one name": scraped(func(s *scene) {
		s.jobs()
		must(s.sdk.MeterProvider().Meter("app").Int64Gauge("jobs_total")).Record(s.Context(), 1)
	}),
	"two series become one":                    scraped(func(s *scene) { s.jobs("a\xff", "a\xfe") }),
	"a registry has a metric of the same name": scraped(func(s *scene) { s.jobs(); s.sdk.Registerer().MustRegister(gauge("jobs_total")) }),
	"a collector fails":                        scraped(func(s *scene) { s.sdk.Registerer().MustRegister(disk{}) }),
	"a collector panics":                       scraped(func(s *scene) { s.sdk.Registerer().MustRegister(disk{panics: true}) }),
	"a collector stays out":                    scraped(func(s *scene) { s.sdk.Registerer().MustRegister(gauge("g"), gauge("g")) }),
	"a callback returns an error":              called(func() error { return errors.New("no database") }),
	"a callback panics":                        called(func() error { panic("nil map") }),
	`\uFFFD in a label`:                        scraped(func(s *scene) { s.jobs("a\xff") }),
}
