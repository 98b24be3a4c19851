package exporter_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestTenantsSeeTheirOwn shows that nothing of another tenant is in any format.
func TestTenantsSeeTheirOwn(t *testing.T) {
	reg := prometheus.NewRegistry()
	vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "disk", Help: "h"}, []string{"tenant"})
	reg.MustRegister(vec)
	byTenant := func(r *http.Request) (exporter.SeriesFilter, error) {
		tenant := r.Header.Get("X-Tenant")
		switch tenant {
		case "":
			return nil, exporter.ErrUnauthenticated
		case "banned":
			return nil, io.ErrClosedPipe
		}
		return func(_ string, labels exporter.Labels) bool {
			v, _ := labels.Get("tenant")
			return v == tenant
		}, nil
	}
	for _, accept := range []string{acceptText, acceptOpenMetrics, acceptProtobuf} {
		r := newPull(t, func(c *exporter.PullConfig) { c.Authorizer = byTenant; c.Gatherers = []prometheus.Gatherer{reg} })
		for _, tenant := range []string{"acme", "initech"} {
			opt := metric.WithAttributes(attribute.String("tenant", tenant))
			must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1, opt)
			must(r.meter.Float64Histogram("took")).Record(t.Context(), 1, opt)
			vec.WithLabelValues(tenant).Set(1)
		}
		w := r.get(http.MethodGet, "Accept", accept, "X-Tenant", "acme")
		body := w.Body.String()
		if w.Code != http.StatusOK || strings.Contains(body, "initech") || strings.Contains(body, "target_info") || !strings.Contains(body, "acme") {
			t.Errorf("%s: tenant acme gets %d\n%s", accept, w.Code, body)
		}
		if code := r.get(http.MethodGet, "Accept", accept).Code; code != http.StatusUnauthorized {
			t.Errorf("nobody gets %d, want 401", code)
		}
		if code := r.get(http.MethodGet, "Accept", accept, "X-Tenant", "banned").Code; code != http.StatusForbidden {
			t.Errorf("banned gets %d, want 403", code)
		}
	}
}
