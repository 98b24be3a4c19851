package e2e

import (
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
)

// login is what a Prometheus with a web configuration file asks for.
const login = "user:" + token

// TestPrometheusBasicAuth pushes to Prometheus's own receiver, which its web configuration guards with everything else.
func TestPrometheusBasicAuth(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{Basic: login})
	cfg := base(p.OTLP())
	cfg.Push.Headers = basicAuth(login)
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	exercise(t, s)
	quiescent(t, p, s)
	result := compare.Diff(job(p, "protobuf"), job(p, pushed), compare.Moving)
	expectEqual(t, result)
	addPrometheus(duotel, "protobuf and OTLP/HTTP basic auth", result.Compared, differences(result))

	for _, c := range []struct {
		name    string
		headers map[string]exporter.Secret
	}{
		{"wrong password", basicAuth("user:wr0ng-token")},
		{"wrong user", basicAuth("nobody:" + token)},
		{"no header", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := base(p.OTLP())
			cfg.ResourceAttributes = map[string]string{"service.instance.id": "stranger"}
			cfg.Push.Headers, cfg.Push.ExportTimeout = c.headers, 5*time.Second
			s := service.Start(t, cfg)
			s.Record(t.Context(), 10)
			checkRefused(t, s, s.Flush(t.Context()), "unauthenticated")
			if found := p.Query(`{instance="stranger"}`); len(found) > 0 {
				t.Errorf("Prometheus has %d series of it", len(found))
			}
			addPrometheus(duotel, "OTLP/HTTP basic auth, "+c.name, 0, "Status: unauthenticated; /metrics: 200")
		})
	}
}
