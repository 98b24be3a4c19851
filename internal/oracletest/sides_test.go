package oracletest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/prometheus/model/textparse"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/exporter"
)

// accepts are what scrapers ask for.
var accepts = map[string]string{
	"nothing asked": "",
	"text 0.0.4":    "text/plain;version=0.0.4",
	"OpenMetrics":   "application/openmetrics-text;version=1.0.0",
	"Prometheus 3":  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,*/*;q=0.1",
	"text 1.0.0":    "text/plain;version=1.0.0;escaping=allow-utf-8",
	"dots":          "application/openmetrics-text;version=1.0.0;escaping=dots",
	"protobuf":      "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	"Prometheus 3, native histograms": "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8;q=0.6," +
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5",
}

// setup is what both sides are made with.
type setup struct {
	resource  *resource.Resource
	namespace string
	labels    map[string]string
}

// sides are both exits with the same data behind them.
type sides struct {
	data         []metricdata.ScopeMetrics
	ours, theirs http.Handler
	left         []string // what ours did not show
}

// Produce implements [sdkmetric.Producer] for both.
func (s *sides) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return s.data, nil }

func newSides(t *testing.T, with setup) *sides {
	t.Helper()
	s := &sides{}
	s.ours, s.theirs = s.pull(t, with), s.official(t, with)
	return s
}

func (s *sides) pull(t *testing.T, with setup) http.Handler {
	source := exporter.NewSource(exporter.SourceConfig{Producers: []sdkmetric.Producer{s}})
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(source.Reader()), sdkmetric.WithResource(with.resource))
	pull, err := exporter.NewPull(exporter.PullConfig{
		Source: source, Resource: with.resource, Namespace: with.namespace, Labels: with.labels,
		ErrorHandler: func(err error) { s.left = append(s.left, err.Error()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pull.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if err := source.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return pull
}

func (s *sides) official(t *testing.T, with setup) http.Handler {
	registry := prometheus.NewRegistry()
	exp, err := otelprom.New(
		otelprom.WithRegisterer(prometheus.WrapRegistererWith(with.labels, registry)),
		otelprom.WithNamespace(with.namespace), otelprom.WithProducer(s),
	)
	if err != nil {
		t.Fatal(err)
	}
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(exp), sdkmetric.WithResource(with.resource))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

// scrape returns the answer of one side, which has to be a 200 that parses.
func scrape(t *testing.T, side http.Handler, accept string) *page {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	w := httptest.NewRecorder()
	side.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%q is answered %d: %s", accept, w.Code, w.Body)
	}
	p, err := parse(w.Body.Bytes(), w.Header().Get("Content-Type"))
	if err != nil {
		t.Fatalf("the answer to %q does not parse: %v in:\n%s", accept, err, w.Body)
	}
	if !strings.HasPrefix(accept, "application/vnd.google.protobuf") {
		return p
	}
	// As by a server that makes native histograms of classic ones, and by one that ignores native ones.
	for _, options := range []textparse.ParserOptions{
		{ConvertClassicHistogramsToNHCB: true, KeepClassicOnClassicAndNativeHistograms: true}, {IgnoreNativeHistograms: true},
	} {
		if _, err := parseWith(w.Body.Bytes(), w.Header().Get("Content-Type"), options); err != nil {
			t.Fatalf("the answer to %q does not parse with %+v: %v in:\n%.2000s", accept, options, err, w.Body)
		}
	}
	return p
}
