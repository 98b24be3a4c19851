package e2e

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
)

// TestStockStack puts the usual parts through the same: one provider with two readers, promhttp and otelhttp. What differs or
// is lost there is not a failure here; it is in the table.
func TestStockStack(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	s := service.StartStock(t, "e2e", "stock", p.OTLP())
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	for range 3 {
		s.Record(t.Context(), 200)
		s.Round(t.Context())
	}
	stockQuiescent(t, p, s)
	addStock(t, p)
	addRequests(p, s)
	addStrict(t, s)

	s.RecordInvalid(t.Context())
	err := s.Flush(t.Context())
	t.Logf("push with one attribute value that is not UTF-8: %v", err)
	answer := "accepted"
	if err != nil {
		answer = "refused as a whole"
	}
	addPrometheus(stock, "push with one value that is not UTF-8", 1, answer)
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		p.Await(30*time.Second, fmt.Sprintf(`timestamp(up{job=%q}) > %d`, name, time.Now().Unix()+1))
		up := p.Query(fmt.Sprintf(`up{job=%q}`, name))
		state := "scrape fails: up == 0"
		if len(up) == 1 && up[0].Value == 1 {
			state = "scrape succeeds"
		}
		addPrometheus(stock, name+" with one value that is not UTF-8", 1, state)
	}
}

// stockQuiescent is quiescent for a service whose scrape may fail.
func stockQuiescent(t *testing.T, p *servers.Prometheus, s *service.Service) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Logf("flush: %v", err)
	}
	now := float64(time.Now().UnixMilli()) / 1000
	for name := range protocols {
		p.Await(30*time.Second, fmt.Sprintf("timestamp(up{job=%q}) > %f", name, now))
	}
}

func addStock(t *testing.T, p *servers.Prometheus) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(protocols)) {
		keep := notExponential
		if name == "protobuf" {
			keep = func(string) bool { return true }
		}
		result := compare.Diff(job(p, name).Only(keep), job(p, pushed).Only(keep), compare.Moving)
		if result.Compared == 0 {
			t.Errorf("%s: nothing was compared", name)
		}
		logDifferences(t, result)
		addPrometheus(stock, name+" and OTLP/HTTP", result.Compared, differences(result))
	}
}

// addRequests says how many requests were recorded of those that were sent.
func addRequests(p *servers.Prometheus, s *service.Service) {
	lost := float64(s.Sent()) - total(p, "openmetrics")
	addPrometheus(stock, "requests sent and seen, openmetrics", int(s.Sent()), fmt.Sprintf("%v lost", lost))
}

// addStrict gives the stock scrape to the strict parser, where there is one, with the same samples left out: the official exporter
// has them too, which is why they are tolerated.
func addStrict(t *testing.T, s *service.Service) {
	t.Helper()
	python, version := interpreter()
	if python == "" {
		return
	}
	full := body(t, s.Metrics, acceptOpenMetrics)
	expectComplaint(t, python, tolerated, full)
	page := withoutTolerated(full, tolerated)
	got, err := parseStrictly(python, page)
	t.Logf("strict parser: %d of %d samples: %v", got, samples(page), err)
	add(row{stock, "python client", version, "OpenMetrics, after load", samples(page), differencesOf(samples(page) - got)})
}

// TestStockStackThroughTheCollector is the first way of [ways] for the usual parts.
func TestStockStackThroughTheCollector(t *testing.T) {
	collector := servers.StartCollector(t, servers.CollectorConfig{})
	s := service.StartStock(t, "e2e", "stock", collector.HTTP)
	for range 3 {
		s.Record(t.Context(), 200)
		s.Round(t.Context())
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	result := diffCollector(t, s, collector)
	if result.Compared == 0 {
		t.Error("nothing was compared")
	}
	logDifferences(t, result)
	add(row{stock, "collector", servers.CollectorTool.Version, "OTLP/HTTP", result.Compared, differences(result)})
}
