package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
)

func TestCollectorRefuses(t *testing.T) {
	chain, expired := servers.NewChain(t, time.Hour), servers.NewChain(t, -time.Minute)
	cases := []struct {
		name, reason string
		accept       servers.CollectorConfig
		change       func(*telemetry.PushConfig)
	}{
		{"wrong token", "unauthenticated", servers.CollectorConfig{Token: token}, func(p *telemetry.PushConfig) {
			p.Headers = exporter.NewSecrets(map[string]string{"Authorization": "Bearer wr0ng-token"})
		}},
		{"no token", "unauthenticated", servers.CollectorConfig{Token: token}, func(*telemetry.PushConfig) {}},
		{
			"expired certificate", "tls",
			servers.CollectorConfig{Certificate: expired.Certificate, Key: expired.Key},
			func(p *telemetry.PushConfig) { p.Certificate = expired.Authority },
		},
		{
			"another authority", "tls",
			servers.CollectorConfig{Certificate: chain.Certificate, Key: chain.Key},
			func(p *telemetry.PushConfig) { p.Certificate = expired.Authority },
		},
	}
	for _, c := range cases {
		for _, protocol := range []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC} {
			t.Run(c.name+" "+string(protocol), func(t *testing.T) {
				collector := servers.StartCollector(t, c.accept)
				cfg := base(collector.HTTP)
				cfg.Push.Protocol, cfg.Push.ExportTimeout = protocol, 5*time.Second
				if protocol == exporter.ProtocolGRPC {
					cfg.Push.Endpoint = collector.GRPC
				}
				c.change(&cfg.Push)
				s := service.Start(t, cfg)
				s.Record(t.Context(), 10)
				err := s.Flush(t.Context())
				checkRefused(t, s, err, c.reason)
				add(row{duotel, "collector", servers.CollectorTool.Version, c.name + " " + string(protocol), 0, "Status: " + c.reason + "; /metrics: 200"})
			})
		}
	}
}

// checkRefused looks at what the person on call sees: the status, the scrape, and no secret in either.
func checkRefused(t *testing.T, s *service.Service, err error, reason string) {
	t.Helper()
	if err == nil {
		t.Error("the flush succeeded")
	}
	status := s.SDK.Status().Push
	if status.State != exporter.PushFailing || status.LastReason != reason || status.PointsSent != 0 {
		t.Errorf("status: %s, reason %q, %d points sent; want failing, %q, 0", status.State, status.LastReason, status.PointsSent, reason)
	}
	t.Logf("status: %s: %s", status.LastReason, status.LastError)
	if strings.Contains(status.LastError, "-token") {
		t.Error("the status has the token")
	}
	page := scrape(t, s.Metrics)
	if sum(page, "e2e_int_counter_total") != 45 {
		t.Errorf("the scrape has %v of the counter, want 45", sum(page, "e2e_int_counter_total"))
	}
	if sumOf(page, "duotel_push_failures_total", map[string]string{"error_type": reason}) == 0 {
		t.Errorf("the scrape does not tell of the failure: %s", reason)
	}
}
