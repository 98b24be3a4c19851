package exposition

import (
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/proto"
)

// planRegistryScheme keeps the scheme the scraper asked for: a registry's names are escaped by
// nobody else, whatever the strategy is.
func (s *session) planRegistryScheme(f Format) {
	s.registryScheme = model.NoEscaping
	if f.Escaping > model.NoEscaping && f.Escaping <= model.ValueEncodingEscaping {
		s.registryScheme = f.Escaping
	}
}

// cleanMetric returns a metric that makes valid text: m itself, or a copy with other labels.
func (s *session) cleanMetric(m *dto.Metric, t dto.MetricType) (*dto.Metric, bool) {
	if m == nil || !s.fits(m, t) {
		return nil, false
	}
	k := registryKind(t)
	if len(s.enc.constant) == 0 && s.cleanLabels(m.GetLabel(), k) {
		return m, true
	}
	return &dto.Metric{
		Label: s.relabel(m.GetLabel(), k), Gauge: m.Gauge, Counter: m.Counter, Summary: m.Summary, Untyped: m.Untyped,
		Histogram: m.Histogram, TimestampMs: m.TimestampMs,
	}, true
}

// cleanLabels reports whether labels can stay as they are.
func (s *session) cleanLabels(pairs []*dto.LabelPair, k kind) bool {
	previous := ""
	for _, p := range pairs {
		name := p.GetName()
		if value, bad := repair(p.GetValue()); bad || value == "" || name <= previous {
			return false
		}
		if strings.HasPrefix(name, "__") || k.reserved(name) || !model.LegacyValidation.IsValidLabelName(name) {
			return false
		}
		previous = name
	}
	return true
}

// relabel does to a registry's labels what [view.attributes] does to attributes, but for the
// translation of names.
func (s *session) relabel(pairs []*dto.LabelPair, k kind) []*dto.LabelPair {
	labels := s.labels[:0]
	v := s.enc.views[s.registryScheme]
	constant := v.escapedConstant()
	taken := func(name string) bool {
		return k.reserved(name) || slices.ContainsFunc(constant, func(l label) bool { return l.name == name })
	}
	for _, p := range pairs {
		name, _ := repair(p.GetName())
		if name == "" {
			name = "_"
		}
		if model.LegacyValidation.IsValidMetricName(name) {
			// expfmt would take this for a name that needs no quotes.
			name = strings.ReplaceAll(name, ":", "_")
		}
		if name = v.escapeLabel(name); strings.HasPrefix(name, "__") {
			name = "key" + name
		}
		for taken(name) {
			name = "exported_" + name
		}
		value, _ := repair(p.GetValue())
		labels = append(labels, label{name, value})
	}
	s.labels = joinLabels(append(labels, constant...))
	relabelled := make([]*dto.LabelPair, len(s.labels))
	for i, l := range s.labels {
		relabelled[i] = &dto.LabelPair{Name: proto.String(l.name), Value: proto.String(l.value)}
	}
	return relabelled
}
