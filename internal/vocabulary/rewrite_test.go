package vocabulary_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/internal/vocabulary"
	"github.com/duotel/duotel/middleware"
)

// serveSome sends a request for each path through a middleware on m.
func serveSome(t *testing.T, m *meters, opts []middleware.Option, requests ...string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("item")) })
	mux.HandleFunc("/fails", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	mux.HandleFunc("/stream", func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() })
	mw, err := middleware.New(append([]middleware.Option{
		middleware.WithMeterProvider(m),
		middleware.WithDurationBuckets(vocabulary.DurationBuckets(vocabulary.Both)...),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requests {
		method, path, _ := strings.Cut(r, " ")
		mw.Handler(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, strings.NewReader("body")))
	}
}

// TestNamesAfterTranslation translates as the pull exit does.
func TestNamesAfterTranslation(t *testing.T) {
	m := newMeters(t)
	serveSome(t, m, nil, "GET /items/7")
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	var got []string
	for _, sm := range rewritten(t, m, vocabulary.Classic) {
		for _, metric := range sm.Metrics {
			name, err := namer.Build(otlptranslator.Metric{Name: metric.Name, Unit: metric.Unit, Type: typeOf(t, metric.Data)})
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
	}
	slices.Sort(got)
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "duotel_") })
	want := []string{
		"http_request_duration_seconds", "http_request_size_bytes", "http_requests_inprogress", "http_requests_total", "http_response_size_bytes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the names are %q, want %q", got, want)
	}
}

func typeOf(t *testing.T, data metricdata.Aggregation) otlptranslator.MetricType {
	t.Helper()
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		if d.IsMonotonic {
			return otlptranslator.MetricTypeMonotonicCounter
		}
		return otlptranslator.MetricTypeNonMonotonicCounter
	case metricdata.Histogram[float64], metricdata.Histogram[int64]:
		return otlptranslator.MetricTypeHistogram
	case metricdata.Summary:
		return otlptranslator.MetricTypeSummary
	default:
		t.Fatalf("unexpected aggregation %T", data)
		return 0
	}
}

func TestWhatEachVocabularyShows(t *testing.T) {
	conventions := []string{"http.server.request.duration", "http.server.active_requests", "http.server.request.body.size", "http.server.response.body.size"}
	classic := []string{"http_requests", "http_request_duration", "http_request_size", "http_response_size", "http_requests_inprogress"}
	own := []string{"duotel.http.server.stream.duration", "duotel.http.server.active_streams"}
	tests := []struct {
		names     vocabulary.Names
		want, not []string
	}{
		{vocabulary.Semconv, slices.Concat(conventions, own), classic},
		{vocabulary.Classic, slices.Concat(classic, own), conventions},
		{vocabulary.Both, slices.Concat(conventions, classic, own), nil},
		{"unheard of", slices.Concat(conventions, own), classic},
	}
	m := newMeters(t)
	serveSome(t, m, nil, "GET /items/7", "GET /stream")
	for _, tt := range tests {
		t.Run(string(tt.names), func(t *testing.T) {
			scopes := rewritten(t, m, tt.names)
			for _, name := range tt.want {
				if find(scopes, name) == nil {
					t.Errorf("%s is missing", name)
				}
			}
			for _, name := range tt.not {
				if find(scopes, name) != nil {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// TestInputIsShared rewrites one collection in every way and wants it to stay as it was.
func TestInputIsShared(t *testing.T) {
	m := newMeters(t)
	serveSome(t, m, nil, "GET /items/7", "POST /items/8", "GET /fails")
	counter, _ := m.Meter("another").Int64Counter("http.server.request.duration")
	counter.Add(t.Context(), 1)
	scopes := m.collect(t)
	before, err := json.Marshal(scopes)
	if err != nil {
		t.Fatal(err)
	}
	for _, names := range []vocabulary.Names{vocabulary.Semconv, vocabulary.Classic, vocabulary.Both} {
		out := vocabulary.Rewrite(scopes, names)
		if same := &out[0] == &scopes[0]; same != (names == vocabulary.Semconv) {
			t.Errorf("%s: the result is the input: %t", names, same)
		}
		foreign := slices.IndexFunc(out, func(sm metricdata.ScopeMetrics) bool { return sm.Scope.Name == "another" })
		if foreign < 0 || len(out[foreign].Metrics) != 1 || out[foreign].Metrics[0].Name != "http.server.request.duration" {
			t.Errorf("%s: another scope is now %+v", names, out)
		}
	}
	if after, _ := json.Marshal(scopes); string(after) != string(before) {
		t.Errorf("the input was\n%s\nand is\n%s", before, after)
	}
}

func TestDurationBuckets(t *testing.T) {
	if got := vocabulary.DurationBuckets(vocabulary.Semconv); !slices.Equal(got, middleware.DefaultDurationBuckets()) {
		t.Errorf("semconv records %v", got)
	}
	want := []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.3, 0.5, 0.75, 1, 2.5, 3, 5, 7.5, 10}
	for _, names := range []vocabulary.Names{vocabulary.Classic, vocabulary.Both} {
		if got := vocabulary.DurationBuckets(names); !slices.Equal(got, want) {
			t.Errorf("%s records %v, want %v", names, got, want)
		}
	}
}
