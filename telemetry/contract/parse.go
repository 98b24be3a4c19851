package contract

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads a contract. It is strict: a key that is not known, a value that is not allowed and anything that is there twice is an
// error with file, line and column. All errors are returned at once. name is the file's, for those.
func Parse(name string, data []byte) (*Contract, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &parser{file: name}
	c := &Contract{}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s:1:1: empty; a contract has schema and instruments", name)
	}
	p.contract(doc.Content[0], c)
	if err := errors.Join(p.errs...); err != nil {
		return nil, err
	}
	return c, nil
}

type parser struct {
	file string
	errs []error
}

func (p *parser) errorf(at *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, fmt.Errorf("%s:%d:%d: %s", p.file, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

// fields hands each value of a mapping to the function of its key.
func (p *parser) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.errorf(n, "%s is %s; a mapping is allowed", what, describe(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read := known[key.Value]
		switch {
		case seen[key.Value]:
			p.errorf(key, "%s: %q is there twice", what, key.Value)
		case read == nil:
			var allowed []string
			for k := range known {
				allowed = append(allowed, k)
			}
			slices.Sort(allowed)
			p.errorf(key, "%s: unknown key %q; allowed are %s", what, key.Value, strings.Join(allowed, ", "))
		default:
			read(value)
		}
		seen[key.Value] = true
	}
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	case yaml.AliasNode:
		return "an alias"
	default:
		return strconv.Quote(n.Value)
	}
}

// text reads a string. Numbers and booleans are refused: as the value of an attribute true and "true" are not the same to
// everybody, so they are to be quoted.
func (p *parser) text(what string, into *string) func(*yaml.Node) {
	return func(n *yaml.Node) {
		if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
			p.errorf(n, "%s is %s; text is allowed, in quotes where it looks like something else", what, describe(n))
			return
		}
		*into = n.Value
	}
}

func (p *parser) list(what string, n *yaml.Node, each func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		p.errorf(n, "%s is %s; a list is allowed", what, describe(n))
		return
	}
	for _, item := range n.Content {
		each(item)
	}
}

func (p *parser) contract(n *yaml.Node, c *Contract) {
	schema := ""
	at := n
	p.fields(n, "the contract", map[string]func(*yaml.Node){
		"schema":  func(v *yaml.Node) { at = v; p.text("schema", &schema)(v) },
		"service": p.text("service", &c.Service),
		"instruments": func(v *yaml.Node) {
			families := map[string]string{}
			p.list("instruments", v, func(item *yaml.Node) {
				i := p.instrument(item)
				if i.Name != "" && families[i.Family()] != "" {
					p.errorf(item, "instrument %q: is %s on the page, as %q is", i.Name, i.Family(), families[i.Family()])
				}
				families[i.Family()] = i.Name
				c.Instruments = append(c.Instruments, i)
			})
		},
	})
	if schema != Schema {
		p.errorf(at, "schema is %q; %q is allowed", schema, Schema)
	}
}

func (p *parser) instrument(n *yaml.Node) (i Instrument) {
	var kind, stability string
	what := "instrument"
	if n.Kind == yaml.MappingNode {
		for k := 0; k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == "name" {
				what = fmt.Sprintf("instrument %q", n.Content[k+1].Value)
			}
		}
	}
	p.fields(n, what, map[string]func(*yaml.Node){
		"name":        p.text(what+": name", &i.Name),
		"kind":        p.text(what+": kind", &kind),
		"unit":        p.text(what+": unit", &i.Unit),
		"description": p.text(what+": description", &i.Description),
		"stability":   p.text(what+": stability", &stability),
		"deprecated":  p.text(what+": deprecated", &i.Deprecated),
		"bounds":      func(v *yaml.Node) { i.Bounds = p.bounds(what, v) },
		"was": func(v *yaml.Node) {
			p.list(what+": was", v, func(item *yaml.Node) {
				var name string
				p.text(what+": was", &name)(item)
				i.Was = append(i.Was, name)
			})
		},
		"attributes": func(v *yaml.Node) { i.Attributes = p.attributes(what, v) },
	})
	i.Kind, i.Stability = Kind(kind), Stability(stability)
	if i.Name == "" {
		p.errorf(n, "%s: no name", what)
	}
	if !slices.Contains(kinds, i.Kind) {
		p.errorf(n, "%s: kind is %q; %s is allowed", what, kind, oneOf(kinds))
	}
	if stability != "" && !slices.Contains(stabilities, i.Stability) {
		p.errorf(n, "%s: stability is %q; %s is allowed", what, stability, oneOf(stabilities))
	}
	if len(i.Bounds) > 0 && i.Kind != Histogram {
		p.errorf(n, "%s: a %s has no bounds; only a histogram has", what, kind)
	}
	return i
}

func (p *parser) bounds(what string, n *yaml.Node) (out []float64) {
	p.list(what+": bounds", n, func(item *yaml.Node) {
		f, err := strconv.ParseFloat(item.Value, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || (len(out) > 0 && f <= out[len(out)-1]) {
			p.errorf(item, "%s: bound %s is out of place; bounds are finite numbers and ascend", what, describe(item))
			return
		}
		out = append(out, f)
	})
	return out
}

// attributes reads `key: [value, …]` and `key: {open: 100}`.
func (p *parser) attributes(what string, n *yaml.Node) (out []Attribute) {
	if n.Kind != yaml.MappingNode {
		p.errorf(n, "%s: attributes is %s; a mapping is allowed", what, describe(n))
		return nil
	}
	labels := map[string]bool{}
	for k := 0; k+1 < len(n.Content); k += 2 {
		key, value := n.Content[k], n.Content[k+1]
		a := Attribute{Name: key.Value}
		if labels[a.Label()] || a.Name == "" {
			p.errorf(key, "%s: attribute %q: without a name, or the label %q is there twice", what, a.Name, a.Label())
		}
		labels[a.Label()] = true
		switch value.Kind {
		case yaml.SequenceNode:
			a.Values = p.values(what, value, a.Name)
		case yaml.MappingNode:
			p.fields(value, fmt.Sprintf("%s: attribute %q", what, a.Name), map[string]func(*yaml.Node){"open": func(v *yaml.Node) {
				a.Open, _ = strconv.Atoi(v.Value)
			}})
			if a.Open < 1 {
				p.errorf(value, "%s: attribute %q: open is %d; the most values there can be, from 1, is allowed", what, a.Name, a.Open)
			}
		default:
			p.errorf(value, "%s: attribute %q is %s; a list of values, or {open: 100}, is allowed", what, a.Name, describe(value))
		}
		out = append(out, a)
	}
	return out
}

func (p *parser) values(what string, n *yaml.Node, name string) (out []string) {
	for _, item := range n.Content {
		var v string
		p.text(fmt.Sprintf("%s: attribute %q: a value", what, name), &v)(item)
		if slices.Contains(out, v) {
			p.errorf(item, "%s: attribute %q: %q is there twice", what, name, v)
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		p.errorf(n, "%s: attribute %q has no values; a list of values, or {open: 100}, is allowed", what, name)
	}
	return out
}
