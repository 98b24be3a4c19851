// Package rulestest runs rule files and unit tests of promtool's in the process, with Prometheus's own storage, engine and rule
// manager: what `promtool test rules` does, for tests that must not depend on a program. Only tests import it.
package rulestest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

// File is a unit test, as far as this package knows the format. Anything else in it is an error.
type File struct {
	RuleFiles          []string       `yaml:"rule_files"`
	EvaluationInterval model.Duration `yaml:"evaluation_interval"`
	Tests              []Group        `yaml:"tests"`
}

// Group is one case of a unit test.
type Group struct {
	Name           string         `yaml:"name"`
	Interval       model.Duration `yaml:"interval"`
	InputSeries    []Series       `yaml:"input_series"`
	AlertRuleTests []AlertTest    `yaml:"alert_rule_test"`
}

// Series is a series in the notation of unit tests.
type Series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

// AlertTest says which alerts of a name are firing at a time.
type AlertTest struct {
	EvalTime  model.Duration `yaml:"eval_time"`
	AlertName string         `yaml:"alertname"`
	Expected  []Alert        `yaml:"exp_alerts"`
}

// Alert is an alert that fires.
type Alert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// Run runs the unit test at path and returns everything that is not as it says.
func Run(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var f File
	decoder := yaml.NewDecoder(strings.NewReader(string(content)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var ruleFiles []string
	for _, file := range f.RuleFiles {
		ruleFiles = append(ruleFiles, filepath.Join(filepath.Dir(path), file))
	}
	var errs []error
	for _, g := range f.Tests {
		if err := g.run(time.Duration(f.EvaluationInterval), ruleFiles); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", path, g.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (g Group) run(every time.Duration, ruleFiles []string) error {
	if len(g.AlertRuleTests) == 0 {
		return errors.New("it tests nothing")
	}
	var end time.Duration
	for _, test := range g.AlertRuleTests {
		end = max(end, time.Duration(test.EvalTime))
	}
	var errs []error
	err := Simulate(Simulation{Series: g.InputSeries, Interval: time.Duration(g.Interval), Every: every, RuleFiles: ruleFiles, End: end},
		func(at time.Duration, w *World) error {
			for _, test := range g.AlertRuleTests {
				if time.Duration(test.EvalTime) == at {
					errs = append(errs, test.compare(w.Firing(test.AlertName)))
				}
			}
			return nil
		})
	return errors.Join(append(errs, err)...)
}

func (a AlertTest) compare(got []Alert) error {
	want := append([]Alert{}, a.Expected...)
	for i := range want {
		want[i].Labels["alertname"] = a.AlertName
	}
	text := func(alerts []Alert) string {
		var lines []string
		for _, alert := range alerts {
			lines = append(lines, fmt.Sprint(alert.Labels, alert.Annotations)) // fmt sorts a map's keys
		}
		slices.Sort(lines)
		return strings.Join(lines, "\n")
	}
	if g, w := text(got), text(want); g != w {
		return fmt.Errorf("%s at %s:\n got %q\nwant %q", a.AlertName, a.EvalTime, g, w)
	}
	return nil
}

// Simulation is what Prometheus stores and evaluates.
type Simulation struct {
	Series    []Series
	Interval  time.Duration // between samples
	Every     time.Duration // between evaluations
	RuleFiles []string
	End       time.Duration
}

// World is a simulation at a moment.
type World struct {
	loader *promqltest.LazyLoader
	groups []*rules.Group
	at     time.Time
}

// Simulate evaluates all rules step by step and calls see after each.
func Simulate(s Simulation, see func(at time.Duration, w *World) error) (err error) {
	var load strings.Builder
	fmt.Fprintf(&load, "load %s\n", model.Duration(s.Interval))
	for _, series := range s.Series {
		fmt.Fprintf(&load, "  %s %s\n", series.Series, series.Values)
	}
	loader, err := promqltest.NewLazyLoader(load.String(), promqltest.LazyLoaderOpts{EnableAtModifier: true, EnableNegativeOffset: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, loader.Close()) }()
	loader.SubqueryInterval = s.Every
	w := &World{loader: loader}
	if w.groups, err = groups(loader, s); err != nil {
		return err
	}
	start := time.Unix(0, 0).UTC()
	for at := time.Duration(0); at <= s.End; at += s.Every {
		w.at = start.Add(at)
		if err := w.evaluate(); err != nil {
			return fmt.Errorf("at %s: %w", model.Duration(at), err)
		}
		if err := see(at, w); err != nil {
			return err
		}
	}
	return nil
}

// groups loads the rule files. The order is that of their names, because the manager has them in a map; records come before
// what needs them in groups of their own files only if their names say so.
func groups(loader *promqltest.LazyLoader, s Simulation) ([]*rules.Group, error) {
	m := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(loader.QueryEngine(), loader.Storage()),
		Appendable: loader.Storage(),
		Context:    context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     promslog.NewNopLogger(),
		Parser:     parser.NewParser(parser.Options{}),
	})
	byName, errs := m.LoadGroups(s.Every, labels.EmptyLabels(), "", nil, false, s.RuleFiles...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	var out []*rules.Group
	for _, g := range byName {
		out = append(out, g)
		for _, r := range g.Rules() {
			if alert, ok := r.(*rules.AlertingRule); ok {
				alert.SetRestored(true)
			}
		}
	}
	slices.SortFunc(out, func(a, b *rules.Group) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// evaluate runs every rule at the moment.
func (w *World) evaluate() error {
	var errs []error
	w.loader.WithSamplesTill(w.at, func(err error) {
		if errs = append(errs, err); err != nil {
			return
		}
		for _, g := range w.groups {
			g.Eval(w.loader.Context(), w.at)
			for _, r := range g.Rules() {
				if err := r.LastError(); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", r.Name(), err))
				}
			}
		}
	})
	return errors.Join(errs...)
}

// Firing returns the alerts of that name which are firing.
func (w *World) Firing(name string) (out []Alert) {
	for _, g := range w.groups {
		for _, r := range g.Rules() {
			alert, ok := r.(*rules.AlertingRule)
			if !ok || alert.Name() != name {
				continue
			}
			for _, a := range alert.ActiveAlerts() {
				if a.State == rules.StateFiring {
					out = append(out, Alert{a.Labels.Map(), a.Annotations.Map()})
				}
			}
		}
	}
	return out
}

// Query returns what an expression has at the moment.
func (w *World) Query(expr string) (promql.Vector, error) {
	q, err := w.loader.QueryEngine().NewInstantQuery(w.loader.Context(), w.loader.Queryable(), nil, expr, w.at)
	if err != nil {
		return nil, err
	}
	defer q.Close()
	result := q.Exec(w.loader.Context())
	if result.Err != nil {
		return nil, fmt.Errorf("%s: %w", expr, result.Err)
	}
	v, err := result.Vector()
	return slices.Clone(v), err
}
