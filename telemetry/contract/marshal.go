package contract

import (
	"bytes"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Marshal writes the contract as [Parse] reads it. The same contract is the same bytes.
func (c *Contract) Marshal() ([]byte, error) {
	root := mapping("schema", text(Schema))
	if c.Service != "" {
		add(root, "service", text(c.Service))
	}
	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, i := range c.Instruments {
		list.Content = append(list.Content, i.node())
	}
	add(root, "instruments", list)
	var out bytes.Buffer
	e := yaml.NewEncoder(&out)
	e.SetIndent(2)
	if err := e.Encode(root); err != nil {
		return nil, err
	}
	return out.Bytes(), e.Close()
}

func (i Instrument) node() *yaml.Node {
	n := mapping("name", text(i.Name))
	add(n, "kind", text(string(i.Kind)))
	for _, field := range []struct{ key, value string }{
		{"unit", i.Unit}, {"description", i.Description}, {"stability", string(i.Stability)}, {"deprecated", i.Deprecated},
	} {
		if field.value != "" {
			add(n, field.key, text(field.value))
		}
	}
	if len(i.Was) > 0 {
		add(n, "was", flow(i.Was...))
	}
	if len(i.Bounds) > 0 {
		bounds := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, b := range i.Bounds {
			bounds.Content = append(bounds.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.FormatFloat(b, 'g', -1, 64)})
		}
		add(n, "bounds", bounds)
	}
	if len(i.Attributes) > 0 {
		attributes := &yaml.Node{Kind: yaml.MappingNode}
		for _, a := range i.Attributes {
			value := flow(a.Values...)
			if len(a.Values) == 0 {
				value = mapping("open", &yaml.Node{Kind: yaml.ScalarNode, Value: strconv.Itoa(a.Open)})
				value.Style = yaml.FlowStyle
			}
			add(attributes, a.Name, value)
		}
		add(n, "attributes", attributes)
	}
	return n
}

func text(s string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s} }

func flow(values ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range values {
		n.Content = append(n.Content, text(v))
	}
	return n
}

func mapping(key string, value *yaml.Node) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	add(n, key, value)
	return n
}

func add(n *yaml.Node, key string, value *yaml.Node) {
	n.Content = append(n.Content, text(key), value)
}
