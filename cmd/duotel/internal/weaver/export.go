package weaver

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/duotel/duotel/telemetry/contract"
)

type registry struct {
	Groups []group `yaml:"groups"`
}

type group struct {
	ID          string               `yaml:"id"`
	Type        string               `yaml:"type"`
	MetricName  string               `yaml:"metric_name,omitempty"`
	Brief       string               `yaml:"brief"`
	Instrument  string               `yaml:"instrument,omitempty"`
	Unit        *string              `yaml:"unit,omitempty"` // a metric has one even where it is empty
	Stability   string               `yaml:"stability,omitempty"`
	Deprecated  *deprecation         `yaml:"deprecated,omitempty"`
	Attributes  []attribute          `yaml:"attributes,omitempty"`
	Annotations map[string]extension `yaml:"annotations,omitempty"`
}

// attribute is a definition, with ID, or a reference to one, with Ref.
type attribute struct {
	ID          string               `yaml:"id,omitempty"`
	Ref         string               `yaml:"ref,omitempty"`
	Type        any                  `yaml:"type,omitempty"` // "string", or enum
	Brief       string               `yaml:"brief,omitempty"`
	Stability   string               `yaml:"stability,omitempty"`
	Annotations map[string]extension `yaml:"annotations,omitempty"`
}

type enum struct {
	Members []member `yaml:"members"`
}

type member struct {
	ID        string `yaml:"id"`
	Value     string `yaml:"value"`
	Stability string `yaml:"stability"`
}

// Export returns the contract as a registry that stands alone: one group that defines the attributes, and one for each metric. The
// same contract is the same bytes. With it come the names of what no registry can hold: summaries, which OpenTelemetry has no
// instrument for. An earlier name becomes a metric that was renamed, unless an instrument still has it.
//
// A registry wants a stability and a brief everywhere: what says nothing is in development, and has its name as its brief.
func Export(c *contract.Contract) (out []byte, leftOut []string, err error) {
	var kept []contract.Instrument
	for _, i := range c.Instruments {
		if i.Kind == contract.Summary {
			leftOut = append(leftOut, fmt.Sprintf("%s: a summary, which OpenTelemetry has no instrument for", i.Name))
			continue
		}
		kept = append(kept, i)
	}
	defined := definitions(kept)
	r := registry{Groups: []group{}}
	if len(defined) > 0 {
		r.Groups = append(r.Groups, group{
			ID: "registry." + cmp.Or(c.Service, "attributes"), Type: "attribute_group",
			Brief: "Attributes of the metrics of " + cmp.Or(c.Service, "the service") + ".", Attributes: defined,
		})
	}
	for _, i := range kept {
		r.Groups = append(r.Groups, metric(i, defined))
	}
	for _, i := range kept {
		for _, was := range i.Was {
			taken := slices.ContainsFunc(r.Groups, func(g group) bool { return g.MetricName == was })
			if !taken {
				r.Groups = append(r.Groups, earlier(i, was))
			}
		}
	}
	var text bytes.Buffer
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	if err := e.Encode(r); err != nil {
		return nil, nil, err
	}
	return text.Bytes(), leftOut, e.Close()
}

// definitions returns each attribute once. A registry has one definition for all metrics, so it lists the values that any of them has, and
// is a string where one of them is open.
func definitions(instruments []contract.Instrument) []attribute {
	var out []attribute
	for _, i := range instruments {
		for _, a := range i.Attributes {
			at := slices.IndexFunc(out, func(d attribute) bool { return d.ID == a.Name })
			if at < 0 {
				at = len(out)
				out = append(out, attribute{ID: a.Name, Brief: a.Name, Type: enum{}, Stability: string(contract.Development)})
			}
			d := &out[at]
			if i.Stability == contract.Stable { // what is stable may only rely on what is
				d.Stability = string(contract.Stable)
			}
			values, listed := d.Type.(enum)
			switch {
			case len(a.Values) == 0:
				d.Type = "string"
			case listed:
				d.Type = values.with(a.Values)
			}
		}
	}
	for k, d := range out {
		if values, listed := d.Type.(enum); listed {
			for m := range values.Members {
				values.Members[m].Stability = out[k].Stability
			}
		}
	}
	return out
}

func (e enum) with(values []string) enum {
	for _, v := range values {
		if slices.ContainsFunc(e.Members, func(m member) bool { return m.Value == v }) {
			continue
		}
		e.Members = append(e.Members, member{ID: e.freeID(v), Value: v})
	}
	return e
}

// freeID makes an identifier of a value: "1.1" and "GET" become v1_1 and get. Two values may lead to the same one, so the second is numbered.
func (e enum) freeID(value string) string {
	id := strings.Map(func(r rune) rune {
		if (r >= 'a' && r <= 'z') || (r >= '0' && r <= '9') {
			return r
		}
		return '_'
	}, strings.ToLower(value))
	id = strings.Trim(id, "_")
	if id == "" || (id[0] >= '0' && id[0] <= '9') {
		id = "v" + id
	}
	for n, free := 2, id; ; n++ {
		if !slices.ContainsFunc(e.Members, func(m member) bool { return m.ID == free }) {
			return free
		}
		free = fmt.Sprintf("%s_%d", id, n)
	}
}

func (e enum) values() (out []string) {
	for _, m := range e.Members {
		out = append(out, m.Value)
	}
	return out
}

func metric(i contract.Instrument, defined []attribute) group {
	g := group{
		ID: "metric." + i.Name, Type: "metric", MetricName: i.Name, Brief: cmp.Or(i.Description, i.Name), Instrument: string(i.Kind), Unit: &i.Unit,
		Stability: cmp.Or(string(i.Stability), string(contract.Development)),
	}
	own := extension{Bounds: i.Bounds}
	if i.Kind == contract.Exponential {
		g.Instrument, own.Kind = string(contract.Histogram), string(i.Kind)
	}
	if own.Kind != "" || len(own.Bounds) > 0 {
		g.Annotations = map[string]extension{annotation: own}
	}
	if i.Deprecated != "" {
		g.Deprecated = &deprecation{Reason: uncategorized, Note: i.Deprecated}
	}
	for _, a := range i.Attributes {
		g.Attributes = append(g.Attributes, reference(a, defined))
	}
	return g
}

func reference(a contract.Attribute, defined []attribute) attribute {
	ref := attribute{Ref: a.Name}
	at := slices.IndexFunc(defined, func(d attribute) bool { return d.ID == a.Name })
	values, listed := defined[at].Type.(enum)
	switch {
	case len(a.Values) == 0:
		ref.Annotations = map[string]extension{annotation: {Open: a.Open}}
	case !listed || !slices.Equal(values.values(), a.Values):
		ref.Annotations = map[string]extension{annotation: {Values: a.Values}}
	}
	return ref
}

// earlier is the metric of before under a name that it has no more.
func earlier(i contract.Instrument, was string) group {
	i.Attributes = nil
	g := metric(i, nil)
	g.ID, g.MetricName, g.Annotations = "metric."+was, was, nil
	g.Deprecated = &deprecation{Reason: renamed, RenamedTo: i.Name}
	return g
}
