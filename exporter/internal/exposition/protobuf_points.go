package exposition

import (
	"math"
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/duotel/duotel/exporter/internal/clean"
)

func doubleBits(f float64) uint64 { return math.Float64bits(f) }

// message implements [points].
func (p scalars[N]) message(s *session, _ *stream, i int) {
	dp := &p[i]
	value := appendDouble(s.wire.value[:0], scalarValue, float64(dp.Value))
	field := protowire.Number(metricGauge)
	if s.fam.kind == kindCounter {
		field = metricCounter
		if n := len(dp.Exemplars); n > 0 {
			value = appendExemplarMessage(s, value, counterExemplar, &dp.Exemplars[n-1])
		}
		value = appendTime(value, counterCreated, dp.StartTime)
	}
	s.wire.metric, s.wire.value = appendMessage(s.wire.metric, field, value), value
}

// message implements [points]. The numbers are those of the text: see render.
func (p histograms[N]) message(s *session, st *stream, i int) {
	dp, bounds := &p[i], st.boundsOf(p[i].Bounds).values
	if len(dp.Exemplars) > 0 {
		placeExemplars(s, dp.Exemplars, bounds)
	} else {
		s.resetExemplars(len(bounds) + 1)
	}
	value, cumulative := s.wire.value[:0], uint64(0)
	for j, bound := range bounds {
		cumulative += dp.BucketCounts[j]
		if math.IsInf(bound, 1) {
			bounds = bounds[:j] // it says what the histogram's own count says
			break
		}
		value = appendBucket(s, value, cumulative, bound, dp.Exemplars, s.exemplarOf[j])
	}
	total := max(cumulative, dp.Count)
	if last := s.exemplarOf[len(bounds)]; last >= 0 {
		// The bucket of everything is written only to carry an exemplar; readers know its count from the histogram's.
		value = appendBucket(s, value, total, math.Inf(1), dp.Exemplars, last)
	}
	value = appendNumber(value, histogramCount, total)
	value = appendDouble(value, histogramSum, float64(dp.Sum))
	value = appendTime(value, histogramCreated, dp.StartTime)
	s.wire.metric, s.wire.value = appendMessage(s.wire.metric, metricHistogram, value), value
}

// appendBucket appends a bucket, with the exemplar of an index unless that is negative.
func appendBucket[N int64 | float64](s *session, value []byte, cumulative uint64, bound float64, exemplars []metricdata.Exemplar[N], exemplar int32) []byte {
	b := appendNumber(s.wire.part[:0], bucketCount, cumulative)
	b = appendDouble(b, bucketBound, bound)
	if exemplar >= 0 {
		b = appendExemplarMessage(s, b, bucketExemplar, &exemplars[exemplar])
	}
	s.wire.part = b
	return appendMessage(value, histogramBucket, b)
}

// appendExemplarMessage appends an exemplar, with the labels that the text gives it.
func appendExemplarMessage[N int64 | float64](s *session, b []byte, field protowire.Number, e *metricdata.Exemplar[N]) []byte {
	s.exemplarLabels(e.FilteredAttributes, e.TraceID, e.SpanID)
	message := s.wire.detail[:0]
	var pair []byte
	for _, l := range s.labels {
		message, pair = appendLabel(message, pair, exemplarLabel, l)
	}
	message = appendDouble(message, exemplarValue, float64(e.Value))
	message = appendTime(message, exemplarTimestamp, e.Time)
	s.wire.detail = message
	return appendMessage(b, field, message)
}

// message implements [points].
func (p summaries) message(s *session, _ *stream, i int) {
	dp := &p[i]
	value := appendNumber(s.wire.value[:0], summaryCount, dp.Count)
	value = appendDouble(value, summarySum, dp.Sum)
	for _, q := range dp.QuantileValues {
		b := appendDouble(s.wire.part[:0], quantileRank, q.Quantile)
		b = appendDouble(b, quantileValue, q.Value)
		value, s.wire.part = appendMessage(value, summaryQuantile, b), b
	}
	value = appendTime(value, summaryCreated, dp.StartTime)
	s.wire.metric, s.wire.value = appendMessage(s.wire.metric, metricSummary, value), value
}

// maxNativeScale is the finest scale that a native histogram has.
const maxNativeScale = 8

// message implements [points]: an exponential histogram is a native one.
func (p exponentials[N]) message(s *session, _ *stream, i int) {
	dp := &p[i]
	scale, positive, negative := dp.Scale, dp.PositiveBucket, dp.NegativeBucket
	if scale < clean.MinScale {
		positive, negative = clean.Widen(positive, scale), clean.Widen(negative, scale)
		scale = clean.MinScale
	}
	shift := max(int64(scale)-maxNativeScale, 0)
	value := appendNumber(s.wire.value[:0], histogramCount, dp.Count)
	value = appendDouble(value, histogramSum, float64(dp.Sum))
	value = appendSigned(value, nativeSchema, min(int64(scale), maxNativeScale))
	value = appendDouble(value, nativeZeroThreshold, math.Abs(dp.ZeroThreshold))
	value = appendNumber(value, nativeZeroCount, dp.ZeroCount)
	value, _ = appendBuckets(s, value, nativeNegativeSpan, nativeNegativeDelta, &negative, shift)
	value, some := appendBuckets(s, value, nativePositiveSpan, nativePositiveDelta, &positive, shift)
	if !some {
		// A span of no buckets tells a native histogram without any from a classic one.
		value = appendSpan(s, value, nativePositiveSpan, 0, 0)
	}
	value = appendTime(value, histogramCreated, dp.StartTime)
	s.wire.value = value
	value = appendNativeExemplars(s, value, dp.Exemplars)
	s.wire.metric, s.wire.value = appendMessage(s.wire.metric, metricHistogram, value), value
}

// maxGap is how many empty buckets are written rather than a new span begun. client_golang has the same number, and writes
// those as well that the SDK gives.
const maxGap = 2

// appendBuckets appends one side's spans and deltas. shift is by how many bits an index is coarsened. Prometheus counts
// buckets by their upper bounds and OpenTelemetry by their lower ones, so that an index is one more there.
func appendBuckets(s *session, value []byte, spans, deltas protowire.Number, b *metricdata.ExponentialBucket, shift int64) (appended []byte, some bool) {
	shift = min(shift, 63)
	counts := s.buckets(b, shift)
	if len(counts) == 0 {
		return value, false
	}
	next, offset, length := int64(0), int64(0), int64(0)
	for i, c := range counts {
		gap := c.index - next
		switch {
		case i == 0:
			offset = c.index
		case gap > maxGap:
			value = appendSpan(s, value, spans, offset, length)
			offset, length = gap, 0
		default:
			length += gap
		}
		length++
		next = c.index + 1
	}
	value = appendSpan(s, value, spans, offset, length)
	before, next := int64(0), counts[0].index
	for _, c := range counts {
		if gap := c.index - next; gap > 0 && gap <= maxGap {
			for range gap {
				value = appendSigned(value, deltas, -before)
				before = 0
			}
		}
		value = appendSigned(value, deltas, int64(c.count)-before)
		before, next = int64(c.count), c.index+1
	}
	return value, true
}

// nativeBucket is a bucket of a native histogram that is not empty.
type nativeBucket struct {
	index int64
	count uint64
}

// buckets returns the buckets of one side that are not empty, coarsened, in order.
func (s *session) buckets(b *metricdata.ExponentialBucket, shift int64) []nativeBucket {
	out := s.native[:0]
	for i, n := range b.Counts {
		if n == 0 {
			continue
		}
		index := (int64(b.Offset)+int64(i))>>shift + 1
		if last := len(out) - 1; last >= 0 && out[last].index == index {
			out[last].count += n
			continue
		}
		out = append(out, nativeBucket{index, n})
	}
	s.native = out
	return out
}

func appendSpan(s *session, value []byte, field protowire.Number, offset, length int64) []byte {
	b := appendSigned(s.wire.part[:0], spanOffset, offset)
	b = appendNumber(b, spanLength, uint64(length))
	s.wire.part = b
	return appendMessage(value, field, b)
}

// appendNativeExemplars appends exemplars in the order of their times, which Prometheus wants of a native histogram.
// One whose time cannot be written is left out.
func appendNativeExemplars[N int64 | float64](s *session, value []byte, exemplars []metricdata.Exemplar[N]) []byte {
	if len(exemplars) == 0 {
		return value
	}
	ordered := slices.Clone(exemplars)
	slices.SortStableFunc(ordered, func(a, b metricdata.Exemplar[N]) int { return a.Time.Compare(b.Time) })
	for i := range ordered {
		if expressible(ordered[i].Time) {
			value = appendExemplarMessage(s, value, nativeExemplar, &ordered[i])
		}
	}
	return value
}
