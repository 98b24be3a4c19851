package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// expression is a PromQL expression in a document.
type expression struct {
	file, text string
	// alert says that it returns something only when something is wrong.
	alert bool
}

// alertMark is the comment in front of an expression that returns nothing in a healthy system. Every other expression has
// to return data.
const alertMark = "# alert"

// jobMatcher is what a reader fills in.
var jobMatcher = regexp.MustCompile(`job=~?"[^"]*"`)

// expressions reads all blocks marked promql in the documents. An expression is a line, and the lines after it as long as
// one begins with an operator or a bracket is open. A comment with the mark is for all expressions up to the next empty line.
func expressions(t *testing.T) []expression {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(servers.Root(), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	var out []expression
	for _, file := range append(files, filepath.Join(servers.Root(), "README.md")) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, parse(filepath.Base(file), content)...)
	}
	return out
}

// operator begins a line that goes on with the expression before it.
var operator = regexp.MustCompile(`^([-+*/%^><=!)]|(and|or|unless|on|ignoring|group_left|by|without|offset)\b)`)

func parse(file string, content []byte) (out []expression) {
	inside, alert := false, false
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, "```"):
			inside, alert = text == "```promql", false
		case !inside:
		case text == "":
			alert = false
		case strings.HasPrefix(text, "#"):
			alert = alert || strings.HasPrefix(text, alertMark)
		case len(out) > 0 && out[len(out)-1].goesOn(text):
			out[len(out)-1].text += "\n" + text
		default:
			out = append(out, expression{file, text, alert})
		}
	}
	return out
}

// goesOn says whether line is a part of e.
func (e expression) goesOn(line string) bool {
	return operator.MatchString(line) || strings.Count(e.text, "(") > strings.Count(e.text, ")")
}

// TestDocumentedQueries runs every expression of the documents against a live Prometheus.
func TestDocumentedQueries(t *testing.T) {
	p, target := scraping(t, servers.PrometheusConfig{})
	cfg := base(p.OTLP())
	cfg.HTTP.Names = telemetry.HTTPNamesBoth
	cfg.Push.Interval = time.Second
	s := service.Start(t, cfg)
	target(s.Address)
	p.Await(30*time.Second, `count(up == 1) == 3`)
	for range 2 {
		useClient(t, s)
		exercise(t, s)
		quiescent(t, p, s)
	}

	all, empty := expressions(t), 0
	for _, e := range all {
		text := jobMatcher.ReplaceAllString(e.text, `job="openmetrics"`)
		found, err := p.Has(text)
		switch {
		case err != nil:
			t.Errorf("%s: %s: %v", e.file, e.text, err)
		case !found && !e.alert:
			empty++
			t.Errorf("%s: returned nothing: %s", e.file, e.text)
		}
	}
	if len(all) == 0 {
		t.Error("the documents have no block marked promql")
	}
	addPrometheus(duotel, "expressions in docs/", len(all), differencesOf(empty))
}

// useClient makes requests through the client's side: some succeed and some fail.
func useClient(t *testing.T, s *service.Service) {
	t.Helper()
	client := &http.Client{Transport: s.SDK.Transport(&http.Transport{DisableKeepAlives: true}), Timeout: 5 * time.Second}
	for range 5 {
		for _, url := range []string{s.Metrics, "http://" + servers.FreeAddress(t)} { // nobody listens at the second
			if resp, err := client.Get(url); err == nil {
				_ = resp.Body.Close()
			}
		}
	}
}

// TestPromtoolCheckMetrics lints the names of a scrape.
func TestPromtoolCheckMetrics(t *testing.T) {
	cfg := base("http://" + servers.FreeAddress(t)) // the push exit's own metrics are linted too
	cfg.HTTP.Names, cfg.Push.ExportTimeout = telemetry.HTTPNamesBoth, 100*time.Millisecond
	s := service.Start(t, cfg)
	useClient(t, s)
	s.Round(t.Context())
	_ = s.Flush(t.Context()) // fails, and is counted
	page := body(t, s.Metrics, "text/plain")

	cmd := exec.Command(servers.Promtool(t), "check", "metrics")
	cmd.Stdin = bytes.NewReader(page)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 3) {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
	complaints := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if ours(lines.Text()) {
			complaints++
			t.Error(lines.Text())
		}
	}
	families := bytes.Count(page, []byte("# TYPE "))
	add(row{duotel, "promtool", servers.PromtoolTool.Version, "check metrics", families, differencesOf(complaints)})
}

// ours says whether a line of promtool's is about a name that Duotel chose.
func ours(line string) bool {
	for _, prefix := range []string{"duotel_", "http_", "otel_", "target_"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

func TestExpressionsAreFound(t *testing.T) {
	const document = "Text.\n\n```\nnot_promql\n```\n\n```promql\nsum(a)\nsum(b)\n  / sum(c)\nsum by (\n  d\n) (e)\n```\n\n" +
		"```promql\n# alert: something is wrong\nf > 1\ng > 1\n\nh\n```\n"
	want := []expression{
		{"x.md", "sum(a)", false},
		{"x.md", "sum(b)\n/ sum(c)", false},
		{"x.md", "sum by (\nd\n) (e)", false},
		{"x.md", "f > 1", true},
		{"x.md", "g > 1", true},
		{"x.md", "h", false},
	}
	if got := parse("x.md", []byte(document)); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
