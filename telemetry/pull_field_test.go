package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
)

// pulled is the page of a service with one counter, set up by variables.
func pulled(t *testing.T, vars map[string]string) string {
	t.Helper()
	vars["OTEL_SERVICE_NAME"], vars["OTEL_RESOURCE_ATTRIBUTES"] = "shop", "k8s.pod.name=pod-1,service.instance.id=i-1"
	cfg, err := telemetry.FromEnv(environ(vars))
	if err != nil {
		t.Fatal(err)
	}
	sdk, _ := newSDK(t, cfg)
	must(sdk.MeterProvider().Meter("app").Int64Counter("jobs.done", metric.WithUnit("s"))).Add(t.Context(), 1, metric.WithAttributes(attribute.String("a.b", "c")))
	scrape(sdk.MetricsHandler()) // so that it has been scraped, which is counted
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "text/plain;version=1.0.0;escaping=allow-utf-8")
	w := httptest.NewRecorder()
	sdk.MetricsHandler().ServeHTTP(w, r)
	return w.Body.String()
}

// The pull exit does what people ask the official exporter for, by the specification's own words.
func TestPullFieldsFromTheEnvironment(t *testing.T) {
	for name, tt := range map[string]struct {
		vars        map[string]string
		want, never []string
	}{
		"nothing": {map[string]string{}, []string{`jobs_done_seconds_total{a_b="c",otel_scope_name="app"} 1`, "target_info{", `duotel_scrapes_total{`}, []string{`=""`}},
		"without scope info": {
			map[string]string{"METRICS_WITHOUT_SCOPE_INFO": "true"},
			[]string{`jobs_done_seconds_total{a_b="c"} 1`, "target_info{"},
			[]string{"otel_scope_"},
		},
		"without target_info": {map[string]string{"METRICS_WITHOUT_TARGET_INFO": "true"}, []string{`jobs_done_seconds_total{`}, []string{"target_info"}},
		"attributes of the resource": {
			map[string]string{"METRICS_WITH_RESOURCE_CONSTANT_LABELS": "service.name, k8s.pod.name,nothing.such,"},
			[]string{`jobs_done_seconds_total{a_b="c",k8s_pod_name="pod-1",otel_scope_name="app",service_name="shop"} 1`, `target_info{`},
			[]string{"exported_", "nothing_such", `go_goroutines{`},
		},
		"no suffixes":    {map[string]string{"METRICS_TRANSLATION_STRATEGY": "UnderscoreEscapingWithoutSuffixes"}, []string{`jobs_done{a_b="c"`}, []string{"jobs_done_seconds"}},
		"UTF-8":          {map[string]string{"METRICS_TRANSLATION_STRATEGY": "NoUTF8EscapingWithSuffixes"}, []string{`{"jobs.done_seconds_total","a.b"="c"`}, nil},
		"no translation": {map[string]string{"METRICS_TRANSLATION_STRATEGY": "NoTranslation"}, []string{`{"jobs.done","a.b"="c"`}, nil},
		"namespace": {
			map[string]string{"METRICS_NAMESPACE": "acme", "METRICS_SUBSYSTEM": "web"},
			[]string{"acme_web_jobs_done_seconds_total{", "\nduotel_scrapes_total{", "\ntarget_info{"},
			[]string{"acme_web_duotel", "acme_web_target"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			page := pulled(t, tt.vars)
			for _, want := range tt.want {
				if !strings.Contains(page, want) {
					t.Errorf("no %q in\n%s", want, own(page))
				}
			}
			for _, never := range tt.never {
				if strings.Contains(page, never) {
					t.Errorf("%q is in\n%s", never, own(page))
				}
			}
		})
	}
}

// own leaves the runtime's families out of a page.
func own(page string) string {
	var b strings.Builder
	for line := range strings.Lines(page) {
		if !strings.Contains(line, "go_") && !strings.Contains(line, "process_") {
			b.WriteString(line)
		}
	}
	return b.String()
}
