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

// gatherAll gathers from each, and gives families the units that [prometheus.Gatherers] leaves out. Of two units the first counts.
func gatherAll(gatherers []prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	units := map[string]*string{}
	noting := make(prometheus.Gatherers, len(gatherers))
	for i, g := range gatherers {
		noting[i] = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			families, err := g.Gather()
			for _, mf := range families {
				if name := mf.GetName(); mf.Unit != nil && units[name] == nil {
					units[name] = mf.Unit
				}
			}
			return families, err
		})
	}
	families, err := noting.Gather()
	for _, mf := range families {
		mf.Unit = units[mf.GetName()] // the family is new, and nobody else's
	}
	return families, err
}

// merge joins families of several gatherers by name. The first to have a series keeps it; the
// others' are left out and named in the error. Of fallback, only families that nobody else has.
func merge(gatherers []prometheus.Gatherer, fallback prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	families, err := gatherAll(gatherers)
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
