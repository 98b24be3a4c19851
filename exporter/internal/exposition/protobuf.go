package exposition

import (
	"iter"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The protobuf page is a sequence of io.prometheus.client.MetricFamily messages, each behind its length
// (https://github.com/prometheus/client_model/blob/master/io/prometheus/client/metrics.proto). A message stands in one
// that is behind its length too, so it is made inside out: each level has a buffer of its own, and goes into the one
// around it when it is complete. A page so holds its largest family, and no model of it.

// messages are the buffers, from the outside in.
type messages struct {
	family []byte
	metric []byte
	value  []byte // a counter, gauge, summary or histogram
	part   []byte // a bucket, a span, a quantile
	detail []byte // an exemplar
}

// keepFamily is the largest family's buffer kept for the next encode: some ten thousand series.
const keepFamily = 4 << 20

// emptied returns the buffers for the next encode, without a family that was very large.
func (m messages) emptied() messages {
	if cap(m.family) > keepFamily {
		m.family = nil
	}
	return messages{family: m.family[:0], metric: m.metric[:0], value: m.value[:0], part: m.part[:0], detail: m.detail[:0]}
}

// Field numbers of metrics.proto.
const (
	familyName, familyHelp, familyType, familyMetric = 1, 2, 3, 4

	metricLabel, metricGauge, metricCounter, metricSummary, metricHistogram = 1, 2, 3, 4, 7

	labelPairName, labelPairValue = 1, 2

	scalarValue, counterExemplar, counterCreated = 1, 2, 3

	exemplarLabel, exemplarValue, exemplarTimestamp = 1, 2, 3

	summaryCount, summarySum, summaryQuantile, summaryCreated = 1, 2, 3, 4
	quantileRank, quantileValue                               = 1, 2

	histogramCount, histogramSum, histogramBucket      = 1, 2, 3
	bucketCount, bucketBound, bucketExemplar           = 1, 2, 3
	nativeSchema, nativeZeroThreshold, nativeZeroCount = 5, 6, 7
	nativeNegativeSpan, nativeNegativeDelta            = 9, 10
	nativePositiveSpan, nativePositiveDelta            = 12, 13
	histogramCreated, nativeExemplar                   = 15, 16
	spanOffset, spanLength                             = 1, 2
	timestampSeconds, timestampNanos                   = 1, 2
)

// message is the number of the kind's MetricType.
func (k kind) message() uint64 {
	return [...]uint64{kindGauge: 1, kindCounter: 0, kindHistogram: 4, kindSummary: 2, kindUpDown: 1}[k]
}

// startFamily begins the family's message.
func (s *session) startFamily() {
	b := appendText(s.wire.family[:0], familyName, s.fam.name)
	if s.fam.help != "" {
		b = appendText(b, familyHelp, s.fam.help)
	}
	s.wire.family = appendNumber(b, familyType, s.fam.kind.message())
}

// endFamily writes the family's message behind its length.
func (s *session) endFamily() {
	s.out.buf = protowire.AppendVarint(s.out.buf, uint64(len(s.wire.family)))
	s.out.pass(s.wire.family)
}

// appendMetric appends one point to the family's message.
func (s *session) appendMetric(p *part, at *place) {
	s.wire.metric = append(s.wire.metric[:0], at.block...)
	p.points.message(s, p.stream, int(at.point))
	s.wire.family = appendMessage(s.wire.family, familyMetric, s.wire.metric)
}

// wireLabels returns the labels of a block as the label fields of a Metric message.
func wireLabels(block string) string {
	var b, pair []byte
	for name, value := range (Labels{block: block}).All() {
		b, pair = appendLabel(b, pair, metricLabel, label{name, value})
	}
	return string(b)
}

// appendLabel appends a LabelPair message, made in pair.
func appendLabel(b, pair []byte, field protowire.Number, l label) (appended, reuse []byte) {
	pair = appendText(pair[:0], labelPairName, l.name)
	pair = appendText(pair, labelPairValue, l.value)
	return appendMessage(b, field, pair), pair
}

// wirePairs yields the labels that [wireLabels] wrote.
func wirePairs(wire string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for rest := []byte(wire); len(rest) > 0; {
			_, _, n := protowire.ConsumeTag(rest)
			pair, m := protowire.ConsumeBytes(rest[n:])
			rest = rest[n+m:]
			var text [labelPairValue + 1]string
			for len(pair) > 0 {
				field, _, n := protowire.ConsumeTag(pair)
				value, m := protowire.ConsumeString(pair[n:])
				text[field], pair = value, pair[n+m:]
			}
			if !yield(text[labelPairName], text[labelPairValue]) {
				return
			}
		}
	}
}

func appendMessage(b []byte, field protowire.Number, message []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), message)
}

func appendText(b []byte, field protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// appendSigned appends a field of type sint32 or sint64.
func appendSigned(b []byte, field protowire.Number, n int64) []byte {
	return appendNumber(b, field, protowire.EncodeZigZag(n))
}

func appendDouble(b []byte, field protowire.Number, f float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), doubleBits(f))
}

// appendTime appends a google.protobuf.Timestamp, if the format has that time. It is some twenty bytes at most.
func appendTime(b []byte, field protowire.Number, t time.Time) []byte {
	if !expressible(t) {
		return b
	}
	var space [24]byte
	message := appendNumber(space[:0], timestampSeconds, uint64(t.Unix()))
	if nanos := t.Nanosecond(); nanos != 0 {
		message = appendNumber(message, timestampNanos, uint64(nanos))
	}
	return appendMessage(b, field, message)
}
