package servers

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Job is one scrape job of a Prometheus.
type Job struct {
	Name string
	// Protocol is the one Prometheus asks for, in the words of scrape_protocols.
	Protocol string
	// File has the targets: that of a [Targets].
	File string
}

// PrometheusConfig says what a Prometheus does beyond storing.
type PrometheusConfig struct {
	Jobs []Job
	// Features are added to those that every Prometheus here has.
	Features []string
	// Promote are resource attributes that become labels of what is pushed.
	Promote []string
}

// features: exemplars and zero samples from start times are stored, and a series carries its type and unit, so that
// the tests can compare them.
var features = []string{"exemplar-storage", "created-timestamp-zero-ingestion", "type-and-unit-labels"}

// Prometheus is a running Prometheus with an empty store.
type Prometheus struct {
	*Process
	// URL is its address, without a slash at the end.
	URL string
}

// OTLP is where OTLP over HTTP is pushed to.
func (p *Prometheus) OTLP() string { return p.URL + "/api/v1/otlp/v1/metrics" }

// StartPrometheus starts a Prometheus that scrapes what cfg says and takes OTLP.
func StartPrometheus(tb testing.TB, cfg PrometheusConfig) *Prometheus {
	tb.Helper()
	dir, address := tb.TempDir(), FreeAddress(tb)
	p := &Prometheus{URL: "http://" + address}
	p.Process = start(tb, "prometheus", build(tb, PrometheusTool), p.URL+"/-/ready",
		"--config.file="+write(tb, dir, "prometheus.yml", cfg.yaml()),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address,
		"--web.enable-otlp-receiver",
		"--enable-feature="+strings.Join(append(features, cfg.Features...), ","),
		"--log.level=warn",
	)
	return p
}

// yaml writes cfg. The translation of names is Prometheus's default; what it leaves out by default, the scope and the
// identity in target_info, is kept, so that it can be compared.
func (cfg PrometheusConfig) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, `global: {scrape_interval: 1s, scrape_timeout: 1s}
storage: {exemplars: {max_exemplars: 10000}}
otlp:
  promote_scope_metadata: true
  keep_identifying_resource_attributes: true
  promote_resource_attributes: [%s]
scrape_configs:
`, strings.Join(cfg.Promote, ", "))
	for _, job := range cfg.Jobs {
		b.WriteString(job.yaml())
	}
	return b.String()
}

func (j Job) yaml() string {
	return fmt.Sprintf(`- job_name: %q
  scrape_protocols: [%s]
  scrape_native_histograms: %t
  file_sd_configs: [{files: [%q], refresh_interval: 1s}]
`, j.Name, j.Protocol, j.Protocol == "PrometheusProto", j.File)
}

// Promtool returns the path of promtool.
func Promtool(tb testing.TB) string {
	tb.Helper()
	return build(tb, PromtoolTool)
}

// PrometheusAt is for a server that has Prometheus's query API.
func PrometheusAt(process *Process, url string) *Prometheus {
	return &Prometheus{Process: process, URL: url}
}
