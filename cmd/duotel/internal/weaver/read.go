package weaver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is a group as a file has it.
type source struct {
	ID          string `yaml:"id"`
	Type        string `yaml:"type"`
	MetricName  string `yaml:"metric_name"`
	Brief       string `yaml:"brief"`
	Extends     string `yaml:"extends"`
	Instrument  string `yaml:"instrument"`
	Unit        string `yaml:"unit"`
	Stability   string `yaml:"stability"`
	Deprecated  deprecation
	Annotations map[string]yaml.Node `yaml:"annotations"`

	place      string // file:line:column, for errors
	own        extension
	attributes []use
}

// use is an attribute in a group: its definition, or a reference to one.
type use struct {
	ID               string               `yaml:"id"`
	Ref              string               `yaml:"ref"`
	Type             yaml.Node            `yaml:"type"`
	RequirementLevel yaml.Node            `yaml:"requirement_level"`
	Annotations      map[string]yaml.Node `yaml:"annotations"`

	own extension
}

// The keys of Weaver's syntax. Those that say nothing about a metric are known and not read.
var (
	groupKeys = []string{
		"id", "type", "brief", "note", "extends", "stability", "deprecated", "display_name", "attributes", "entity_associations", "annotations",
		"metric_name", "instrument", "unit", "metric_requirement_level", "span_kind", "events", "name", "body", "visibility", "attribute_groups",
	}
	attributeKeys = []string{
		"id", "ref", "type", "brief", "examples", "tag", "stability", "deprecated", "requirement_level", "sampling_relevant", "note", "annotations", "role",
	}
	extensionKeys = []string{"kind", "bounds", "open", "values"}
)

// reader collects the errors of all files.
type reader struct {
	file   string
	groups []source
	errs   []error
}

func (r *reader) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d:%d", r.file, n.Line, n.Column) }

func (r *reader) errorf(n *yaml.Node, format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s: %s", r.place(n), fmt.Sprintf(format, args...)))
}

// fields returns the values of a mapping by key. A key that is not known or there twice is an error.
func (r *reader) fields(n *yaml.Node, what string, known []string) map[string]*yaml.Node {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, "%s is no mapping; its keys may be %s", what, strings.Join(known, ", "))
		return nil
	}
	out := map[string]*yaml.Node{}
	for k := 0; k+1 < len(n.Content); k += 2 {
		key := n.Content[k]
		switch {
		case out[key.Value] != nil:
			r.errorf(key, "%s: %q is there twice", what, key.Value)
		case !slices.Contains(known, key.Value):
			r.errorf(key, "%s: unknown key %q; allowed are %s", what, key.Value, strings.Join(known, ", "))
		}
		out[key.Value] = n.Content[k+1]
	}
	return out
}

// list returns the items of a sequence; a key that is not there has none.
func (r *reader) list(n *yaml.Node, what string) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind != yaml.SequenceNode:
		r.errorf(n, "%s: no list; a list is allowed", what)
		return nil
	}
	return n.Content
}

// decode reads a node whose keys are known into a struct; what has the wrong type is an error.
func (r *reader) decode(n *yaml.Node, what string, into any) {
	if err := n.Decode(into); err != nil {
		var wrong *yaml.TypeError
		text := err.Error()
		if errors.As(err, &wrong) {
			text = strings.Join(wrong.Errors, "; ")
		}
		r.errorf(n, "%s: %s", what, text)
	}
}

// read adds the groups of a file.
func (r *reader) read(file string, data []byte) {
	r.file = file
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s: %w", file, err))
		return
	}
	if len(doc.Content) == 0 {
		r.errs = append(r.errs, fmt.Errorf("%s:1:1: empty; a registry has groups", file))
		return
	}
	top := r.fields(doc.Content[0], "the registry", []string{"groups", "imports"})
	for _, n := range r.list(top["groups"], "groups") {
		r.group(n)
	}
}

func (r *reader) group(n *yaml.Node) {
	what := "group"
	for k := 0; n.Kind == yaml.MappingNode && k+1 < len(n.Content); k += 2 {
		if n.Content[k].Value == "id" {
			what = fmt.Sprintf("group %q", n.Content[k+1].Value)
		}
	}
	fields := r.fields(n, what, groupKeys)
	if fields == nil {
		return
	}
	g := source{place: r.place(n)}
	// A string was allowed here by earlier versions: it is the note.
	if d := fields["deprecated"]; d != nil && d.Kind == yaml.ScalarNode {
		g.Deprecated = deprecation{Reason: uncategorized, Note: d.Value}
		n = without(n, "deprecated")
	}
	r.decode(without(n, "attributes"), what, &g)
	g.own = r.extension(what, g.Annotations)
	for _, item := range r.list(fields["attributes"], what+": attributes") {
		var u use
		if r.fields(item, what+": attribute", attributeKeys) == nil {
			continue
		}
		r.decode(item, what+": attribute", &u)
		if (u.ID == "") == (u.Ref == "") {
			r.errorf(item, "%s: an attribute with id %q and ref %q; one of the two is allowed", what, u.ID, u.Ref)
		}
		u.own = r.extension(what+": attribute "+u.ID+u.Ref, u.Annotations)
		g.attributes = append(g.attributes, u)
	}
	r.groups = append(r.groups, g)
}

// extension reads what a contract has put into annotations.
func (r *reader) extension(what string, annotations map[string]yaml.Node) (out extension) {
	if n, ok := annotations[annotation]; ok {
		r.fields(&n, what+": annotations: "+annotation, extensionKeys)
		r.decode(&n, what+": annotations: "+annotation, &out)
	}
	return out
}

// without is a mapping with one key less.
func without(n *yaml.Node, key string) *yaml.Node {
	out := *n
	out.Content = nil
	for k := 0; k+1 < len(n.Content); k += 2 {
		if n.Content[k].Value != key {
			out.Content = append(out.Content, n.Content[k], n.Content[k+1])
		}
	}
	return &out
}
