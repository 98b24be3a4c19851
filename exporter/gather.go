package exporter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
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

// merge joins families of several gatherers by name. The first to have a series keeps it; the
// others' are left out and named in the error. Of fallback, only families that nobody else has.
func merge(gatherers []prometheus.Gatherer, fallback prometheus.Gatherer) ([]*dto.MetricFamily, error) {
	families, err := prometheus.Gatherers(gatherers).Gather()
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

// withLabels returns m with extra. A label of m's own with one of their names becomes exported_<name>,
// as Prometheus does with labels that clash. m may be shared, so it is not changed.
func withLabels(m *dto.Metric, extra []*dto.LabelPair) *dto.Metric {
	if len(extra) == 0 {
		return m
	}
	labels := slices.Clone(extra)
	for _, own := range m.Label {
		if slices.ContainsFunc(extra, func(p *dto.LabelPair) bool { return p.GetName() == own.GetName() }) {
			own = &dto.LabelPair{Name: proto.String("exported_" + own.GetName()), Value: own.Value}
		}
		labels = append(labels, own)
	}
	slices.SortFunc(labels, byLabelName)
	return &dto.Metric{Label: labels, Gauge: m.Gauge, Counter: m.Counter, Summary: m.Summary, Untyped: m.Untyped, Histogram: m.Histogram, TimestampMs: m.TimestampMs}
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
