package opstest

import (
	"fmt"
	"strings"
	"testing"
)

// The dimensions of the matrix: each an answer to one question about a release. Every combination is rendered.
var (
	pages = []string{
		"", "metrics.enabled: false", "metrics.listener: false\nmetrics.port: 8080\nmetrics.path: /internal/metrics",
		"metrics.listener: false\nmetrics.port: 9000", "metrics.nativeHistograms: true\nmetrics.interval: 15s",
	}
	monitors = []string{"", "metrics.serviceMonitor.enabled: true", "metrics.podMonitor.enabled: true\nmetrics.podMonitor.labels: {release: p}"}
	kits     = []string{"", "metrics.prometheusRule.enabled: true\nmetrics.dashboards.enabled: true\nmetrics.dashboards.folder: Shop"}
	pushes   = []string{
		"", "otlp.endpoint: http://collector:4318/v1/metrics\notlp.headersSecret: axiom",
		"otlp.endpoint: collector:4317\notlp.protocol: grpc\nspool.type: emptyDir\notlp.temporality: delta",
		"otlp.endpoint: https://h/v1/metrics\notlp.headersSecret: axiom\notlp.headersSecretKey: h\nspool.type: claim\notlp.temporality: lowmemory",
		"otlp.endpoint: https://h/v1/metrics\nspool.type: claim\nspool.claimName: mine",
	}
	probes   = []string{"", "probes.port: http\nprobes.livenessPath: /livez", "probes.enabled: false"}
	policies = []string{"", "networkPolicy.enabled: true"}
	names    = []string{"", "fullnameOverride: a-name-that-is-as-long-as-a-name-may-be-in-kubernetes-which-is-63\nserviceName: shop\nserviceAccount.create: false"}
)

// combinations calls f with every combination of the dimensions, as a document of values.
func combinations(f func(values string)) (n int) {
	rows := []string{""}
	for _, dimension := range [][]string{pages, monitors, kits, pushes, probes, policies, names} {
		var next []string
		for _, row := range rows {
			for _, choice := range dimension {
				next = append(next, strings.TrimSpace(row+"\n"+choice))
			}
		}
		rows = next
	}
	for _, row := range rows {
		f(row)
	}
	return len(rows)
}

// unflatten makes a document of values of lines with dotted keys, as helm's --set does.
func unflatten(flat string) string {
	tree := map[string]any{}
	for line := range strings.Lines(flat) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if key == "" {
			continue
		}
		at, parts := tree, strings.Split(key, ".")
		for _, p := range parts[:len(parts)-1] {
			if at[p] == nil {
				at[p] = map[string]any{}
			}
			at = at[p].(map[string]any)
		}
		at[parts[len(parts)-1]] = raw(value)
	}
	return document(tree)
}

// raw is YAML that goes into the document as it is.
type raw string

func document(tree map[string]any) string {
	var parts []string
	for key, value := range tree {
		switch value := value.(type) {
		case raw:
			parts = append(parts, fmt.Sprintf("%s: %s", key, value))
		case map[string]any:
			parts = append(parts, fmt.Sprintf("%s: %s", key, document(value)))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// isRefused says of which combinations the chart says that they make no sense, and in which words.
func isRefused(flat string) string {
	if strings.Contains(flat, "metrics.port: 8080") && strings.Contains(flat, "networkPolicy.enabled: true") {
		return "Prometheus alone cannot be let in"
	}
	return ""
}

func TestMatrix(t *testing.T) {
	dir := withFiles(t)
	documented := documentedVariables(t)
	chart := load(t, dir)
	manifests, refused := 0, 0
	n := combinations(func(flat string) {
		values := unflatten(flat)
		if words := isRefused(flat); words != "" {
			refused++
			if _, err := renderChart(chart, parseValues(t, values)); err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: the error is %v, not %q", values, err, words)
			}
			return
		}
		release := installChart(t, chart, values)
		manifests += len(release.metas)
		for _, finding := range append(findings(release, documented), missing(release, flat)...) {
			t.Errorf("%s: %s", values, finding)
		}
	})
	t.Logf("%d combinations, %d of them refused in words; %d manifests decoded strictly", n, refused, manifests)
}
