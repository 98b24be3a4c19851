package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// run is the command as a shell sees it.
func run(t *testing.T, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	s := cli.Streams{In: strings.NewReader(stdin), Out: &out, Err: &errOut}
	status = cli.Run(t.Context(), root(s), args, s)
	return status, out.String(), errOut.String()
}

// want fails the test unless the status is as wanted and the output has each of the texts.
func want(t *testing.T, status int, says []string, args ...string) string {
	t.Helper()
	got, out, errOut := run(t, "", args...)
	if got != status {
		t.Errorf("%q: status %d, want %d\n%s%s", args, got, status, out, errOut)
	}
	for _, text := range says {
		if !strings.Contains(out+errOut, text) {
			t.Errorf("%q: want %q in\n%s%s", args, text, out, errOut)
		}
	}
	return out
}

// TestUsage calls the command wrongly in each row.
func TestUsage(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("schema: duotel.metrics/v1\ninstruments: [{name: a, kinds: counter}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		says []string
	}{
		{nil, []string{"check", "contract"}},
		{[]string{"chek"}, []string{"check"}},
		{[]string{"check"}, []string{"one URL"}},
		{[]string{"check", "localhost:8080"}, []string{`"localhost:8080"`, "http://"}},
		{[]string{"check", "-x", "http://localhost"}, []string{"-x", "-require"}},
		{[]string{"check", "-timeout", "0s", "http://localhost"}, []string{"-timeout=0s"}},
		{[]string{"check", "-contract", bad, "http://127.0.0.1:1"}, []string{bad + ":2:", `unknown key "kinds"`, "kind"}},
		{[]string{"check", "-bearer-token-file", "/nowhere", "http://127.0.0.1:1"}, []string{"-bearer-token-file", "/nowhere"}},
		{[]string{"contract"}, []string{"record, diff, export or import"}},
		{[]string{"contract", "diff", "a"}, []string{"two files"}},
		{[]string{"contract", "diff", bad, bad}, []string{bad + ":2:"}},
		{[]string{"contract", "record"}, []string{"one page"}},
		{[]string{"contract", "export", flyteContract}, []string{"-weaver=false"}},
		{[]string{"contract", "export", "-weaver", bad}, []string{bad + ":2:"}},
		{[]string{"contract", "import", "-weaver"}, []string{"files of a registry"}},
		{[]string{"contract", "import", "-weaver", "-open", "0", bad}, []string{"-open=0"}},
		{[]string{"contract", "import", "-weaver", "/nowhere"}, []string{"/nowhere"}},
		{[]string{"contract", "import", "-weaver", bad}, []string{bad + ":1:1", `unknown key "schema"`, "groups"}},
	} {
		want(t, cli.Usage, tt.says, tt.args...)
	}
	for _, args := range [][]string{{"-h"}, {"check", "-h"}, {"contract", "record", "-h"}} {
		want(t, cli.OK, []string{"USAGE"}, args...)
	}
}

// TestCheckARealPage checks the page of a real SDK, once as it is and once against what it does not keep.
func TestCheckARealPage(t *testing.T) {
	kit := telemetrytest.New(t)
	h := kit.SDK.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/x", nil))
	}
	server := httptest.NewServer(kit.SDK.MetricsHandler())
	defer server.Close()

	want(t, cli.OK, []string{"text", "openmetrics", "protobuf", "samples", "nothing found"},
		"check", "-require", "http_server_request_duration_seconds,go_goroutines", server.URL)
	out := want(t, cli.OK, nil, "check", "-top", "1", server.URL)
	if !strings.Contains(out, "http_server_request_duration_seconds  51      http_request_method") || !strings.Contains(out, "3       17") {
		t.Errorf("three methods make 3 x 17 series, 17 without the method:\n%s", out)
	}
	want(t, cli.Finding, []string{"required: orders_total is not on the page"}, "check", "-require", "orders_total", server.URL)

	file := filepath.Join(t.TempDir(), "metrics.yaml")
	recorded := want(t, cli.OK, []string{"http_server_request_duration_seconds", "[GET, POST, PUT]"}, "contract", "record", "-service", "shop", server.URL)
	if err := os.WriteFile(file, []byte(recorded), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, cli.OK, []string{"nothing found"}, "check", "-contract", file, server.URL)
	next := filepath.Join(filepath.Dir(file), "next.yaml")
	if err := os.WriteFile(next, []byte(strings.Replace(recorded, "[GET, POST, PUT]", "[GET, POST]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, cli.Finding, []string{"breaking", `http_request_method="PUT" removed`}, "contract", "diff", file, next)
	want(t, cli.OK, nil, "contract", "diff", file, file)
	want(t, cli.Finding, []string{`http_request_method="PUT" added`}, "check", "-contract", next, server.URL)
	want(t, cli.OK, nil, "contract", "record", "-update", next, server.URL)
	want(t, cli.OK, nil, "contract", "diff", file, next)
}

// TestCheckBadPages wants everything that is wrong with a page to be told, and a page of one kind never to pass for another.
func TestCheckBadPages(t *testing.T) {
	const text, openMetrics = "text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"
	for name, tt := range map[string]struct {
		status            int
		contentType, body string
		args              []string
		says              []string
	}{
		"html":          {200, "text/html", "<html>", nil, []string{`answered with Content-Type "text/html"`}},
		"403":           {403, text, "no token\nsecret", nil, []string{"status 403 Forbidden: no token"}},
		"broken line":   {200, text, "a_total 1\nb{ 2\n", nil, []string{"text: "}},
		"twice":         {200, text, "a 1\na 2\n", nil, []string{"is there twice"}},
		"no EOF":        {200, openMetrics, "a 1\n", nil, []string{"openmetrics: "}},
		"lint":          {200, text, "# HELP myCounter x\n# TYPE myCounter counter\nmyCounter 1\n", nil, []string{"lint: myCounter", "_total"}},
		"too large":     {200, text, strings.Repeat("# comment\n", 100), []string{"-max-bytes", "50"}, []string{"more than 50 bytes"}},
		"one only":      {200, text, "a 1\n", nil, []string{"protobuf: asked for", "openmetrics: asked for"}},
		"not a counter": {200, text, "# TYPE a counter\na{b=\"\xff\"} 1\n", nil, []string{"text: "}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			want(t, cli.Finding, tt.says, append(append([]string{"check"}, tt.args...), server.URL)...)
		})
	}
}

// TestSecrets wants neither a password in the address nor a token in an error.
func TestSecrets(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("t0ken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, out, errOut := run(t, "", "check", "-bearer-token-file", token, "http://user:s3cret@127.0.0.1:1/metrics")
	if strings.Contains(out+errOut, "s3cret") || strings.Contains(out+errOut, "t0ken") {
		t.Errorf("it says\n%s%s", out, errOut)
	}
}

// TestRecordFromStdin records a page that was saved.
func TestRecordFromStdin(t *testing.T) {
	status, out, errOut := run(t, "# TYPE orders_total counter\norders_total{outcome=\"ok\"} 1\n", "contract", "record", "-")
	if status != cli.OK || !strings.Contains(out, "outcome: [ok]") {
		t.Errorf("status %d: %s%s", status, out, errOut)
	}
}

// TestWeaver writes a contract as a registry and reads it again: nothing has changed but that the registry says how stable each metric is.
func TestWeaver(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	registry := write("registry.yaml", want(t, cli.OK, []string{"metric_name: flyteadmin_request_total"}, "contract", "export", "-weaver", flyteContract))
	again := write("again.yaml", want(t, cli.OK, []string{"service: flyte"}, "contract", "import", "-weaver", "-service", "flyte", registry))
	want(t, cli.OK, []string{"0 changes"}, "contract", "diff", flyteContract, again)
	summary := write("summary.yaml", "schema: duotel.metrics/v1\ninstruments: [{name: a, kind: summary}]\n")
	want(t, cli.OK, []string{"left out: a: a summary"}, "contract", "export", "-weaver", summary)
	other := write("other.yaml", "groups: [{id: metric.a, type: metric, metric_name: a, instrument: gauge, unit: s, brief: A, stability: stable, attributes: [{ref: b}]}]\n")
	want(t, cli.OK, []string{"b: {open: 7}", "b is in none of the files"}, "contract", "import", "-weaver", "-open", "7", other)
}

// TestContractDoc wants docs/contract.md's contract to be read, and what it shows of diff to be what diff says.
func TestContractDoc(t *testing.T) {
	doc, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, _ := strings.Cut(string(doc), "```"+language+"\n")
		text, _, found := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("docs/contract.md has no block of %s", language)
		}
		return text
	}
	before := block("yaml")
	after := strings.Replace(strings.Replace(before, "[0.1, 0.5, 1]", "[0.1, 1]", 1), "[accepted, refused]", "[accepted, refused, lost]", 1)
	dir := t.TempDir()
	for name, text := range map[string]string{"old.yaml": before, "metrics.yaml": after} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := want(t, cli.Finding, nil, "contract", "diff", filepath.Join(dir, "old.yaml"), filepath.Join(dir, "metrics.yaml"))
	var lines []string
	for line := range strings.Lines(got) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	if shown := strings.Join(lines, "\n") + "\n"; shown != block("text") {
		t.Errorf("diff says\n%s\ndocs/contract.md shows\n%s", shown, block("text"))
	}
	for line := range strings.Lines(block("sh")) {
		words := strings.Fields(line)[1:]
		command := words[:1]
		if words[0] == "contract" {
			command = words[:2]
		}
		for _, word := range words {
			if strings.HasPrefix(word, "-") {
				want(t, cli.OK, []string{"  " + word}, append(slices.Clone(command), "-h")...)
			}
		}
	}
}

const flyteContract = "../../examples/flyte/metrics.yaml"

// TestGen writes a kit, and wants a second run to change nothing and a third, after somebody has edited a file, to refuse.
func TestGen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ops")
	args := []string{
		"gen", "-o", dir, "-service", "flyte", "-names", "classic", "-bounds", "400ms", "-period", "28d", "-contract", flyteContract,
		"-slo", "availability=99.9%", "-slo", "latency(/pay)=99.5% < 400ms",
		"-slo", `workflows=99% of flytepropeller_workflow_total{phase=~"succeeded|failed"} except {phase="failed"}`,
		"-slo", `admin=99% of flyteadmin_request_duration_seconds < 400ms`,
		"-slo", `retries=90% of flytepropeller_enqueue_total except flytepropeller_retries_total{reason="preempted"}`,
		"-alert", `RetrySpike for 10m page: sum(rate(flytepropeller_retries_total{job="flyte",reason=~"system_error|preempted"}[5m])) > 1`,
	}
	want(t, cli.OK, []string{"files written, 0 unchanged"}, args...)
	want(t, cli.OK, []string{"0 files written"}, args...)
	for file, texts := range map[string][]string{
		"rules/alerts.yaml":                               {"HTTPErrorRateHigh", `http_requests_total{job="flyte"`, "runbook_url"},
		"rules/slo-latency-pay-400ms.yaml":                {"latency-pay-400ms", `le="0.4"`, "slo:sli_error:ratio_rate5m"},
		"rules/slo-workflows.yaml":                        {"workflows", "flytepropeller_workflow_total"},
		"rules/own.yaml":                                  {"RetrySpike", "for: 10m", "severity: page"},
		"dashboards/own.json":                             {"flyteadmin_request_duration_seconds_bucket", "task_type"},
		"dashboards/service.json":                         {"http_requests_total"},
		"rules/tests/slo-workflows-errorbudgetburns.yaml": {"exp_alerts"},
		"prometheus.yaml":                                 {"scrape.yaml", "rules/*.yaml"},
		"README.md":                                       {"workflows", "28d", "classic"},
	} {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Error(err)
		}
		for _, text := range texts {
			if !strings.Contains(string(data), text) {
				t.Errorf("%s lacks %q", file, text)
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "rules/own.yaml"), []byte("by hand"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, cli.Finding, []string{"rules/own.yaml", "-force"}, args...)
	want(t, cli.OK, []string{"1 files written"}, append([]string{"gen", "-force"}, args[1:]...)...)
}

// TestGenWithPrefix wants objectives, alerts and panels to ask for the names on the page of a service with a prefix, where the contract has OpenTelemetry's;
// what was recorded from a page has its prefix already.
func TestGenWithPrefix(t *testing.T) {
	file, dir := filepath.Join(t.TempDir(), "metrics.yaml"), filepath.Join(t.TempDir(), "ops")
	text := "schema: duotel.metrics/v1\ninstruments:\n  - {name: shop.orders, kind: counter, attributes: {outcome: [ok, lost]}}\n  - {name: queue_jobs_total, kind: counter}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, cli.OK, nil, "gen", "-o", dir, "-service", "shop", "-namespace", "acme", "-subsystem", "eu", "-contract", file,
		"-slo", `orders=99% of acme_eu_shop_orders_total except {outcome="lost"}`, "-alert", "Idle: rate(queue_jobs_total[5m]) == 0")
	data, err := os.ReadFile(filepath.Join(dir, "dashboards/own.json"))
	if err != nil || !strings.Contains(string(data), "rate(acme_eu_shop_orders_total{") || !strings.Contains(string(data), "rate(queue_jobs_total{") {
		t.Errorf("the dashboard does not ask for the page's names (%v)", err)
	}
	want(t, cli.Usage, []string{"shop_orders_total is not in the contract; it has acme_eu_shop_orders_total"},
		"gen", "-o", dir, "-service", "shop", "-namespace", "acme", "-subsystem", "eu", "-contract", file, "-slo", `orders=99% of shop_orders_total except {outcome="lost"}`)
}

// TestGenWithoutKubernetes wants a job that can be no name in Kubernetes to have everything else.
func TestGenWithoutKubernetes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ops")
	want(t, cli.OK, []string{"no manifests for Kubernetes", `"Shop_1"`}, "gen", "-o", dir, "-service", "Shop_1")
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil || strings.Contains(string(readme), "kubernetes/") {
		t.Errorf("the README tells of manifests that are not there (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "rules/alerts.yaml")); err != nil {
		t.Error(err)
	}
}

// TestGenRefuses has one thing that is wrong in each row, and wants it named with what is allowed.
func TestGenRefuses(t *testing.T) {
	own := func(flags ...string) []string { return append([]string{"-contract", flyteContract}, flags...) }
	for _, tt := range []struct{ args, says []string }{
		{[]string{"-service", ""}, []string{`-service=""`}},
		{[]string{"-names", "old"}, []string{`"old"`, "semconv"}},
		{[]string{"-histograms", "sparse"}, []string{`"sparse"`, "native"}},
		{[]string{"-namespace", "my-shop"}, []string{`"my-shop"`}},
		{[]string{"-bounds", "0.3"}, []string{`"0.3"`, "300ms,1s"}},
		{[]string{"-period", "1h"}, []string{`"1h"`, "7d"}},
		{[]string{"-slo", "latency=99% < 300ms"}, []string{"300ms", "METRICS_HTTP_DURATION_BOUNDS=300ms"}},
		{[]string{"-slo", "uptime=99%"}, []string{`"uptime=99%"`, "availability=99.9%"}},
		{[]string{"-contract", "/nowhere"}, []string{"-contract", "/nowhere"}},
		{own("-slo", "a=99% of flyteadmin_requests_total except {code=\"Internal\"}"), []string{"flyteadmin_requests_total is not in the contract", "flyteadmin_request_total"}},
		{own("-slo", "a=99% of flyteadmin_request_total except {status=\"500\"}"), []string{"no attribute status"}},
		{own("-slo", "a=99% of flyteadmin_request_total except {code=\"Lost\"}"), []string{"never has", "Unavailable"}},
		{own("-slo", "a=99% of flyteadmin_request_duration_seconds < 500ms"), []string{"500ms is no bound", "0.4"}},
		{own("-slo", "a=99% of flyteadmin_request_total < 400ms"), []string{"is a counter"}},
		{own("-slo", "a=200% of flyteadmin_request_total except {code=\"Internal\"}"), []string{"200%"}},
		{own("-alert", "lower: flyteadmin_request_total > 1"), []string{"NAME [for 5m]"}},
		{own("-alert", "A: rate(flyteadmin_request_total > 1"), []string{`A: rate(`, "NAME [for 5m]"}},
		{own("-alert", "A: rate(flyteadmin_request_total{verb=\"GET\"}[5m]) > 1"), []string{"alert A breaks", "no attribute verb"}},
		{own("-alert", "A: rate(flyteadmin_request_duration_seconds_bucket{le=\"0.5\"}[5m]) > 1"), []string{"alert A breaks", "no bucket", "0.4"}},
		{[]string{"rest"}, []string{`"rest"`}},
	} {
		dir := filepath.Join(t.TempDir(), "ops")
		want(t, cli.Usage, tt.says, append([]string{"gen", "-o", dir, "-service", "flyte"}, tt.args...)...)
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%q: something was written although it was refused", tt.args)
		}
	}
}

// TestGenBreaks renames an instrument, drops an attribute and moves a bound in the contract, and wants each to be refused with the name
// of the alert or objective that it breaks.
func TestGenBreaks(t *testing.T) {
	data, err := os.ReadFile(flyteContract)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, says string }{
		{"name: flytepropeller_retries_total", "name: flytepropeller_retry_total", "alert RetrySpike breaks: flytepropeller_retries_total is not in the contract"},
		{"      reason: [preempted, system_error, user_error]", "      cause: [preempted]", "alert RetrySpike breaks: flytepropeller_retries_total has no attribute reason"},
		{"0.2, 0.4, 0.8", "0.2, 0.5, 0.8", "slo admin: 400ms is no bound of flyteadmin_request_duration_seconds"},
	} {
		changed := strings.Replace(string(data), tt.from, tt.to, 1)
		if changed == string(data) {
			t.Fatalf("%q is not in the contract", tt.from)
		}
		file := filepath.Join(t.TempDir(), "metrics.yaml")
		if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, cli.Usage, []string{tt.says}, "gen", "-o", t.TempDir(), "-service", "flyte", "-contract", file,
			"-slo", "admin=99% of flyteadmin_request_duration_seconds < 400ms",
			"-alert", `RetrySpike: sum(rate(flytepropeller_retries_total{reason=~".+"}[5m])) > 1`)
	}
}
