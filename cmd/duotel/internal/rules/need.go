package rules

import (
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Need is a series that an alert cannot do without, as the metrics page has it.
type Need struct {
	Metric string
	// Labels are those it selects or adds up by, in alphabetical order.
	Labels []string
}

// Needs returns what the alert or record called name needs of the page, in alphabetical order. What comes out of a recording
// rule of groups is followed to where that comes from. It is read from the expressions, and so cannot say
// anything else than they do.
func Needs(groups []Group, name string) ([]Need, error) {
	exprs := map[string]string{}
	for _, g := range groups {
		for _, r := range g.Records {
			exprs[r.Name] = r.Expr
		}
		for _, a := range g.Alerts {
			exprs[a.Name] = a.Expr
		}
	}
	if exprs[name] == "" {
		return nil, fmt.Errorf("rules: name=%q: no such rule; allowed are %q", name, slices.Sorted(maps.Keys(exprs)))
	}
	found := map[string]map[string]bool{}
	if err := follow(exprs, name, found, map[string]bool{}); err != nil {
		return nil, err
	}
	var out []Need
	for _, metric := range slices.Sorted(maps.Keys(found)) {
		out = append(out, Need{metric, slices.Sorted(maps.Keys(found[metric]))})
	}
	return out, nil
}

// follow adds to found what the rule called name needs.
func follow(exprs map[string]string, name string, found map[string]map[string]bool, seen map[string]bool) error {
	if seen[name] {
		return nil
	}
	seen[name] = true
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(exprs[name])
	if err != nil {
		return fmt.Errorf("rules: %s: %w", name, err)
	}
	var wrong error
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if _, recorded := exprs[selector.Name]; recorded {
			wrong = follow(exprs, selector.Name, found, seen)
			return wrong
		}
		if found[selector.Name] == nil {
			found[selector.Name] = map[string]bool{}
		}
		for _, label := range labelsOf(selector, path) {
			found[selector.Name][label] = true
		}
		return nil
	})
	return wrong
}

// labelsOf returns the labels that an expression expects of a selector in it: those that it matches, and those that the
// aggregations around it keep.
func labelsOf(selector *parser.VectorSelector, path []parser.Node) (out []string) {
	for _, m := range selector.LabelMatchers {
		if m.Name != labels.MetricName {
			out = append(out, m.Name)
		}
	}
	for _, node := range path {
		if a, ok := node.(*parser.AggregateExpr); ok && !a.Without {
			out = append(out, a.Grouping...)
		}
	}
	return out
}
