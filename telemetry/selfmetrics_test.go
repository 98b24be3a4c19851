package telemetry_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestScrapeSaysWhatTheOneBeforeDid compares the numbers on a page with the pages before it.
func TestScrapeSaysWhatTheOneBeforeDid(t *testing.T) {
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop"})
	must(sdk.MeterProvider().Meter("app").Float64Histogram("took")).Record(t.Context(), 1)
	bytes := 0
	for range 3 {
		before := scrape(sdk.MetricsHandler()).Body.String()
		bytes += len(before)
		last := sdk.Status().Pull
		page := scrape(sdk.MetricsHandler()).Body.String()
		for name, want := range map[string]float64{
			"duotel_scrape_io_bytes_total":        float64(bytes),
			"duotel_scrape_last_duration_seconds": last.LastDuration.Seconds(),
			"duotel_scrape_last_series":           float64(seriesOn(before)),
		} {
			if got := valueOn(t, page, name); got != want || got <= 0 {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
		bytes += len(page)
	}
}

// seriesOn counts the series of a text page: lines, but of a histogram or summary only its count.
func seriesOn(page string) (n int) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "#") || strings.Contains(line, "le=") || strings.Contains(line, "quantile=") || regexp.MustCompile(`^\w+_sum[ {]`).MatchString(line) {
			continue
		}
		n++
	}
	return n
}

// valueOn is the value of the one series of a name.
func valueOn(t *testing.T, page, name string) float64 {
	t.Helper()
	lines := regexp.MustCompile(`(?m)^`+name+`(?:\{.*\})? (\S+)$`).FindAllStringSubmatch(page, -1)
	if len(lines) != 1 {
		t.Fatalf("%d lines of %s", len(lines), name)
	}
	return must(strconv.ParseFloat(lines[0][1], 64))
}

// TestF5PushOnlyServiceCountsAFailingRegistry has no page on which anybody could see it: the log names it, the
// status counts it, and so does the backend, which has everything else.
func TestF5PushOnlyServiceCountsAFailingRegistry(t *testing.T) {
	for _, bad := range []disk{{}, {panics: true}} {
		t.Run(fmt.Sprintf("%+v", bad), func(t *testing.T) {
			backend := telemetrytest.NewBackend(t)
			good, broken := prometheus.NewRegistry(), prometheus.NewRegistry()
			good.MustRegister(gauge("good_disk"))
			broken.MustRegister(bad)
			sdk, log := newSDK(
				t, telemetry.Config{
					ServiceName: "shop", Exporters: []telemetry.ExporterName{telemetry.ExporterOTLP},
					Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()},
				},
				telemetry.WithGatherer(broken), telemetry.WithGatherer(good),
			)
			for range 3 { // the third says what the two before went without
				if err := sdk.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if n := sdk.Status().Push.CollectErrors; n != 3 {
				t.Errorf("the status counts %d failures, want 3", n)
			}
			sent := map[string]telemetrytest.Series{}
			for _, s := range backend.Series() {
				sent[s.Name] = s
			}
			if got := sent["duotel.push.collect.failures"].Value; got < 2 {
				t.Errorf("the backend has %v failures, want those of the pushes before", got)
			}
			if sent["good_disk"].Name == "" {
				t.Error("the good registry is missing from the pushes")
			}
			if n := strings.Count(log.String(), "no such disk"); n != 1 {
				t.Errorf("the log names the failure %d times, want once:\n%s", n, log)
			}
		})
	}
}
