package servers

import (
	"encoding/json"
	"net/url"
)

// Selector is a vector selector of an expression: the metric and the labels of its matchers.
type Selector struct {
	Metric string
	Labels []string
}

// node is a part of Prometheus's own syntax tree.
type node struct {
	Type     string
	Name     string
	Matchers []struct{ Name, Type, Value string }
	Expr     *node
	Args     []*node
	LHS, RHS *node
	Param    *node
}

// Selectors parses an expression with Prometheus's parser and returns the selectors in it.
func (p *Prometheus) Selectors(expression string) ([]Selector, error) {
	var raw json.RawMessage
	if err := p.get("/api/v1/parse_query", url.Values{"query": {expression}}, &raw); err != nil {
		return nil, err
	}
	var root node
	if err := json.Unmarshal(raw, &root); err != nil {
		return nil, err
	}
	return root.selectors(nil), nil
}

func (n *node) selectors(out []Selector) []Selector {
	if n == nil {
		return out
	}
	if n.Type == "vectorSelector" || n.Type == "matrixSelector" {
		s := Selector{Metric: n.Name}
		for _, m := range n.Matchers {
			switch {
			case m.Name == "__name__":
				if s.Metric == "" && m.Type == "=" {
					s.Metric = m.Value
				}
			case m.Type == "!=" && m.Value == "", m.Type == "=" && m.Value != "", m.Type == "=~":
				s.Labels = append(s.Labels, m.Name)
			}
		}
		out = append(out, s)
	}
	for _, child := range append([]*node{n.Expr, n.LHS, n.RHS, n.Param}, n.Args...) {
		out = child.selectors(out)
	}
	return out
}
