package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// tolerant is a gatherer whose panic is an error, so that it cannot take other gatherers down, and
// whose families pass a filter.
type tolerant struct {
	prometheus.Gatherer
	filter Filter
}

func (t tolerant) Gather() (families []*dto.MetricFamily, err error) {
	defer func() {
		if v := recover(); v != nil {
			families, err = nil, fmt.Errorf("gatherer %T panicked: %v", t.Gatherer, v)
		}
	}()
	families, err = t.Gatherer.Gather()
	if t.filter == nil {
		return families, err
	}
	admitted := make([]*dto.MetricFamily, 0, len(families))
	for _, mf := range families {
		if t.filter("", mf.GetName()) {
			admitted = append(admitted, mf)
		}
	}
	return admitted, err
}

// tolerantAll wraps each of gatherers.
func tolerantAll(gatherers []prometheus.Gatherer, filter Filter) []prometheus.Gatherer {
	out := make([]prometheus.Gatherer, 0, len(gatherers))
	for _, g := range gatherers {
		out = append(out, tolerant{g, filter})
	}
	return out
}

// rendered is a gatherer of families that are there already.
type rendered struct {
	families []*dto.MetricFamily
	err      error
}

func (r rendered) Gather() ([]*dto.MetricFamily, error) { return r.families, r.err }

// merge joins families of several gatherers by name. The first to have a series keeps it; the
// others' are left out and named in the error. Of fallback, only families that nobody else has.
func merge(first rendered, others []prometheus.Gatherer, fallback prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	families, err := append(prometheus.Gatherers{first}, others...).Gather()
	if fallback == nil {
		return families, err
	}
	extra, fallbackErr := fallback.Gather()
	taken := make(map[string]bool, len(families))
	for _, mf := range families {
		taken[mf.GetName()] = true
	}
	for _, mf := range extra {
		if !taken[mf.GetName()] {
			families = append(families, mf)
		}
	}
	slices.SortFunc(families, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return families, errors.Join(err, fallbackErr)
}

// constantLabels returns labels as sorted pairs.
func constantLabels(labels map[string]string) []*dto.LabelPair {
	pairs := make([]*dto.LabelPair, 0, len(labels))
	for k, v := range labels {
		pairs = append(pairs, &dto.LabelPair{Name: &k, Value: &v})
	}
	slices.SortFunc(pairs, byLabelName)
	return pairs
}

// addLabels puts extra on every series that has no label of the name. A registry shares label slices
// between gatherings, so they are replaced, not changed.
func addLabels(families []*dto.MetricFamily, extra []*dto.LabelPair) {
	if len(extra) == 0 {
		return
	}
	for _, mf := range families {
		for _, m := range mf.Metric {
			labels := slices.Clone(m.Label)
			for _, pair := range extra {
				if !slices.ContainsFunc(m.Label, func(p *dto.LabelPair) bool { return p.GetName() == pair.GetName() }) {
					labels = append(labels, pair)
				}
			}
			slices.SortFunc(labels, byLabelName)
			m.Label = labels
		}
	}
}

func byLabelName(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) }

// omissions says what a gathering left out, each thing once. client_golang puts the stack of a
// collector's panic into its message; only the first line says what happened.
func omissions(err error) []string {
	if err == nil {
		return nil
	}
	errs := prometheus.MultiError{}
	if !errors.As(err, &errs) {
		errs = append(errs, err)
	}
	var out []string
	for _, e := range errs {
		line, _, _ := strings.Cut(e.Error(), "\n")
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}
