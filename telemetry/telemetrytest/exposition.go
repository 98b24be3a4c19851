package telemetrytest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Exposition is a parsed scrape: its metric families by name.
type Exposition map[string]*dto.MetricFamily

// ParseExposition parses the Prometheus text format 0.0.4.
func ParseExposition(r io.Reader) (Exposition, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r)
	if err != nil {
		return nil, fmt.Errorf("exposition: %w", err)
	}
	return families, nil
}

// Sample is one line of an exposition. Histograms and summaries have several: name_bucket with le,
// name with quantile, name_sum and name_count.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Has says whether s has every one of labels; it may have more.
func (s Sample) Has(labels map[string]string) bool { return hasLabels(s.Labels, labels) }

// String shows s as the text format does, labels sorted.
func (s Sample) String() string {
	return fmt.Sprintf("%s{%s} %v", s.Name, formatLabels(s.Labels), s.Value)
}

// Samples returns every line, by family name and then in the exposition's order.
func (e Exposition) Samples() []Sample {
	var out []Sample
	for _, name := range slices.Sorted(maps.Keys(e)) {
		for _, m := range e[name].GetMetric() {
			out = appendSamples(out, name, m)
		}
	}
	return out
}

// Find returns the samples named name that have all of labels (and maybe more, such as
// otel_scope_name).
func (e Exposition) Find(name string, labels map[string]string) []Sample {
	var out []Sample
	for _, s := range e.Samples() {
		if s.Name == name && s.Has(labels) {
			out = append(out, s)
		}
	}
	return out
}

func appendSamples(out []Sample, name string, m *dto.Metric) []Sample {
	base := make(map[string]string, len(m.GetLabel()))
	for _, l := range m.GetLabel() {
		base[l.GetName()] = l.GetValue()
	}
	add := func(suffix string, value float64, extra ...string) {
		labels := base
		if len(extra) == 2 {
			labels = maps.Clone(base)
			labels[extra[0]] = extra[1]
		}
		out = append(out, Sample{Name: name + suffix, Labels: labels, Value: value})
	}
	switch {
	case m.Counter != nil:
		add("", m.Counter.GetValue())
	case m.Gauge != nil:
		add("", m.Gauge.GetValue())
	case m.Untyped != nil:
		add("", m.Untyped.GetValue())
	case m.Histogram != nil:
		for _, b := range m.Histogram.GetBucket() {
			add("_bucket", float64(b.GetCumulativeCount()), "le", formatFloat(b.GetUpperBound()))
		}
		add("_sum", m.Histogram.GetSampleSum())
		add("_count", float64(m.Histogram.GetSampleCount()))
	case m.Summary != nil:
		for _, q := range m.Summary.GetQuantile() {
			add("", q.GetValue(), "quantile", formatFloat(q.GetQuantile()))
		}
		add("_sum", m.Summary.GetSampleSum())
		add("_count", float64(m.Summary.GetSampleCount()))
	}
	return out
}

func formatFloat(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func hasLabels(labels, wanted map[string]string) bool {
	for k, want := range wanted {
		if got, ok := labels[k]; !ok || got != want {
			return false
		}
	}
	return true
}
