package exposition

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protodelim"
)

// registryFamily is a client_golang family and its name on the wire.
type registryFamily struct {
	name   string
	family *dto.MetricFamily
}

// planRegistry lists the families that can be shown, by name. OpenTelemetry's names are taken: which
// side wins may not depend on what a registry happens to have gathered this time.
func (s *session) planRegistry(families []*dto.MetricFamily) {
	for _, mf := range families {
		if len(mf.GetMetric()) == 0 {
			continue
		}
		name, _ := repair(mf.GetName())
		if !model.LegacyValidation.IsValidMetricName(name) {
			name = model.EscapeName(name, s.registryScheme)
		}
		s.registry = append(s.registry, registryFamily{name: name, family: mf})
	}
	slices.SortStableFunc(s.registry, func(a, b registryFamily) int { return strings.Compare(a.name, b.name) })
	kept := s.registry[:0]
	for _, rf := range s.registry {
		if reason := s.refusal(rf, kept); reason != "" {
			s.result.drop(Dropped{Name: rf.name, Reason: reason}, len(rf.family.GetMetric()))
			continue
		}
		kept = append(kept, rf)
	}
	clear(s.registry[len(kept):])
	s.registry = kept
}

func (s *session) refusal(rf registryFamily, kept []registryFamily) Reason {
	if rf.name == "" {
		return ReasonInvalidName
	}
	if n := len(kept); n > 0 && kept[n-1].name == rf.name {
		return ReasonDuplicateFamily
	}
	if _, ok := s.shown(rf.name); ok {
		return ReasonDuplicateFamily
	}
	if suffixCollides(rf.name, registryKind(rf.family.GetType()), s.shown) {
		return ReasonNameConflict
	}
	return ""
}

// shown looks for an OpenTelemetry family of this encode.
func (s *session) shown(name string) (kind, bool) {
	i, ok := sort.Find(len(s.parts), func(i int) int { return cmp.Compare(name, s.parts[i].stream.family.name) })
	if !ok {
		return 0, false
	}
	return s.parts[i].kind, true
}

// gathered looks for a family of a registry.
func (s *session) gathered(name string) bool {
	_, ok := sort.Find(len(s.registry), func(i int) int { return cmp.Compare(name, s.registry[i].name) })
	return ok
}

func registryKind(t dto.MetricType) kind {
	switch t {
	case dto.MetricType_COUNTER:
		return kindCounter
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return kindHistogram
	case dto.MetricType_SUMMARY:
		return kindSummary
	}
	return kindGauge
}

// encodeRegistry writes the families before a name, or all that are left where it is empty.
func (s *session) encodeRegistry(before string, in Input) {
	for s.registryNext < len(s.registry) && s.out.err == nil {
		rf := s.registry[s.registryNext]
		if before != "" && rf.name >= before {
			return
		}
		s.registryNext++
		if in.admitsName(rf.family.GetName()) {
			s.encodeRegistryFamily(rf, in)
		}
	}
}

// encodeRegistryFamily gives expfmt a family it cannot fail on: its first error would leave half a
// family behind.
func (s *session) encodeRegistryFamily(rf registryFamily, in Input) {
	help, _ := repair(rf.family.GetHelp())
	out := &dto.MetricFamily{Name: &rf.name, Type: rf.family.Type, Unit: rf.family.Unit}
	if help != "" {
		out.Help = &help
	}
	var last *dto.Metric
	for _, m := range rf.family.GetMetric() {
		clean, ok := s.cleanMetric(m, rf.family.GetType())
		switch {
		case !ok:
			s.result.drop(Dropped{Name: rf.name, Reason: ReasonInvalidData}, 1)
			continue
		case last != nil && sameLabels(last, clean):
			s.result.drop(Dropped{Name: rf.name, Reason: ReasonDuplicateSeries}, 1)
			continue
		}
		last = clean
		if in.Series == nil || in.Series(rf.name, Labels{pairs: clean.GetLabel()}) {
			out.Metric = append(out.Metric, clean)
		}
	}
	if len(out.Metric) == 0 {
		return
	}
	if s.openMetrics && out.GetType() == dto.MetricType_COUNTER && s.noCounter(rf.name) {
		out = asUnknown(out)
	}
	s.result.Series += len(out.Metric)
	s.writeFamily(out)
}

// noCounter reports whether OpenMetrics has no counter of that name: because it does not end in _total, or
// because it is another family's without that, and the two would be one. It is shown as of unknown type,
// under its whole name.
func (s *session) noCounter(name string) bool {
	base, total := strings.CutSuffix(name, "_total")
	if !total {
		return true
	}
	_, ok := s.shown(base)
	return ok || s.gathered(base)
}

// asUnknown returns a family of counters as one of unknown type, which has no _created and no exemplars.
func asUnknown(mf *dto.MetricFamily) *dto.MetricFamily {
	out := &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Unit: mf.Unit, Type: dto.MetricType_UNTYPED.Enum(), Metric: make([]*dto.Metric, len(mf.Metric))}
	for i, m := range mf.Metric {
		value := m.GetCounter().GetValue()
		out.Metric[i] = &dto.Metric{Label: m.Label, Untyped: &dto.Untyped{Value: &value}, TimestampMs: m.TimestampMs}
	}
	return out
}

func (s *session) writeFamily(mf *dto.MetricFamily) {
	var err error
	switch {
	case s.protobuf:
		_, err = protodelim.MarshalTo(&s.out, mf)
	case s.openMetrics && s.created:
		_, err = expfmt.MetricFamilyToOpenMetrics(&s.out, withFittingUnit(mf), expfmt.WithCreatedLines())
	case s.openMetrics:
		_, err = expfmt.MetricFamilyToOpenMetrics(&s.out, withFittingUnit(mf))
	default:
		_, err = expfmt.MetricFamilyToText(&s.out, mf)
	}
	if err != nil && s.out.err == nil {
		s.result.drop(Dropped{Name: mf.GetName(), Reason: ReasonInvalidData}, len(mf.GetMetric()))
	}
	s.out.spill()
}

// withFittingUnit returns mf, without its unit where OpenMetrics does not take it: the name has to end with it. expfmt writes a line for
// any unit.
func withFittingUnit(mf *dto.MetricFamily) *dto.MetricFamily {
	if mf.Unit == nil {
		return mf
	}
	name, unit := mf.GetName(), mf.GetUnit()
	if mf.GetType() == dto.MetricType_COUNTER {
		name = strings.TrimSuffix(name, "_total")
	}
	if unit != "" && utf8.ValidString(unit) && strings.HasSuffix(name, "_"+unit) {
		return mf
	}
	return &dto.MetricFamily{Name: mf.Name, Help: mf.Help, Type: mf.Type, Metric: mf.Metric}
}

// sameLabels finds the duplicates of neighbours, which is where a sorted family has them.
func sameLabels(a, b *dto.Metric) bool {
	return a.TimestampMs == nil && b.TimestampMs == nil && slices.EqualFunc(a.GetLabel(), b.GetLabel(), func(x, y *dto.LabelPair) bool {
		return x.GetName() == y.GetName() && x.GetValue() == y.GetValue()
	})
}

// fits reports whether a metric has what its family's type says, in a form the text has words for.
func (s *session) fits(m *dto.Metric, t dto.MetricType) bool {
	switch t {
	case dto.MetricType_COUNTER:
		return m.GetCounter() != nil && fitsExemplar(m.Counter.Exemplar)
	case dto.MetricType_GAUGE:
		return m.GetGauge() != nil
	case dto.MetricType_UNTYPED:
		return m.GetUntyped() != nil
	case dto.MetricType_SUMMARY:
		return m.GetSummary() != nil
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		return m.GetHistogram() != nil && s.fitsHistogram(m.Histogram)
	}
	return false
}

func (s *session) fitsHistogram(h *dto.Histogram) bool {
	if s.openMetrics && h.GetSampleCountFloat() > 0 || !fitsNative(h) {
		return false
	}
	previous := math.Inf(-1)
	for i, b := range h.GetBucket() {
		bound := b.GetUpperBound()
		if b == nil || s.openMetrics && b.GetCumulativeCountFloat() > 0 || !fitsExemplar(b.Exemplar) {
			return false
		}
		if bound != bound || i > 0 && bound <= previous {
			return false
		}
		previous = bound
	}
	return true
}

// fitsNative reports whether the buckets of a native histogram have as many observations as it says, and its spans as
// many buckets: Prometheus refuses the whole page for one that contradicts itself. It is asked in every format, so
// that all show the same. One of floats is not looked at.
func fitsNative(h *dto.Histogram) bool {
	if h.Schema == nil || h.GetSampleCountFloat() > 0 {
		return true
	}
	if h.GetSchema() < -4 || h.GetSchema() > 8 {
		return false
	}
	total := h.GetZeroCount()
	for _, side := range []struct {
		spans  []*dto.BucketSpan
		deltas []int64
	}{{h.GetPositiveSpan(), h.GetPositiveDelta()}, {h.GetNegativeSpan(), h.GetNegativeDelta()}} {
		buckets, count := 0, int64(0)
		for _, span := range side.spans {
			buckets += int(span.GetLength())
		}
		for _, delta := range side.deltas {
			if count += delta; count < 0 {
				return false
			}
			total += uint64(count)
		}
		if buckets != len(side.deltas) {
			return false
		}
	}
	return total == h.GetSampleCount() || total < h.GetSampleCount() && math.IsNaN(h.GetSampleSum())
}

func fitsExemplar(e *dto.Exemplar) bool {
	return e == nil || e.Timestamp == nil || e.Timestamp.CheckValid() == nil
}
