package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
)

const ownContract = `schema: duotel.metrics/v1
instruments:
  - name: jobs.done
    kind: counter
    unit: "{job}"
    attributes: {queue: [mail, print]}
  - name: jobs.duration
    kind: histogram
    unit: s
`

// TestGenForAxiom makes the dashboard for Axiom of a service with metrics of its own.
func TestGenForAxiom(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "metrics.yaml")
	if err := os.WriteFile(file, []byte(ownContract), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"gen", "-o", filepath.Join(dir, "kit"), "-service", "shop", "-for", "axiom", "-dataset", "my-metrics", "-contract", file,
		"-slo", "latency=99.5% < 250ms", "-slo", "availability=99.9%",
	}
	want(t, cli.OK, []string{"1 files written"}, args...)
	want(t, cli.OK, []string{"0 files written, 1 unchanged"}, args...)
	data, err := os.ReadFile(filepath.Join(dir, "kit", "dashboards", "axiom.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Name   string
		Charts []struct {
			ID, ErrorThresholdValue string
			Query                   struct{ MPL string }
		}
	}
	if err := json.Unmarshal(data, &d); err != nil || d.Name != "shop (preview)" {
		t.Fatalf("%q, %v", d.Name, err)
	}
	queries := map[string]string{}
	for _, c := range d.Charts {
		queries[c.ID] = c.Query.MPL + c.ErrorThresholdValue
	}
	for id, says := range map[string][]string{
		"p99.5-0.25s":       {"interpolate_cumulative_histogram(increase, 0.995)0.25"},
		"own-jobs.done":     {"`my-metrics`:`jobs.done`", "prom::rate", "group by `queue` using sum"},
		"own-jobs.duration": {`set custom_unit = "s";`, "(rate, 0.5, 0.95, 0.99)"},
		"requests-by-route": {"`service.name` == \"shop\"", "by `http.route`"},
	} {
		for _, text := range says {
			if !strings.Contains(queries[id], text) {
				t.Errorf("chart %s does not ask for %s, but %q", id, text, queries[id])
			}
		}
	}
}

func TestGenForAxiomRefuses(t *testing.T) {
	for flags, says := range map[string][]string{
		"-for honeycomb": {`-for="honeycomb"`, "prometheus or axiom"},
		"-dataset d":     {`-dataset="d"`, "-for axiom"},
		"-for axiom":     {`dataset=""`, "X-Axiom-Metrics-Dataset"},
		"-for axiom -dataset d -temporality gauge":      {`temporality="gauge"`, `"delta"`},
		"-for axiom -dataset d -names classic":          {`names="classic"`, `"both"`},
		"-for axiom -dataset d -temporality delta -slo": {"-slo"},
	} {
		want(t, cli.Usage, says, append([]string{"gen", "-o", t.TempDir(), "-service", "shop"}, strings.Fields(flags)...)...)
	}
}
