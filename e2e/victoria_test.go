package e2e

import (
	"maps"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// vocabularies are the names of HTTP metrics that a second opinion is asked about.
var vocabularies = []telemetry.HTTPNames{telemetry.HTTPNamesSemconv, telemetry.HTTPNamesClassic, telemetry.HTTPNamesBoth}

// expectVocabulary fails the test unless the series have the names that were asked for and no others.
func expectVocabulary(t *testing.T, series compare.Series, names telemetry.HTTPNames) {
	t.Helper()
	for name, want := range map[string]bool{
		"http_server_request_duration_seconds_count": names != telemetry.HTTPNamesClassic,
		"http_requests_total":                        names != telemetry.HTTPNamesSemconv,
	} {
		found := series.Only(func(n string) bool { return n == name })
		if (len(found) > 0) != want {
			t.Errorf("HTTP names %s: %d series of %s", names, len(found), name)
		}
	}
}

// TestVictoriaMetricsCountsAsPrometheus: another scraper sees the same series with the same values, in every vocabulary.
func TestVictoriaMetricsCountsAsPrometheus(t *testing.T) {
	program, version := servers.Victoria()
	if program == "" {
		unavailable(t, "victoria-metrics", "victoria-metrics")
		return
	}
	for _, names := range vocabularies {
		t.Run(string(names), func(t *testing.T) { compareVictoria(t, program, version, names) })
	}
}

func compareVictoria(t *testing.T, program, version string, names telemetry.HTTPNames) {
	t.Helper()
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.HTTP.Names = names
	s := service.Start(t, cfg)
	target(s.Address)
	victoria := servers.StartVictoria(t, program, s.Address)
	exercise(t, s)
	quiescent(t, p, s)
	now := time.Now()
	await(t, 30*time.Second, "a scrape by VictoriaMetrics", func() bool {
		up := victoria.Query(`timestamp(up{job="text"})`)
		return len(up) == 1 && up[0].Value > float64(now.Unix())+1
	})
	left := withoutType(job(p, "text"))
	right := job(victoria, "text")
	maps.DeleteFunc(left, func(key string, v compare.Value) bool {
		if storable(v.Number) {
			return false
		}
		delete(right, key)
		return true
	})
	result := compare.Diff(left, right, compare.Moving)
	expectEqual(t, result)
	expectVocabulary(t, left, names)
	add(row{duotel, "victoria-metrics", version, "text, HTTP names " + string(names), result.Compared, differences(result)})
}

// storable says whether VictoriaMetrics stores v: not a NaN, and what is almost zero as zero.
func storable(v float64) bool { return !math.IsNaN(v) && (v == 0 || math.Abs(v) > 1e-300) }

// withoutType drops the label that this Prometheus is told to add.
func withoutType(s compare.Series) compare.Series {
	out := compare.Series{}
	for key, value := range s {
		before, after, _ := strings.Cut(key, `__type__="`)
		_, after, _ = strings.Cut(after, `"`)
		out[strings.Replace(before+strings.TrimPrefix(after, ","), ",}", "}", 1)] = value
	}
	return out
}
