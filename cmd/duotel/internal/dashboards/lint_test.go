package dashboards

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// lintRules are those of Grafana's dashboard-linter, which cannot be built here, said again: its docs/rules has a page for
// each name. Eleven are those of its index, docs/index.md; template-on-time-change-reload, panel-no-targets-rule and
// target-counter-agg-rule came later.
var lintRules = map[string]func(board) []string{
	"template-datasource-rule":       templateDatasource,
	"template-job-rule":              func(b board) []string { return templateChoice(b, "job", "Job") },
	"template-instance-rule":         func(b board) []string { return templateChoice(b, "instance", "Instance") },
	"template-label-promql-rule":     templateLabels,
	"template-on-time-change-reload": templateReload,
	"panel-datasource-rule":          panelDatasource,
	"panel-title-description-rule":   panelTitle,
	"panel-units-rule":               panelUnits,
	"panel-no-targets-rule":          panelTargets,
	"target-promql-rule":             onTargets(targetParses),
	"target-rate-interval-rule":      onTargets(targetInterval),
	"target-job-rule":                onTargets(func(e parser.Expr) []string { return targetMatcher(e, "job") }),
	"target-instance-rule":           onTargets(func(e parser.Expr) []string { return targetMatcher(e, "instance") }),
	"target-counter-agg-rule":        onTargets(targetCounter),
}

// TestLint holds every dashboard of every setup to the rules.
func TestLint(t *testing.T) {
	for setup, o := range setups(t) {
		for _, d := range mustDashboards(t, o) {
			b := decode(t, d)
			for rule, check := range lintRules {
				for _, wrong := range check(b) {
					t.Errorf("%s: %s: %s: %s", setup, d.File, rule, wrong)
				}
			}
		}
	}
}

// TestLintFinds breaks a dashboard once for each rule, and shows that the rule and no other says so.
func TestLintFinds(t *testing.T) {
	for rule, spoil := range map[string]func(*board){
		"template-datasource-rule":       func(b *board) { b.Templating.List[0].Name = "source" },
		"template-job-rule":              func(b *board) { b.Templating.List[1].AllValue = ".*" },
		"template-instance-rule":         func(b *board) { b.Templating.List[2].Multi = false },
		"template-label-promql-rule":     func(b *board) { b.Templating.List[1].Query = "label_values(up{, job)" },
		"template-on-time-change-reload": func(b *board) { b.Templating.List[1].Refresh = 1 },
		"panel-datasource-rule":          func(b *board) { b.Panels[1].Datasource.UID = "prometheus" },
		"panel-title-description-rule":   func(b *board) { b.Panels[1].Description = "" },
		"panel-units-rule":               func(b *board) { b.Panels[1].FieldConfig.Defaults.Unit = "requests" },
		"panel-no-targets-rule":          func(b *board) { b.Panels[1].Targets = nil },
		"target-promql-rule":             func(b *board) { b.Panels[1].Targets[0].Expr = "sum(" },
		"target-rate-interval-rule": func(b *board) {
			b.Panels[1].Targets[0].Expr = strings.ReplaceAll(b.Panels[1].Targets[0].Expr, window, "5m")
		},
		"target-job-rule":      func(b *board) { b.Panels[1].Targets[0].Expr = `up{instance=~"$instance"}` },
		"target-instance-rule": func(b *board) { b.Panels[1].Targets[0].Expr = `up{job=~"$job",instance="$instance"}` },
		"target-counter-agg-rule": func(b *board) {
			b.Panels[1].Targets[0].Expr = `sum(a_total{job=~"$job",instance=~"$instance"})`
		},
	} {
		b := decode(t, mustDashboards(t, Options{Names: mustNames(t, setups(t)["semconv, native=false"].Names.Options())})[0])
		spoil(&b)
		for name, check := range lintRules {
			if found := check(b); (len(found) > 0) != (name == rule) {
				t.Errorf("with %s broken, %s finds %q", rule, name, found)
			}
		}
	}
}

func templateDatasource(b board) (wrong []string) {
	found := 0
	for _, v := range b.Templating.List {
		if v.Type != "datasource" {
			continue
		}
		found++
		if v.Query != "prometheus" || v.Name != "datasource" && v.Name != "prometheus_datasource" || v.Label != "Data source" && v.Label != "Prometheus data source" {
			wrong = append(wrong, fmt.Sprintf("data source %q labeled %q asks for %q", v.Name, v.Label, v.Query))
		}
	}
	if found != 1 {
		wrong = append(wrong, fmt.Sprintf("%d data sources to choose; want one", found))
	}
	return wrong
}

func templateChoice(b board, name, label string) (wrong []string) {
	i := slices.IndexFunc(b.Templating.List, func(v boardVariable) bool { return v.Name == name })
	if i < 0 {
		return []string{"no variable " + name}
	}
	v := b.Templating.List[i]
	if v.Type != "query" || v.Label != label || !v.Multi || v.AllValue != ".+" || v.Datasource.UID != "${datasource}" {
		wrong = append(wrong, fmt.Sprintf("%+v", v))
	}
	return wrong
}

// labelValues is a query of a variable: label_values(SELECTOR, LABEL).
var labelValues = regexp.MustCompile(`^label_values\((.+), *([a-zA-Z_]\w*)\)$`)

func templateLabels(b board) (wrong []string) {
	for _, v := range b.Templating.List {
		if v.Type != "query" {
			continue
		}
		match := labelValues.FindStringSubmatch(v.Query)
		if match == nil {
			wrong = append(wrong, v.Name+": "+v.Query)
			continue
		}
		if _, err := parse(match[1]); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %s: %v", v.Name, v.Query, err))
		}
	}
	return wrong
}

func templateReload(b board) (wrong []string) {
	for _, v := range b.Templating.List {
		if v.Type == "query" && v.Refresh != 2 {
			wrong = append(wrong, fmt.Sprintf("%s is refreshed %d; want 2, when the time range changes", v.Name, v.Refresh))
		}
	}
	return wrong
}

func panelDatasource(b board) (wrong []string) {
	for _, p := range b.panels() {
		if p.Datasource.UID != "${datasource}" || p.Datasource.Type != "prometheus" {
			wrong = append(wrong, fmt.Sprintf("%q uses %+v", p.Title, p.Datasource))
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != "${datasource}" {
				wrong = append(wrong, fmt.Sprintf("%q asks %q", p.Title, q.Datasource.UID))
			}
		}
	}
	return wrong
}

func panelTitle(b board) (wrong []string) {
	for _, p := range b.panels() {
		if p.Title == "" || p.Description == "" {
			wrong = append(wrong, fmt.Sprintf("panel %d: title %q, description %q", p.ID, p.Title, p.Description))
		}
	}
	return wrong
}

// grafanaUnits are the ids of Grafana's that the catalogue and contracts may use, of packages/grafana-data/src/valueFormats/categories.ts.
var grafanaUnits = strings.Fields(`none short percent percentunit bytes decbytes kbytes deckbytes mbytes decmbytes gbytes decgbytes bits Bps binBps
	ns µs ms s m h d ops reqps cps hertz celsius volt amp watt joule lengthm massg`)

func panelUnits(b board) (wrong []string) {
	for _, p := range b.panels() {
		if !slices.Contains(grafanaUnits, p.FieldConfig.Defaults.Unit) {
			wrong = append(wrong, fmt.Sprintf("%q: unit %q", p.Title, p.FieldConfig.Defaults.Unit))
		}
	}
	return wrong
}

func panelTargets(b board) (wrong []string) {
	for _, p := range b.panels() {
		if len(p.Targets) == 0 {
			wrong = append(wrong, fmt.Sprintf("%q asks nothing", p.Title))
		}
	}
	return wrong
}

// marker is a rate interval that nobody would write, so that it can be told from one that is written.
const (
	marker      = "8869990787ms"
	markerRange = 8869990787 * time.Millisecond
)

// parse reads a query with Grafana's variables in it.
func parse(expr string) (parser.Expr, error) {
	return parser.NewParser(parser.Options{}).ParseExpr(strings.ReplaceAll(expr, window, marker))
}

// onTargets makes a rule about queries a rule about a board. What does not parse is the finding of one rule alone.
func onTargets(check func(parser.Expr) []string) func(board) []string {
	return func(b board) (wrong []string) {
		for _, p := range b.panels() {
			for _, q := range p.Targets {
				e, err := parse(q.Expr)
				if err != nil {
					e = nil // the parser returns what it understood
				}
				for _, w := range check(e) {
					wrong = append(wrong, fmt.Sprintf("%q: %s: %s", p.Title, w, q.Expr))
				}
			}
		}
		return wrong
	}
}

func targetParses(e parser.Expr) []string {
	if e == nil {
		return []string{"is no PromQL"}
	}
	return nil
}

func targetInterval(e parser.Expr) (wrong []string) {
	walk(e, func(node parser.Node, path []parser.Node) {
		call, ok := node.(*parser.Call)
		if !ok {
			return
		}
		switch call.Func.Name {
		case "irate":
			wrong = append(wrong, "irate shows two samples of many")
		case "rate", "increase", "delta", "deriv":
			if m, ok := call.Args[0].(*parser.MatrixSelector); !ok || m.Range != markerRange {
				wrong = append(wrong, call.Func.Name+" without "+window)
			}
		}
	})
	return wrong
}

// ofRecordingRules are families that have no instance, because they are about a service: an exception that the linter's
// documentation makes as well.
var ofRecordingRules = regexp.MustCompile(`^slo:`)

func targetMatcher(e parser.Expr, label string) (wrong []string) {
	walk(e, func(node parser.Node, _ []parser.Node) {
		s, ok := node.(*parser.VectorSelector)
		if !ok || label == "instance" && ofRecordingRules.MatchString(s.Name) {
			return
		}
		if !slices.ContainsFunc(s.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name == label && m.Type == labels.MatchRegexp && m.Value == "$"+label
		}) {
			wrong = append(wrong, fmt.Sprintf(`%s without %s=~"$%s"`, s, label, label))
		}
	})
	return wrong
}

func targetCounter(e parser.Expr) (wrong []string) {
	walk(e, func(node parser.Node, path []parser.Node) {
		s, ok := node.(*parser.VectorSelector)
		if !ok || !strings.HasSuffix(s.Name, "_total") {
			return
		}
		if len(path) >= 2 {
			if call, ok := path[len(path)-2].(*parser.Call); ok && (call.Func.Name == "rate" || call.Func.Name == "increase") {
				return
			}
		}
		wrong = append(wrong, fmt.Sprintf("%s is a counter, and not in a rate", s))
	})
	return wrong
}

// walk visits every node of an expression with the nodes above it.
func walk(e parser.Expr, visit func(node parser.Node, path []parser.Node)) {
	if e == nil {
		return
	}
	parser.Inspect(e, func(node parser.Node, path []parser.Node) error {
		if node != nil {
			visit(node, path)
		}
		return nil
	})
}
