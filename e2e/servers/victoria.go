package servers

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
)

// Victoria returns the path of the installed VictoriaMetrics, and its version; no path where there is none.
func Victoria() (program, version string) {
	program, err := exec.LookPath("victoria-metrics")
	if err != nil {
		return "", ""
	}
	// The package's version: Debian's program does not know its own.
	out, err := exec.Command("dpkg-query", "-W", "-f", "${source:Upstream-Version}", "victoria-metrics").Output()
	if err != nil {
		return program, "unknown"
	}
	return program, string(out)
}

// StartVictoria starts a VictoriaMetrics that scrapes target every second, as the job text. Its query API is Prometheus's.
func StartVictoria(tb testing.TB, program, target string) *Prometheus {
	tb.Helper()
	return startVictoria(tb, program, target, nil)
}

func startVictoria(tb testing.TB, program, target string, addresses picker) *Prometheus {
	tb.Helper()
	dir := tb.TempDir()
	config := write(tb, dir, "scrape.yml",
		fmt.Sprintf("scrape_configs: [{job_name: text, scrape_interval: 1s, static_configs: [{targets: [%q]}]}]\n", target))
	p := &Prometheus{}
	p.Process = StartProcess(tb, "victoria-metrics", program, func() Launch {
		listen := addresses.pick(tb)
		p.URL, p.api = "http://"+listen, "http://"+listen
		return Launch{Ready: p.URL + "/health", Args: []string{
			"-httpListenAddr=" + listen, "-storageDataPath=" + filepath.Join(dir, "data"), "-promscrape.config=" + config,
			"-search.latencyOffset=0s", "-search.disableCache", "-retentionPeriod=1", "-loggerLevel=WARN",
		}}
	})
	return p
}
