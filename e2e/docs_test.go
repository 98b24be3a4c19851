package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestDocumentedQueries runs every expression of the documents against a live Prometheus that watches a healthy service.
func TestDocumentedQueries(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.HTTP.Names = telemetry.HTTPNamesBoth
	cfg.Push.Interval = time.Second
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	for range 2 {
		useClient(t, s)
		exercise(t, s)
		quiescent(t, p, s)
	}

	all, wrong := expressions(t), 0
	for _, e := range all {
		text := jobMatcher.ReplaceAllString(e.text, `job="openmetrics"`)
		found, err := p.Has(text)
		switch {
		case err != nil:
			t.Errorf("%s: %s: %v", e.file, e.text, err)
		case found == e.alert:
			wrong++
			t.Errorf("%s: found data: %t; alerts are silent and all others are not: %s", e.file, found, e.text)
		}
	}
	if len(all) == 0 {
		t.Error("the documents have no block marked promql")
	}
	addPrometheus(duotel, "expressions in docs/", len(all), differencesOf(wrong))
}

// TestDocumentedAlertsFire runs the alerts against a service that has everything wrong with it.
func TestDocumentedAlertsFire(t *testing.T) {
	targets := servers.NewTargets(t)
	p := servers.StartPrometheus(t, servers.PrometheusConfig{
		Jobs: []servers.Job{{Name: "sick", Protocol: protocols["openmetrics"], File: targets.File}}, Lookback: "30m",
	})
	s := startSick(t)
	targets.Set(s.Address)
	alerts := 0
	for _, e := range expressions(t) {
		if !e.alert {
			continue
		}
		alerts++
		await(t, 30*time.Second, "an alert: "+e.text, func() bool { return fires(t, p, e) })
	}
	if alerts == 0 {
		t.Error("the documents have no alert")
	}
	addPrometheus(duotel, "alerts in docs/ that fire when something is wrong", alerts, "0")
}

// fires says whether an alert returns data now, or a quarter of an hour from now if all stays as it is.
func fires(t *testing.T, p *servers.Prometheus, e expression) bool {
	t.Helper()
	for _, at := range []time.Time{time.Now(), time.Now().Add(15 * time.Minute)} {
		found, err := p.HasAt(e.text, at)
		if err != nil {
			t.Fatalf("%s: %s: %v", e.file, e.text, err)
		}
		if found {
			return true
		}
	}
	return false
}

// startSick starts a service whose backend rejects points and then fails, with too many series, a clash of names and a callback that
// fails.
func startSick(t *testing.T) *service.Service {
	t.Helper()
	backend := telemetrytest.NewBackend(t)
	cfg := base(backend.HTTPEndpoint())
	cfg.CardinalityLimit = 10
	s := service.Start(t, cfg)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	m := s.SDK.MeterProvider().Meter("e2e.sick")
	clash, _ := m.Int64Gauge("e2e.int.counter.total")
	clash.Record(t.Context(), 1)
	_, _ = m.Int64ObservableGauge("e2e.broken", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		return errors.New("no database")
	}))
	s.Record(t.Context(), 100)
	backend.Script(telemetrytest.PartialSuccess(3, "too old"))
	_ = s.Flush(t.Context())                                              // an error or not: some points were accepted
	backend.Default(telemetrytest.Status(http.StatusInternalServerError)) // to the parts of a divided request too
	for range 5 {
		if err := s.Flush(t.Context()); err == nil {
			t.Fatal("the flush succeeded")
		}
	}
	return s
}

// useClient makes requests through the client's side: some succeed and some fail.
func useClient(t *testing.T, s *service.Service) {
	t.Helper()
	client := &http.Client{Transport: s.SDK.Transport(&http.Transport{DisableKeepAlives: true}), Timeout: 5 * time.Second}
	for range 5 {
		for _, url := range []string{s.Metrics, "http://" + servers.FreeAddress(t)} { // nobody listens at the second
			if resp, err := client.Get(url); err == nil {
				_ = resp.Body.Close()
			}
		}
	}
}
