package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
)

// unavailable reports a program that is not installed: in the table, and in CI, where it has to be, as a failure.
func unavailable(t *testing.T, name, install string) {
	t.Helper()
	add(row{duotel, name, "-", "not available: apt-get install " + install, 0, "-"})
	if os.Getenv("CI") != "" {
		t.Errorf("%s is not available; CI installs %s", name, install)
	}
}

// acceptOpenMetrics asks for the format.
const acceptOpenMetrics = "application/openmetrics-text; version=1.0.0"

// parser reads OpenMetrics strictly and says how many samples it found.
const parser = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
text = sys.stdin.buffer.read().decode("utf-8")
print(sum(len(family.samples) for family in parse(text)))
`

// TestStrictOpenMetricsParser gives OpenMetrics answers to the Python client, which takes the format at its word.
func TestStrictOpenMetricsParser(t *testing.T) {
	python, version := interpreter()
	if python == "" {
		unavailable(t, "python client", "python3-prometheus-client")
		return
	}
	s := service.Start(t, base(""))
	for _, state := range []struct {
		name    string
		prepare func()
	}{
		{"at the start", func() {}},
		{"after load", func() { s.Record(t.Context(), 300); s.RecordInvalid(t.Context()); s.Round(t.Context()) }},
	} {
		state.prepare()
		page := withoutTolerated(body(t, s.Metrics, acceptOpenMetrics))
		got, err := parseStrictly(python, page)
		if want := samples(page); err != nil || got != want {
			t.Errorf("%s: %d samples of %d: %v", state.name, got, want, err)
		}
		add(row{duotel, "python client", version, "OpenMetrics, " + state.name, samples(page), differencesOf(samples(page) - got)})
	}
}

// tolerated are families that the strict parser refuses, and that are shown all the same. They are taken out of the page before
// the rest is parsed.
var tolerated = []struct{ family, why string }{
	{"e2e_float_histogram_milliseconds", "OpenMetrics wants no _sum where a bound is negative; every exporter and Prometheus keep it, as it is data"},
}

func withoutTolerated(page []byte) []byte {
	var out []byte
	for line := range bytes.Lines(page) {
		text := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(string(line), "# HELP "), "# TYPE "), "# UNIT ")
		name := text[:strings.IndexAny(text+" ", " {\n")]
		if !slices.ContainsFunc(tolerated, func(f struct{ family, why string }) bool {
			for _, suffix := range []string{"", "_total", "_created", "_bucket", "_count", "_sum"} {
				if name == f.family+suffix {
					return true
				}
			}
			return false
		}) {
			out = append(out, line...)
		}
	}
	return out
}

// parseStrictly returns the number of samples, or the parser's last word.
func parseStrictly(python string, page []byte) (int, error) {
	cmd := exec.Command(python, "-c", parser)
	cmd.Stdin = bytes.NewReader(page)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		return 0, errors.New(lines[len(lines)-1])
	}
	return strconv.Atoi(lines[0])
}

// interpreter finds a Python that has the client, and the client's version. The system's Python comes second where there
// is another.
func interpreter() (python, version string) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(python, "-c", "import prometheus_client; from importlib.metadata import version; print(version('prometheus_client'))").Output()
		if err == nil {
			return python, strings.TrimSpace(string(out))
		}
	}
	return "", ""
}

// samples counts the lines that are none of the format's own.
func samples(page []byte) (n int) {
	for line := range bytes.Lines(page) {
		if !bytes.HasPrefix(line, []byte("#")) {
			n++
		}
	}
	return n
}

func body(t *testing.T, url, accept string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), strings.Split(accept, ";")[0]) {
		t.Fatalf("%s: asked for %s and got %s", url, accept, resp.Header.Get("Content-Type"))
	}
	return content
}

// TestVictoriaMetricsCountsAsPrometheus: another scraper sees the same series with the same values.
func TestVictoriaMetricsCountsAsPrometheus(t *testing.T) {
	program, err := exec.LookPath("victoria-metrics")
	if err != nil {
		unavailable(t, "victoria-metrics", "victoria-metrics")
		return
	}
	p, target := scraping(t, servers.PrometheusConfig{})
	s := service.Start(t, base(p.OTLP()))
	target(s.Address)
	victoria := startVictoria(t, program, s.Address)
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
	add(row{duotel, "victoria-metrics", victoriaVersion(), "text", result.Compared, differences(result)})
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

// victoriaVersion is the package's: Debian's program does not know its own.
func victoriaVersion() string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${source:Upstream-Version}", "victoria-metrics").Output()
	if err != nil {
		return "unknown"
	}
	return string(out)
}

// startVictoria starts a VictoriaMetrics that scrapes address. Its query API is Prometheus's.
func startVictoria(t *testing.T, program, address string) *servers.Prometheus {
	t.Helper()
	dir, listen := t.TempDir(), servers.FreeAddress(t)
	config := filepath.Join(dir, "scrape.yml")
	content := fmt.Sprintf("scrape_configs: [{job_name: text, scrape_interval: 1s, static_configs: [{targets: [%q]}]}]\n", address)
	if err := os.WriteFile(config, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	process := servers.StartProcess(t, "victoria-metrics", program, "http://"+listen+"/health", nil,
		"-httpListenAddr="+listen, "-storageDataPath="+filepath.Join(dir, "data"), "-promscrape.config="+config,
		"-search.latencyOffset=0s", "-search.disableCache", "-retentionPeriod=1")
	return servers.PrometheusAt(process, "http://"+listen)
}
