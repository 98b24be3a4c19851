package rules

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// A promtool unit test, as `promtool test rules` reads it.
type (
	testFile struct {
		RuleFiles          []string       `yaml:"rule_files"`
		EvaluationInterval model.Duration `yaml:"evaluation_interval"`
		Tests              []testGroup    `yaml:"tests"`
	}
	testGroup struct {
		Name           string         `yaml:"name"`
		Interval       model.Duration `yaml:"interval"`
		InputSeries    []inputSeries  `yaml:"input_series"`
		AlertRuleTests []alertTest    `yaml:"alert_rule_test"`
	}
	inputSeries struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	alertTest struct {
		EvalTime  model.Duration  `yaml:"eval_time"`
		AlertName string          `yaml:"alertname"`
		Expected  []expectedAlert `yaml:"exp_alerts"`
	}
	expectedAlert struct {
		Labels      map[string]string `yaml:"exp_labels"`
		Annotations map[string]string `yaml:"exp_annotations"`
	}
)

// Test renders the unit test of an alert for `promtool test rules`: one case in which it fires, with the labels and
// texts that people get, and one in which it stays silent. ruleFile is the path of the rules from the test's folder.
func (a Alert) Test(ruleFile, runbooks string) ([]byte, error) {
	expected, err := a.expected(runbooks)
	if err != nil {
		return nil, err
	}
	silent := a.group("stays silent", a.Silent)
	for _, at := range append([]time.Duration{a.Silent.At}, a.Silent.Also...) {
		silent.AlertRuleTests = append(silent.AlertRuleTests, alertTest{EvalTime: model.Duration(at), AlertName: a.Name, Expected: []expectedAlert{}})
	}
	fires := a.group("fires", a.Firing)
	fires.AlertRuleTests = []alertTest{{EvalTime: model.Duration(a.Firing.At), AlertName: a.Name, Expected: []expectedAlert{expected}}}
	return encode(testFile{[]string{ruleFile}, model.Duration(a.every()), []testGroup{fires, silent}})
}

// every is how often the rules are evaluated in the test: more rarely where it goes on for hours.
func (a Alert) every() time.Duration {
	if max(a.Firing.At, a.Silent.At) > 2*time.Hour {
		return 5 * time.Minute
	}
	return time.Minute
}

func (a Alert) group(what string, c Case) testGroup {
	out := testGroup{Name: a.Name + " " + what, Interval: model.Duration(time.Minute)}
	for _, s := range c.Series {
		out.InputSeries = append(out.InputSeries, inputSeries{s.Selector, s.Values})
	}
	return out
}

// expected is the alert of the firing case, with its texts filled in.
func (a Alert) expected(runbooks string) (expectedAlert, error) {
	all := a.labels()
	maps.Copy(all, a.Firing.Labels)
	texts := map[string]string{}
	for name, text := range a.annotations(runbooks) {
		expanded, err := expand(text, a.Firing.Labels, a.Firing.Value)
		if err != nil {
			return expectedAlert{}, fmt.Errorf("rules: %s: %s: %w", a.Name, name, err)
		}
		texts[name] = expanded
	}
	return expectedAlert{all, texts}, nil
}

// expand fills in an annotation as Prometheus does.
func expand(text string, labels map[string]string, value float64) (string, error) {
	const variables = "{{$labels := .Labels}}{{$value := .Value}}"
	address := &url.URL{}
	data := template.AlertTemplateData(labels, nil, "", promql.Sample{F: value})
	return template.NewTemplateExpander(context.Background(), variables+text, "annotation", data, 0, nil, address, nil).Expand()
}
