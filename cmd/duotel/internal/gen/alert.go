package gen

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/telemetry/contract"
)

// Alert is an alert on metrics of the contract.
type Alert struct {
	Name, Expr string
	For        time.Duration
	Severity   rules.Severity
}

const alertAllowed = `allowed is NAME [for 5m] [page]: EXPRESSION`

var alertPattern = regexp.MustCompile(`^\s*([A-Z][A-Za-z0-9_]*)(?:\s+for\s+(\S+?))?(\s+page)?\s*:\s*(.+?)\s*$`)

// parseAlert reads an alert of the command line. Without a duration it fires after 5 minutes, and without "page" it is a ticket.
func parseAlert(text string) (Alert, error) {
	parts := alertPattern.FindStringSubmatch(text)
	if parts == nil {
		return Alert{}, fmt.Errorf("alert=%q: not an alert; %s", text, alertAllowed)
	}
	a := Alert{Name: parts[1], Expr: parts[4], For: 5 * time.Minute, Severity: rules.Ticket}
	if parts[2] != "" {
		d, err := model.ParseDuration(parts[2])
		if err != nil {
			return a, fmt.Errorf("alert=%q: %q is not a duration; %s", text, parts[2], alertAllowed)
		}
		a.For = time.Duration(d)
	}
	if parts[3] != "" {
		a.Severity = rules.Page
	}
	if _, err := parser.NewParser(parser.Options{}).ParseExpr(a.Expr); err != nil {
		return a, fmt.Errorf("alert=%q: %w; %s", text, err, alertAllowed)
	}
	return a, nil
}

// check wants every metric of the alert, and every label that it selects or adds up by, to be in the contract: an alert on what nobody
// promises is silent for ever.
func (a Alert) check(c *contract.Contract) error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(a.Expr)
	if err != nil {
		return err
	}
	var wrong error
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		v, ok := node.(*parser.VectorSelector)
		if !ok || wrong != nil {
			return nil
		}
		i, ok := find(c, v.Name)
		if !ok {
			wrong = fmt.Errorf("alert %s breaks: %s is not in the contract", a.Name, v.Name)
			return nil
		}
		for _, m := range v.LabelMatchers {
			if err := allowed(i, v.Name, m); err != nil {
				wrong = fmt.Errorf("alert %s breaks: %w", a.Name, err)
			}
		}
		return nil
	})
	return wrong
}

// find is the instrument that a series belongs to: a histogram's have suffixes.
func find(c *contract.Contract, series string) (contract.Instrument, bool) {
	if i, ok := c.Find(series); ok {
		return i, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if family, cut := strings.CutSuffix(series, suffix); cut {
			if i, ok := c.Find(family); ok && (i.Kind == contract.Histogram || i.Kind == contract.Exponential || i.Kind == contract.Summary) {
				return i, true
			}
		}
	}
	return contract.Instrument{}, false
}

// allowed reports whether a matcher can choose anything. Labels that Prometheus adds are always there.
func allowed(i contract.Instrument, series string, m *labels.Matcher) error {
	if slices.Contains([]string{model.MetricNameLabel, model.JobLabel, model.InstanceLabel}, m.Name) {
		return nil
	}
	if m.Name == model.BucketLabel && strings.HasSuffix(series, "_bucket") {
		for _, b := range append([]string{"+Inf"}, bounds(i)...) {
			if m.Matches(b) {
				return nil
			}
		}
		return fmt.Errorf("%s has no bucket with %s; its bounds are %v", i.Family(), m, i.Bounds)
	}
	a, ok := i.Attribute(m.Name)
	if !ok {
		return fmt.Errorf("%s has no attribute %s in the contract", series, m.Name)
	}
	if len(a.Values) > 0 && !slices.ContainsFunc(a.Values, m.Matches) {
		return fmt.Errorf("%s never has %s in the contract; its values are %s", series, m, strings.Join(a.Values, ", "))
	}
	return nil
}

// bounds are those of a histogram as label values, in both ways in which Prometheus has written whole ones.
func bounds(i contract.Instrument) (out []string) {
	for _, b := range i.Bounds {
		text := fmt.Sprintf("%g", b)
		out = append(out, text)
		if !strings.Contains(text, ".") {
			out = append(out, text+".0")
		}
	}
	return out
}
