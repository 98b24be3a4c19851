package weaver

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/duotel/duotel/telemetry/contract"
)

// File is one file of a registry.
type File struct {
	Name string // for errors
	Data []byte
}

// Import returns the metrics of a registry's files as a contract, in their order. Files are read as one registry: a group may refer to
// attributes and groups of another. Errors name file, line and column, all at once.
//
// An attribute whose values a registry does not list is open, with at most open values. So is one that no file defines, because it is
// OpenTelemetry's own, and one with _OTHER as its only value. What is left out is returned in words: attributes that a service does not
// record unless it is asked to (opt_in), and what was renamed, which becomes the earlier name of what it was renamed to.
func Import(files []File, open int) (c *contract.Contract, notes []string, err error) {
	r := &reader{}
	for _, f := range files {
		r.read(f.Name, f.Data)
	}
	b := &builder{open: open, groups: map[string]source{}, defined: map[string]use{}, fail: func(err error) { r.errs = append(r.errs, err) }}
	for _, g := range r.groups {
		if _, twice := b.groups[g.ID]; twice || g.ID == "" {
			b.fail(fmt.Errorf("%s: group: id is %q; one that no other group has is allowed", g.place, g.ID))
		}
		b.groups[g.ID] = g
		for _, u := range g.attributes {
			if u.ID != "" {
				b.defined[u.ID] = u
			}
		}
	}
	c = &contract.Contract{}
	for _, g := range r.groups {
		if g.Type == "metric" && g.Deprecated.Reason != renamed {
			c.Instruments = append(c.Instruments, b.instrument(g))
		}
	}
	for _, g := range r.groups {
		if g.Type == "metric" && g.Deprecated.Reason == renamed {
			b.rename(c, g)
		}
	}
	if err := errors.Join(r.errs...); err != nil {
		return nil, nil, err
	}
	// What a contract may not have, such as bounds that do not ascend, is found by its own parser.
	text, err := c.Marshal()
	if err != nil {
		return nil, nil, err
	}
	if _, err := contract.Parse("the contract", text); err != nil {
		return nil, nil, fmt.Errorf("what the registry describes is no contract: %w", err)
	}
	return c, b.notes, nil
}

type builder struct {
	open    int
	groups  map[string]source
	defined map[string]use
	notes   []string
	fail    func(error)
}

func (b *builder) notef(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(b.notes, note) {
		b.notes = append(b.notes, note)
	}
}

// instruments are the names that a registry has for them.
var instruments = []contract.Kind{contract.Counter, contract.UpDownCounter, contract.Gauge, contract.Histogram}

func (b *builder) instrument(g source) contract.Instrument {
	i := contract.Instrument{Name: g.MetricName, Kind: contract.Kind(g.Instrument), Unit: g.Unit, Description: g.Brief, Bounds: g.own.Bounds, Deprecated: g.Deprecated.Note}
	if g.Brief == g.MetricName {
		i.Description = ""
	}
	if !slices.Contains(instruments, i.Kind) {
		b.fail(fmt.Errorf("%s: metric %q: instrument is %q; counter, updowncounter, gauge or histogram is allowed", g.place, g.MetricName, g.Instrument))
	}
	if g.own.Kind == string(contract.Exponential) {
		i.Kind = contract.Exponential
	}
	if g.MetricName == "" {
		b.fail(fmt.Errorf("%s: group %q: metric_name is empty; the name of the metric is allowed", g.place, g.ID))
	}
	switch g.Stability {
	case "stable":
		i.Stability = contract.Stable
	case "development", "alpha", "beta", "release_candidate", "experimental", "":
		i.Stability = contract.Development
	default:
		b.fail(fmt.Errorf("%s: metric %q: stability is %q; stable, release_candidate, beta, alpha or development is allowed", g.place, g.MetricName, g.Stability))
	}
	if g.Deprecated.Reason != "" && i.Deprecated == "" {
		i.Deprecated = g.Deprecated.Reason
	}
	for _, u := range b.uses(g, nil) {
		if level := u.RequirementLevel; level.Value == "opt_in" || (len(level.Content) > 0 && level.Content[0].Value == "opt_in") {
			b.notef("%s: %s is left out: it is opt_in", g.MetricName, u.name())
			continue
		}
		i.Attributes = append(i.Attributes, b.attribute(u))
	}
	return i
}

func (u use) name() string { return u.ID + u.Ref }

// uses returns the attributes of a group: those of the groups that it extends, and its own over them. seen are the groups on the way.
func (b *builder) uses(g source, seen []string) (out []use) {
	if g.Extends != "" {
		base, ok := b.groups[g.Extends]
		switch {
		case slices.Contains(seen, g.Extends):
			b.fail(fmt.Errorf("%s: group %q extends %q, which leads back to it", g.place, g.ID, g.Extends))
		case !ok:
			b.fail(fmt.Errorf("%s: group %q extends %q, which is in none of the files; name the file that has it too", g.place, g.ID, g.Extends))
		default:
			out = b.uses(base, append(seen, g.ID, g.Extends))
		}
	}
	for _, u := range g.attributes {
		at := slices.IndexFunc(out, func(o use) bool { return o.name() == u.name() })
		if at < 0 {
			out = append(out, u)
			continue
		}
		if u.RequirementLevel.IsZero() {
			u.RequirementLevel = out[at].RequirementLevel
		}
		out[at] = u
	}
	return out
}

func (b *builder) attribute(u use) contract.Attribute {
	a := contract.Attribute{Name: u.name()}
	definition, ok := b.defined[a.Name]
	switch {
	case u.own.Open > 0:
		a.Open = u.own.Open
		return a
	case len(u.own.Values) > 0:
		a.Values = u.own.Values
		return a
	case !ok:
		b.notef("%s is in none of the files: open, with at most %d values", a.Name, b.open)
	case definition.Type.Value == "boolean":
		a.Values = []string{"false", "true"}
	default:
		a.Values = b.members(a.Name, definition.Type)
	}
	if len(a.Values) == 0 || slices.Equal(a.Values, []string{"_OTHER"}) {
		a.Values, a.Open = nil, b.open
	}
	return a
}

// members returns the values of an enum; other types have none.
func (b *builder) members(name string, kind yaml.Node) (out []string) {
	if kind.Kind != yaml.MappingNode {
		return nil
	}
	var e struct {
		Members []struct {
			Value yaml.Node `yaml:"value"` // text or a number, and text in a contract
		} `yaml:"members"`
	}
	if err := kind.Decode(&e); err != nil {
		b.fail(fmt.Errorf("attribute %q: type: %w", name, err))
	}
	for _, m := range e.Members {
		if m.Value.Kind == yaml.ScalarNode && !slices.Contains(out, m.Value.Value) {
			out = append(out, m.Value.Value)
		}
	}
	return out
}

// rename notes the earlier name with the instrument that has the new one.
func (b *builder) rename(c *contract.Contract, g source) {
	for k := range c.Instruments {
		if i := &c.Instruments[k]; i.Name == g.Deprecated.RenamedTo {
			i.Was = append(i.Was, g.MetricName)
			return
		}
	}
	b.notef("%s is left out: it was renamed to %s, which is in none of the files", g.MetricName, g.Deprecated.RenamedTo)
}
