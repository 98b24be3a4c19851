package rules

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// YAML renders groups as a Prometheus rule file, and validates it as Prometheus does when it loads one. The same
// groups are the same bytes.
func YAML(groups []Group, runbooks string) ([]byte, error) {
	file := rulefmt.RuleGroups{}
	for _, g := range groups {
		file.Groups = append(file.Groups, g.rulefmt(runbooks))
	}
	out, err := encode(file)
	if err != nil {
		return nil, err
	}
	if _, errs := rulefmt.Parse(out, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)); len(errs) > 0 {
		return nil, fmt.Errorf("rules: %w", errors.Join(errs...))
	}
	return out, nil
}

// encode writes YAML as people do, with two spaces.
func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return out.Bytes(), e.Close()
}

func (g Group) rulefmt(runbooks string) rulefmt.RuleGroup {
	out := rulefmt.RuleGroup{Name: g.Name, Interval: model.Duration(g.Interval)}
	for _, r := range g.Records {
		out.Rules = append(out.Rules, rulefmt.Rule{Record: r.Name, Expr: r.Expr, Labels: r.Labels})
	}
	for _, a := range g.Alerts {
		out.Rules = append(out.Rules, rulefmt.Rule{
			Alert: a.Name, Expr: a.Expr, For: model.Duration(a.For), KeepFiringFor: model.Duration(a.KeepFiring),
			Labels: a.labels(), Annotations: a.annotations(runbooks),
		})
	}
	return out
}

// labels are those that the rule adds.
func (a Alert) labels() map[string]string {
	out := map[string]string{"severity": string(a.Severity)}
	maps.Copy(out, a.Labels)
	return out
}

// annotations are the alert's, with their templates.
func (a Alert) annotations(runbooks string) map[string]string {
	return map[string]string{"summary": a.Summary, "description": a.Description, "runbook_url": a.Runbook(runbooks)}
}

// Runbook returns the address of the alert's section; runbooks is empty for [DefaultRunbooks].
func (a Alert) Runbook(runbooks string) string {
	if runbooks == "" {
		runbooks = DefaultRunbooks
	}
	return runbooks + "#" + a.Anchor()
}
