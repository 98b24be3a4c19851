package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// formats are what a scraper may ask for.
var formats = map[string]string{
	"text":        "",
	"OpenMetrics": "application/openmetrics-text;version=1.0.0",
	"protobuf":    string(expfmt.NewFormat(expfmt.TypeProtoDelim)),
}

// seriesIn scrapes in a format and returns the series, one a line, whatever the format.
func seriesIn(t *testing.T, sdk *telemetry.SDK, accept string) []string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("the scrape is answered %d: %s", w.Code, w.Body)
	}
	if strings.Contains(w.Header().Get("Content-Type"), "protobuf") {
		return protobufSeries(t, w.Body)
	}
	var out []string
	for line := range strings.Lines(w.Body.String()) {
		if !strings.HasPrefix(line, "#") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// protobufSeries writes what is in body much as the text formats do, without values.
func protobufSeries(t *testing.T, body io.Reader) []string {
	t.Helper()
	decoder := expfmt.NewDecoder(body, expfmt.NewFormat(expfmt.TypeProtoDelim))
	var out []string
	for {
		family := new(dto.MetricFamily)
		switch err := decoder.Decode(family); {
		case errors.Is(err, io.EOF):
			return out
		case err != nil:
			t.Fatal(err)
		}
		for _, m := range family.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, fmt.Sprintf("%s=%q", l.GetName(), l.GetValue()))
			}
			out = append(out, family.GetName()+"{"+strings.Join(labels, ",")+"}")
		}
	}
}

// mentions says whether a series begins with name.
func mentions(series []string, name string) bool {
	for _, s := range series {
		if strings.HasPrefix(s, name) {
			return true
		}
	}
	return false
}

// fourKinds records metrics of OpenTelemetry and of client_golang, each with names that only one of the
// exits is to have.
func fourKinds(t *testing.T, sdk *telemetry.SDK) {
	t.Helper()
	for _, who := range []string{"both", "pulled", "pushed"} {
		must(sdk.MeterProvider().Meter("app").Int64Counter("own.counter."+who)).Add(t.Context(), 1)
		must(sdk.MeterProvider().Meter("app").Float64Histogram("own.histogram."+who)).Record(t.Context(), 1)
		sdk.Registerer().MustRegister(gauge("legacy_" + who))
	}
}

// TestEveryExitHasItsFilter looks at all that leaves when each exit hides what is the other's.
func TestEveryExitHasItsFilter(t *testing.T) {
	hide := func(part string) func(scope, name string) bool {
		return func(scope, name string) bool {
			if scope != "app" && strings.HasPrefix(name, "own.") {
				t.Errorf("%s is said to be of scope %q", name, scope)
			}
			return !strings.HasSuffix(name, part) && name != "go_goroutines"
		}
	}
	backend, console := telemetrytest.NewBackend(t), new(bytes.Buffer)
	extra := prometheus.NewRegistry()
	extra.MustRegister(gauge("foreign_pulled"), gauge("foreign_pushed"))
	sdk, _ := newSDK(t, telemetry.Config{
		ServiceName: "shop",
		Exporters:   []telemetry.ExporterName{telemetry.ExporterPrometheus, telemetry.ExporterOTLP, telemetry.ExporterConsole},
		Push:        telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()},
	}, telemetry.WithPullFilter(hide("pushed")), telemetry.WithPushFilter(hide("pulled")), telemetry.WithGatherer(extra), telemetry.WithConsole(console))
	fourKinds(t, sdk)
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for format, accept := range formats {
		series := seriesIn(t, sdk, accept)
		for _, name := range []string{"own_counter_both_total", "own_histogram_both", "legacy_both", "own_counter_pulled_total", "own_histogram_pulled", "legacy_pulled", "foreign_pulled"} {
			if !mentions(series, name) {
				t.Errorf("%s: no %s in the scrape", format, name)
			}
		}
		for _, name := range []string{"own_counter_pushed", "own_histogram_pushed", "legacy_pushed", "foreign_pushed", "go_goroutines"} {
			if mentions(series, name) {
				t.Errorf("%s: %s is in the scrape", format, name)
			}
		}
	}
	for _, name := range []string{"own.counter.", "own.histogram.", "legacy_"} {
		for who, want := range map[string]bool{"both": true, "pushed": true, "pulled": false} {
			if got := len(backend.Find(name+who, nil)) > 0; got != want {
				t.Errorf("%s at the backend: %t, want %t", name+who, got, want)
			}
			if got := strings.Contains(console.String(), `"`+name+who+`"`); got != want {
				t.Errorf("%s on the console: %t, want %t", name+who, got, want)
			}
		}
	}
}

// TestLabelsAreOnEveryExit starts with METRICS_CUSTOM_LABELS: labels of every series at the pull exit in
// each format, attributes of the resource at the backend and on the console.
func TestLabelsAreOnEveryExit(t *testing.T) {
	backend, console := telemetrytest.NewBackend(t), new(bytes.Buffer)
	cfg := must(telemetry.FromEnv(environ(map[string]string{
		"OTEL_SERVICE_NAME": "shop", "OTEL_METRICS_EXPORTER": "prometheus,otlp,console",
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": backend.HTTPEndpoint(), "METRICS_CUSTOM_LABELS": "region=eu,tier=a%2Cb",
	})))
	sdk, _ := newSDK(t, cfg, telemetry.WithConsole(console))
	fourKinds(t, sdk)
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for format, accept := range formats {
		series := seriesIn(t, sdk, accept)
		for _, name := range []string{"own_counter_both_total", "own_histogram_both", "legacy_both", "go_goroutines"} {
			if !mentions(series, name+"{") && !mentions(series, name+"_bucket{") {
				t.Errorf("%s: no %s in the scrape", format, name)
			}
		}
		for _, s := range series {
			if !strings.Contains(s, `region="eu"`) || !strings.Contains(s, `tier="a,b"`) {
				t.Errorf("%s: a series without the labels: %s", format, s)
				break
			}
		}
	}
	for _, s := range backend.Series() {
		if s.Resource["region"] != "eu" || s.Resource["tier"] != "a,b" || s.Labels["region"] != "" {
			t.Fatalf("%s arrived with the resource %v", s, s.Resource)
		}
	}
	checkConsole(t, console)
}

// checkConsole fails unless every document has the labels of TestLabelsAreOnEveryExit in its resource.
func checkConsole(t *testing.T, console io.Reader) {
	t.Helper()
	type attribute struct {
		Key   string
		Value struct{ Value any }
	}
	decoder, documents := json.NewDecoder(console), 0
	for ; ; documents++ {
		var document struct{ Resource []attribute }
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		found := map[string]any{}
		for _, a := range document.Resource {
			found[a.Key] = a.Value.Value
		}
		if found["region"] != "eu" || found["tier"] != "a,b" || found["service.name"] != "shop" {
			t.Errorf("the console's resource is %v", found)
		}
	}
	if documents == 0 {
		t.Error("the console has nothing")
	}
}
