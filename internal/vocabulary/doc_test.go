package vocabulary_test

import (
	"net/http"
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/otlptranslator"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

var (
	// metricNames are the names of metrics in a document, as the pull exit has them.
	metricNames = regexp.MustCompile(`\b(?:http|duotel)_[a-z_]+[a-z]\b`)

	// labelNames are what else looks like one.
	labelNames = regexp.MustCompile(`^http_(route|request_method|response_status_code)$`)
)

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// atPullExit are the names of everything the middleware records, in both vocabularies.
func atPullExit(t *testing.T) map[string]bool {
	t.Helper()
	m := newMeters(t)
	serveSome(t, m, nil, "GET /items/7", "GET /stream")
	rt, err := middleware.NewTransport(refusing{}, middleware.WithMeterProvider(m))
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://example.com/", nil)
	if _, err := rt.RoundTrip(r); err == nil {
		t.Fatal("the request succeeded")
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	known := map[string]bool{}
	for _, sm := range rewritten(t, m, vocabulary.Both) {
		for _, metric := range sm.Metrics {
			name, _ := namer.Build(otlptranslator.Metric{Name: metric.Name, Unit: metric.Unit, Type: typeOf(t, metric.Data)})
			for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
				known[name+suffix] = true
			}
		}
	}
	return known
}

// TestDocumentedQueries wants every metric that docs/http.md names to be at the pull exit.
func TestDocumentedQueries(t *testing.T) {
	doc, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	known, found := atPullExit(t), 0
	for _, name := range metricNames.FindAllString(string(doc), -1) {
		if labelNames.MatchString(name) {
			continue
		}
		found++
		if !known[name] {
			t.Errorf("docs/http.md names %s, which is not there", name)
		}
	}
	if found < 20 {
		t.Errorf("only %d metrics were found in docs/http.md", found)
	}
}
