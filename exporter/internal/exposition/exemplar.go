package exposition

import (
	"encoding/hex"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// maxExemplarRunes is how long the labels of an exemplar may be together, by OpenMetrics 1.0.0.
const maxExemplarRunes = 128

// placeExemplars finds out which exemplar goes on which bucket: the last one of those that fit. It
// fills s.exemplarOf with their indexes, and -1 where there is none.
func placeExemplars[N int64 | float64](s *session, exemplars []metricdata.Exemplar[N], bounds []float64) {
	s.resetExemplars(len(bounds) + 1)
	for i := range exemplars {
		at := sort.Search(len(bounds), func(j int) bool { return bounds[j] >= float64(exemplars[i].Value) })
		s.exemplarOf[at] = int32(i)
	}
}

// placeExemplarsOn is placeExemplars for the bounds of a ladder, the last of which is +Inf.
func placeExemplarsOn[N int64 | float64](s *session, exemplars []metricdata.Exemplar[N], ladder []rung) {
	s.resetExemplars(len(ladder))
	for i := range exemplars {
		at := sort.Search(len(ladder)-1, func(j int) bool { return ladder[j].bound >= float64(exemplars[i].Value) })
		s.exemplarOf[at] = int32(i)
	}
}

func (s *session) resetExemplars(n int) {
	s.exemplarOf = slices.Grow(s.exemplarOf[:0], n)[:n]
	for i := range s.exemplarOf {
		s.exemplarOf[i] = -1
	}
}

// appendExemplar appends an exemplar to the line that ends the buffer.
func appendExemplar[N int64 | float64](s *session, e *metricdata.Exemplar[N]) {
	s.exemplarLabels(e.FilteredAttributes, e.TraceID, e.SpanID)
	s.out.buf = append(s.out.buf, " # {"...)
	s.out.buf = append(appendLabels(s.out.buf, s.labels), "} "...)
	s.out.buf = appendOpenMetricsFloat(s.out.buf, float64(e.Value))
	if expressible(e.Time) {
		s.out.buf = appendSeconds(append(s.out.buf, ' '), e.Time)
	}
}

// exemplarLabels fills s.labels. The trace comes first, because it is what has to stay when all of
// it is too long.
func (s *session) exemplarLabels(filtered []attribute.KeyValue, traceID, spanID []byte) {
	s.labels = append(s.labels[:0],
		label{otlptranslator.ExemplarTraceIDKey, hex.EncodeToString(traceID)},
		label{otlptranslator.ExemplarSpanIDKey, hex.EncodeToString(spanID)},
	)
	for _, kv := range filtered {
		name, _ := s.view.labelName("", string(kv.Key))
		value, _ := repair(kv.Value.String())
		value = strings.ReplaceAll(value, "\x00", "\uFFFD") // Prometheus's parser gives up the page at a NUL in an exemplar
		s.setExemplarLabel(name, value)
	}
	runes := 0
	for _, l := range s.labels {
		runes += utf8.RuneCountInString(l.name) + utf8.RuneCountInString(l.value)
	}
	if runes > maxExemplarRunes {
		s.labels = s.labels[:2]
	}
	s.labels = slices.DeleteFunc(s.labels, func(l label) bool { return l.value == "" }) // no span, no ids
	slices.SortFunc(s.labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
}

// setExemplarLabel sets a label; the last value wins, except over the trace's.
func (s *session) setExemplarLabel(name, value string) {
	for i := range s.labels {
		if s.labels[i].name == name {
			if i > 1 {
				s.labels[i].value = value
			}
			return
		}
	}
	s.labels = append(s.labels, label{name, value})
}
