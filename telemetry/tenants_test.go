package telemetry_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

// pageFormats are what a scraper sends for each format.
var pageFormats = map[string]string{
	"text": "text/plain;version=0.0.4", "OpenMetrics": "application/openmetrics-text;version=1.0.0",
	"protobuf": string(expfmt.NewFormat(expfmt.TypeProtoDelim)),
}

// TestTenantsOfAnSDK gives each of two tenants their own series of a service with everything that could
// tell of the other: exemplars, created lines, a registry, and the library's metrics of itself, one of which
// names the other's instrument.
func TestTenantsOfAnSDK(t *testing.T) {
	sdk := tenants(t)
	for format, accept := range pageFormats {
		whole := tenantPage(t, sdk, "", accept)
		for tenant, other := range map[string]string{"acme": "initech", "initech": "acme"} {
			page := tenantPage(t, sdk, tenant, accept)
			if strings.Contains(page, other) {
				t.Errorf("%s: %s is shown something of %s:\n%s", format, tenant, other, page)
			}
			for _, hidden := range []string{"duotel_", "go_goroutines", "target_info"} {
				if !strings.Contains(whole, hidden) || strings.Contains(page, hidden) {
					t.Errorf("%s: %s is in the operator's page: %v, in the page of %s: %v", format, hidden, strings.Contains(whole, hidden), tenant, strings.Contains(page, hidden))
				}
			}
			// What there was to hide is there for its owner, or this test would show nothing.
			for _, own := range []string{"jobs_total", "took", "disk", "depth", tenant + "_calls_total"} {
				if !strings.Contains(page, own) {
					t.Errorf("%s: no %s of %s in\n%s", format, own, tenant, page)
				}
			}
			if n := strings.Count(page, tenant+"-ann"); format != "text" && n < 2 {
				t.Errorf("%s: %d exemplars of %s, want the counter's and the histogram's:\n%s", format, n, tenant, page)
			}
			if format == "OpenMetrics" && !regexp.MustCompile(`(?m)^jobs_created\{.*tenant="`+tenant+`"`).MatchString(page) {
				t.Errorf("no created line of %s in\n%s", tenant, page)
			}
			if !strings.Contains(whole, `instrument="`+tenant+`.calls"`) && format != "protobuf" {
				t.Errorf("%s: the library's own metrics do not name %s.calls; they should", format, tenant)
			}
		}
	}
}

// tenants is an SDK with series of two tenants. The attribute user is on exemplars alone.
func tenants(t *testing.T) *telemetry.SDK {
	t.Helper()
	reg := prometheus.NewRegistry()
	disk := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "disk", Help: "h"}, []string{"tenant"})
	reg.MustRegister(disk)
	sdk, _ := newSDK(
		t, telemetry.Config{ServiceName: "shop", ExemplarFilter: telemetry.ExemplarAlwaysOn},
		telemetry.WithGatherer(reg), telemetry.WithAuthorizer(byTenant),
		telemetry.WithView(sdkmetric.NewView(sdkmetric.Instrument{Scope: instrumentation.Scope{Name: "app"}}, sdkmetric.Stream{AttributeFilter: attribute.NewDenyKeysFilter("user")})),
		telemetry.WithCardinalityLimit(func(i sdkmetric.Instrument) int {
			if strings.HasSuffix(i.Name, ".calls") {
				return 2 // so near its limit that the library speaks of it
			}
			return 0
		}),
	)
	m := sdk.MeterProvider().Meter("app")
	jobs, took := must(m.Int64Counter("jobs")), must(m.Float64Histogram("took"))
	for _, tenant := range []string{"acme", "initech"} {
		at := metric.WithAttributes(attribute.String("tenant", tenant), attribute.String("user", tenant+"-ann"))
		jobs.Add(t.Context(), 1, at)
		took.Record(t.Context(), 1, at)
		must(m.Int64Gauge("depth")).Record(t.Context(), 1, at)
		must(m.Int64Counter(tenant+".calls")).Add(t.Context(), 1, at)
		must(m.Int64Counter(tenant+".calls")).Add(t.Context(), 1, at, attrs("n", "2"))
		disk.WithLabelValues(tenant).Set(1)
	}
	tenantPage(t, sdk, "", pageFormats["text"]) // the next collection knows what is near its limit
	return sdk
}

// byTenant admits everybody to what has their label, and who says nothing, as the operator, to everything.
func byTenant(r *http.Request) (exporter.SeriesFilter, error) {
	tenant := r.Header.Get("X-Tenant")
	if tenant == "" {
		return nil, nil
	}
	return func(_ string, labels exporter.Labels) bool {
		v, _ := labels.Get("tenant")
		return v == tenant
	}, nil
}

// tenantPage scrapes, protobuf as the text of its messages.
func tenantPage(t *testing.T, sdk *telemetry.SDK, tenant, accept string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	r.Header.Set("X-Tenant", tenant)
	w := httptest.NewRecorder()
	if sdk.MetricsHandler().ServeHTTP(w, r); w.Code != http.StatusOK {
		t.Fatalf("%q is answered %d: %s", tenant, w.Code, w.Body)
	}
	if accept != pageFormats["protobuf"] {
		return w.Body.String()
	}
	var text strings.Builder
	for decoder := expfmt.NewDecoder(w.Body, expfmt.NewFormat(expfmt.TypeProtoDelim)); ; {
		var mf dto.MetricFamily
		err := decoder.Decode(&mf)
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(mf.String() + "\n")
	}
}
