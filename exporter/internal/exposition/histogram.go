package exposition

import (
	"math"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// histograms are the points of histograms with explicit bounds.
type histograms[N int64 | float64] []metricdata.HistogramDataPoint[N]

func (p histograms[N]) len() int                        { return len(p) }
func (p histograms[N]) attributes(i int) *attribute.Set { return &p[i].Attributes }

func (p histograms[N]) touch(i int) uint64 { return p[i].Count + uint64(len(p[i].Exemplars)) }

func (p histograms[N]) ids(dst []attribute.Distinct) []attribute.Distinct {
	for i := range p {
		dst = append(dst, p[i].Attributes.Equivalent())
	}
	return dst
}

func (p histograms[N]) valid(_ *session, st *stream, i int) bool {
	dp := &p[i]
	return len(dp.BucketCounts) >= len(dp.Bounds) && st.boundsOf(dp.Bounds).ascending
}

func (p histograms[N]) render(s *session, st *stream, i int, block string) {
	dp, b := &p[i], st.boundsOf(p[i].Bounds)
	exemplars := s.openMetrics && len(dp.Exemplars) > 0
	if exemplars {
		placeExemplars(s, dp.Exemplars, b.values)
	}
	w := bucketLines{s: s, block: block}
	cumulative := uint64(0)
	texts := b.text(s.openMetrics)
	for j, text := range texts {
		if j < len(dp.Bounds) {
			cumulative += dp.BucketCounts[j]
		}
		if j == len(texts)-1 { // everything is at most +Inf, whatever the buckets say
			cumulative = max(cumulative, dp.Count)
		}
		w.begin()
		s.out.buf = append(s.out.buf, text...)
		s.tally(cumulative)
		if exemplars && s.exemplarOf[j] >= 0 {
			appendExemplar(s, &dp.Exemplars[s.exemplarOf[j]])
		}
		s.out.buf = append(s.out.buf, '\n')
	}
	s.totals(block, float64(dp.Sum), max(cumulative, dp.Count))
	if s.created {
		s.createdLine(block, dp.StartTime)
	}
}

// bucketLines writes the lines of one series' buckets. All begin alike, so that all but the first
// begin with a copy of what stands in the buffer already.
type bucketLines struct {
	s          *session
	block      string
	start, end int
}

// begin appends a line up to its bound. Nothing may have been flushed since the first.
func (w *bucketLines) begin() {
	if w.end == 0 {
		w.start = len(w.s.out.buf)
		w.s.beginWith(&w.s.fam.bucket, w.block)
		w.end = len(w.s.out.buf)
	} else {
		w.s.out.buf = append(w.s.out.buf, w.s.out.buf[w.start:w.end]...)
	}
}

// tally appends a count of observations: an integer in OpenMetrics, a float before it.
func (s *session) tally(n uint64) {
	if s.openMetrics {
		s.out.buf = strconv.AppendUint(s.out.buf, n, 10)
		return
	}
	s.out.buf = appendFloat(s.out.buf, float64(n))
}

// totals appends the _sum and _count lines.
func (s *session) totals(block string, sum float64, count uint64) {
	s.begin(&s.fam.sum, block)
	s.value(sum)
	s.out.buf = append(s.out.buf, '\n')
	s.begin(&s.fam.count, block)
	s.tally(count)
	s.out.buf = append(s.out.buf, '\n')
}

// bounds are the bounds of a stream's histograms, and how they look. They never change.
type bounds struct {
	values            []float64
	plain, openMetric []string // one more than values, unless the last is +Inf
	ascending         bool
}

func (b *bounds) text(openMetrics bool) []string {
	if openMetrics {
		return b.openMetric
	}
	return b.plain
}

// boundsOf returns the stream's bounds in text. All points of a stream share their bounds, and the
// SDK even their memory; whoever has others gets them rendered.
func (st *stream) boundsOf(values []float64) *bounds {
	if b := st.bounds.Load(); b != nil && sameBounds(b.values, values) {
		return b
	}
	b := newBounds(values)
	st.bounds.Store(b)
	return b
}

// sameBounds is slices.Equal with NaN equal to itself.
func sameBounds(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return math.Float64bits(x) == math.Float64bits(y) })
}

func newBounds(values []float64) *bounds {
	b := &bounds{values: slices.Clone(values), ascending: true}
	for i, v := range values {
		if v != v || i > 0 && !(v > values[i-1]) {
			b.ascending = false
		}
	}
	if n := len(values); n == 0 || !math.IsInf(values[n-1], 1) {
		values = append(slices.Clone(values), math.Inf(1))
	}
	for _, v := range values {
		b.plain = append(b.plain, boundText(v, false))
		b.openMetric = append(b.openMetric, boundText(v, true))
	}
	return b
}

// boundText is the rest of a bucket's labels, and the space after them.
func boundText(v float64, openMetrics bool) string {
	return string(appendBound(nil, v, openMetrics))
}

func appendBound(b []byte, v float64, openMetrics bool) []byte {
	b = append(b, `le="`...)
	if openMetrics {
		b = appendOpenMetricsFloat(b, v)
	} else {
		b = appendFloat(b, v)
	}
	return append(b, `"} `...)
}
