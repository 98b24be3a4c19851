package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/grafana"
	"github.com/duotel/duotel/e2e/servers"
)

// A kit is what `duotel gen` makes for one service: one vocabulary, one kind of histogram, and a service that is well or sick.
type kit struct {
	job, dir string
	names    string // the vocabulary
	native   bool
	targets  *servers.Targets
}

// variants are all outputs of the catalogue.
func variants() (out []kit) {
	for _, names := range []string{"semconv", "classic"} {
		for _, native := range []bool{false, true} {
			out = append(out, kit{names: names, native: native})
		}
	}
	return out
}

func (k kit) String() string {
	if k.native {
		return k.names + ", native"
	}
	return k.names + ", classic"
}

// generate writes the kit with the command, as a user would.
func (k kit) generate(t *testing.T, flags ...string) {
	t.Helper()
	histograms := "classic"
	if k.native {
		histograms = "native"
	}
	args := append([]string{"gen", "-o", k.dir, "-service", k.job, "-histograms", histograms}, flags...)
	servers.Run(t, 0, servers.Program(t, "cmd/duotel"), args...)
	k.hurry(t)
}

// hurry makes the alerts of a kit fire at once instead of after some minutes, and its rules be evaluated every second: what is tried here is what
// they ask. How long they wait is in promtool's tests.
func (k kit) hurry(t *testing.T) {
	t.Helper()
	for _, file := range k.rules(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		data = regexp.MustCompile(`(?m)^( +)(for|interval): .*$`).ReplaceAll(data, []byte("${1}${2}: 1s"))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (k kit) rules(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(k.dir, "rules", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules in %s: %v", k.dir, err)
	}
	return files
}

func (k kit) scrapeJob() servers.Job {
	j := servers.Job{Name: k.job, Protocol: protocols["openmetrics"], File: k.targets.File}
	if k.native {
		j.Protocol, j.Convert = protocols["protobuf"], true
	}
	return j
}

// demoKits generates all variants for a demo that is well and for one that is sick, and starts a demo for each vocabulary.
func demoKits(t *testing.T, health string, env ...string) []kit {
	t.Helper()
	all := variants()
	for i := range all {
		k := &all[i]
		k.job = fmt.Sprintf("%s-%s-%t", k.names, health, k.native)
		k.dir = filepath.Join(t.TempDir(), "ops")
		k.generate(t, "-names", k.names, "-bounds", "300ms",
			"-slo", "availability=99.9%", "-slo", "latency=99% < 300ms", "-slo", "latency(/fast)=99.5% < 100ms")
		if k.native {
			k.targets = all[i-1].targets // the same service, stored in another way
		} else {
			k.targets = servers.NewTargets(t)
			d := servers.StartService(t, servers.Program(t, "cmd/demo"), append([]string{
				"METRICS_HTTP_NAMES=" + k.names, "METRICS_HTTP_DURATION_BOUNDS=300ms", "OTEL_METRIC_EXPORT_INTERVAL=1000",
			}, env...), "-addr", "127.0.0.1:0", "-health", health, "-load", "40")
			k.targets.Set(d.Address)
		}
	}
	return all
}

// notHere are queries that the demo has nothing for, by what is in them, and why.
var notHere = map[string]string{
	"rpc_":                                   "the demo has no gRPC; TestGRPCDashboard runs that dashboard on a service that has",
	"duotel_push_spool":                      "no spool directory is set",
	"go_gc_gomemlimit_bytes":                 "shown where GOMEMLIMIT is set",
	"process_network_":                       "not on every system",
	"duotel_push_ambiguous":                  "no answer is ambiguous",
	`error_type="set_aside"`:                 "nothing is refused for what is in it",
	`error_type="rejected"`:                  "the backend rejects no point",
	`network_protocol_version="3"`:           "nobody speaks HTTP/3",
	"duotel_discovery":                       "the demo registers itself nowhere",
	`duotel_scrapes_total{outcome="timeout"`: "nothing hangs",
}

// TestEveryQueryHasData runs every query of every dashboard against demos that are well and sick: in both vocabularies and both kinds of
// histogram each returns data for at least one of them, and every metric and label in it exists. It also draws the pictures of the documents.
func TestEveryQueryHasData(t *testing.T) {
	well, ill := demoKits(t, "healthy"), demoKits(t, "sick")
	cfg := servers.PrometheusConfig{}
	for _, k := range slices.Concat(well, ill) {
		cfg.Jobs = append(cfg.Jobs, k.scrapeJob())
		cfg.Rules = append(cfg.Rules, k.rules(t)...)
	}
	p := servers.StartPrometheus(t, cfg)
	start := time.Now()
	p.Await(60*time.Second, fmt.Sprintf("count(up == 1) == %d", len(cfg.Jobs)))
	// A rate wants a while, and the stream of the demo takes two seconds.
	p.Await(120*time.Second, fmt.Sprintf("count(count_over_time(up[5m]) > 40) == %d", len(cfg.Jobs)))

	for i := range well {
		t.Run(well[i].String(), func(t *testing.T) {
			with, without := runDashboards(t, p, well[i], ill[i])
			addPrometheus(duotel, fmt.Sprintf("dashboards, %s: %d queries with data, %d explained", well[i], with, without), with+without, "0")
		})
	}
	checkRules(t, p)
	if dir := os.Getenv("PICTURES"); dir != "" {
		drawAll(t, p, dir, ill[0], start)
	}
}

// runDashboards runs every query for both jobs, and fails for those that neither has data for.
func runDashboards(t *testing.T, p *servers.Prometheus, jobs ...kit) (with, without int) {
	t.Helper()
	all, err := grafana.Read(filepath.Join(jobs[0].dir, "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		for _, panel := range d.Panels {
			for _, q := range panel.Queries {
				where := fmt.Sprintf("%s: %q %s: %s", d.Title, panel.Title, q.RefID, q.Expr)
				found := false
				for _, k := range jobs {
					expr := k.fill(d, q.Expr)
					has, err := p.Has(expr)
					if err != nil {
						t.Errorf("%s: %v", where, err)
					}
					found = found || has
				}
				reason := why(q.Expr)
				switch {
				case found:
					with++
					checkSelectors(t, p, where, jobs[0].fill(d, q.Expr))
				case reason != "":
					without++
					t.Logf("without data, because %s: %s", reason, where)
				default:
					t.Errorf("no data: %s", where)
				}
			}
		}
	}
	return with, without
}

func why(expr string) string {
	for text, reason := range notHere {
		if strings.Contains(expr, text) {
			return reason
		}
	}
	return ""
}

// fill fills in what a reader would choose: this job, and all of everything else.
func (k kit) fill(d grafana.Dashboard, expr string) string {
	values := map[string]string{}
	for _, v := range d.Variables {
		values[v] = ".+"
	}
	values["job"] = k.job
	return grafana.Fill(expr, values, "30s")
}

// known are the metrics and labels that were looked up.
var known = map[string]bool{}

// checkSelectors wants the metric of every selector of an expression to exist with every label that is asked for.
func checkSelectors(t *testing.T, p *servers.Prometheus, where, expr string) {
	t.Helper()
	selectors, err := p.Selectors(expr)
	if err != nil || len(selectors) == 0 {
		t.Errorf("%s: selectors %v, %v", where, selectors, err)
	}
	for _, s := range selectors {
		if s.Metric == "" {
			continue // every series of the job
		}
		for _, label := range append([]string{"__name__"}, s.Labels...) {
			query := fmt.Sprintf(`{__name__=%q,%s!=""}`, s.Metric, label)
			if _, done := known[query]; !done {
				found, err := p.Has("last_over_time(" + query + "[10m])")
				known[query] = found && err == nil
			}
			if !known[query] && why(expr) == "" {
				t.Errorf("%s: nothing has %s", where, query)
			}
		}
	}
}

// checkRules wants every rule to have been evaluated without an error.
func checkRules(t *testing.T, p *servers.Prometheus) {
	t.Helper()
	var all []servers.RuleState
	await(t, 30*time.Second, "every rule to be evaluated", func() bool {
		var err error
		all, err = p.Rules()
		return err == nil && !slices.ContainsFunc(all, func(r servers.RuleState) bool { return r.Health == "unknown" })
	})
	wrong := 0
	for _, r := range all {
		if r.Health != "ok" {
			wrong++
			t.Errorf("%s: %s: %s: %s", r.File, r.Name, r.Health, r.LastError)
		}
	}
	addPrometheus(duotel, "rules of the kits, evaluated", len(all), differencesOf(wrong))
}

// live are alerts that a real fault sets off here, with the fault.
var live = []string{
	"HTTPErrorRateHigh",       // a third of the requests fail
	"HTTPRequestsSlow",        // a third takes longer than a second
	"ErrorBudgetBurnsFast",    // both
	"ErrorBudgetBurns",        // both
	"PushesFailing",           // the backend answers 503
	"CallbacksFailing",        // a callback returns an error
	"CardinalityLimitReached", // an attribute has a value for each order
	"MemoryNearLimit",         // GOMEMLIMIT is far too small
	"ScrapesRefused",          // somebody asks for a format that there is not
	"TargetDown",              // the process is killed
	"ServiceAbsent",           // and was the only one
}

// TestAlertsFireLive wants a demo that is well to set off no alert, and one with real faults all of those.
func TestAlertsFireLive(t *testing.T) {
	well, ill := demoKits(t, "healthy")[:1], demoKits(t, "sick", "GOMEMLIMIT=8MiB")[:1]
	dead := kit{job: "dead", dir: filepath.Join(t.TempDir(), "ops"), names: "semconv", targets: servers.NewTargets(t)}
	dead.generate(t)
	cfg := servers.PrometheusConfig{}
	for _, k := range []kit{well[0], ill[0], dead} {
		cfg.Jobs = append(cfg.Jobs, k.scrapeJob())
		cfg.Rules = append(cfg.Rules, k.rules(t)...)
	}
	doomed := servers.StartService(t, servers.Program(t, "cmd/demo"), nil, "-addr", "127.0.0.1:0", "-health", "healthy")
	dead.targets.Set(doomed.Address)
	p := servers.StartPrometheus(t, cfg)
	p.Await(60*time.Second, "count(up == 1) == 3")
	doomed.Kill()
	target := p.Query(fmt.Sprintf(`up{job=%q}`, ill[0].job))[0].Labels["instance"]

	firing := map[string]map[string]bool{} // alerts by job
	look := func() {
		rules, err := p.Rules()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			for _, a := range r.Active {
				job := a.Labels["job"]
				if job == "" {
					job = a.Labels["sloth_service"]
				}
				if firing[job] == nil {
					firing[job] = map[string]bool{}
				}
				if a.State == "firing" {
					firing[job][r.Name] = true
				}
			}
		}
	}
	missing := func() []string {
		return slices.DeleteFunc(slices.Clone(live), func(name string) bool { return firing[ill[0].job][name] || firing["dead"][name] })
	}
	deadline := time.Now().Add(2 * time.Minute)
	for len(missing()) > 0 && time.Now().Before(deadline) {
		askForAPicture(t, target)
		time.Sleep(time.Second)
		look()
	}
	if m := missing(); len(m) > 0 {
		t.Errorf("these alerts do not fire: %v; firing are %v", m, firing)
	}
	if len(firing[well[0].job]) > 0 {
		t.Errorf("a demo that is well sets off %v", firing[well[0].job])
	}
	addPrometheus(duotel, "alerts set off live by a real fault", len(live), differencesOf(len(missing())))
}

// askForAPicture scrapes in a format that there is not.
func askForAPicture(t *testing.T, target string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "image/png")
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
	}
}
