package servers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// Job is one scrape job of a Prometheus.
type Job struct {
	Name string
	// Protocol is the one Prometheus asks for, in the words of scrape_protocols.
	Protocol string
	// File has the targets: that of a [Targets].
	File string
	// SD is the URL of HTTP service discovery, instead of a File.
	SD string
	// Convert stores classic histograms as native ones with custom buckets.
	Convert bool
}

// PrometheusConfig says what a Prometheus does beyond storing.
type PrometheusConfig struct {
	Jobs []Job
	// Features are added to those that every Prometheus here has.
	Features []string
	// Promote are resource attributes that become labels of what is pushed.
	Promote []string
	// Basic is the user:password that every request needs, OTLP too; empty for none.
	Basic string
	// Rules are rule files.
	Rules []string
	// Lookback is how old the latest sample of a series may be; empty for the default.
	Lookback string

	addresses picker
}

// features: exemplars and zero samples from start times are stored, and a series carries its type and unit, so that
// the tests can compare them.
var features = []string{"exemplar-storage", "created-timestamp-zero-ingestion", "type-and-unit-labels"}

// Prometheus is a running Prometheus with an empty store.
type Prometheus struct {
	*Process
	// URL is its address, without a slash at the end.
	URL string

	api string // the same, with user and password where they are needed
}

// OTLP is where OTLP over HTTP is pushed to.
func (p *Prometheus) OTLP() string { return p.URL + "/api/v1/otlp/v1/metrics" }

// StartPrometheus starts a Prometheus that scrapes what cfg says and takes OTLP.
func StartPrometheus(tb testing.TB, cfg PrometheusConfig) *Prometheus {
	tb.Helper()
	dir := tb.TempDir()
	args := append(cfg.options(tb, dir),
		"--config.file="+write(tb, dir, "prometheus.yml", cfg.yaml()),
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.enable-otlp-receiver",
		"--enable-feature="+strings.Join(append(features, cfg.Features...), ","),
		"--log.level=warn",
	)
	p := &Prometheus{}
	p.Process = StartProcess(tb, "prometheus", build(tb, PrometheusTool), func() Launch {
		address := cfg.addresses.pick(tb)
		p.URL, p.api = "http://"+address, "http://"+address
		if cfg.Basic != "" {
			p.api = "http://" + cfg.Basic + "@" + address
		}
		return Launch{Ready: p.api + "/-/ready", Args: slices.Concat(args, []string{"--web.listen-address=" + address})}
	})
	return p
}

// options are the flags for what is not always asked for.
func (cfg PrometheusConfig) options(tb testing.TB, dir string) (out []string) {
	tb.Helper()
	if cfg.Lookback != "" {
		out = append(out, "--query.lookback-delta="+cfg.Lookback)
	}
	if cfg.Basic != "" {
		user, password, _ := strings.Cut(cfg.Basic, ":")
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, "--web.config.file="+write(tb, dir, "web.yml", fmt.Sprintf("basic_auth_users: {%q: %q}\n", user, hash)))
	}
	return out
}

// yaml writes cfg. The translation of names is Prometheus's default; what it leaves out by default, the scope and the
// identity in target_info, is kept, so that it can be compared.
func (cfg PrometheusConfig) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, `global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%s]
storage: {exemplars: {max_exemplars: 10000}}
otlp:
  promote_scope_metadata: true
  keep_identifying_resource_attributes: true
  promote_resource_attributes: [%s]
scrape_configs:
`, strings.Join(quoted(cfg.Rules), ", "), strings.Join(cfg.Promote, ", "))
	for _, job := range cfg.Jobs {
		b.WriteString(job.yaml())
	}
	return b.String()
}

func quoted(files []string) (out []string) {
	for _, f := range files {
		out = append(out, fmt.Sprintf("%q", f))
	}
	return out
}

func (j Job) yaml() string {
	targets := fmt.Sprintf(`file_sd_configs: [{files: [%q], refresh_interval: 1s}]`, j.File)
	if j.SD != "" {
		targets = fmt.Sprintf(`http_sd_configs: [{url: %q, refresh_interval: 1s}]`, j.SD)
	}
	return fmt.Sprintf(`- job_name: %q
  scrape_protocols: [%s]
  scrape_native_histograms: %t
  convert_classic_histograms_to_nhcb: %t
  %s
`, j.Name, j.Protocol, j.Protocol == "PrometheusProto", j.Convert, targets)
}

// Promtool returns the path of promtool.
func Promtool(tb testing.TB) string {
	tb.Helper()
	return build(tb, PromtoolTool)
}
