package exposition

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// points are the data points of one metric.
type points interface {
	len() int
	// ids appends the identity of every point to dst.
	ids(dst []attribute.Distinct) []attribute.Distinct
	// attributes returns the attribute set of a point.
	attributes(i int) *attribute.Set
	// touch reads a point, so that it is in the processor's cache; the number means nothing.
	touch(i int) uint64
	// valid reports whether a point can be rendered.
	valid(s *session, st *stream, i int) bool
	// render appends the lines of a point, whose labels are block.
	render(s *session, st *stream, i int, block string)
	// message appends what a point is in protobuf, without its labels, to s.wire.metric.
	message(s *session, st *stream, i int)
}

// pointsOf returns the points of an aggregation and the kind of metric they make; nil means that
// nothing is known about it.
func pointsOf(data metricdata.Aggregation) (points, kind) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return scalars[int64](d.DataPoints), sumKind(d.IsMonotonic)
	case metricdata.Sum[float64]:
		return scalars[float64](d.DataPoints), sumKind(d.IsMonotonic)
	case metricdata.Gauge[int64]:
		return scalars[int64](d.DataPoints), kindGauge
	case metricdata.Gauge[float64]:
		return scalars[float64](d.DataPoints), kindGauge
	case metricdata.Histogram[int64]:
		return histograms[int64](d.DataPoints), kindHistogram
	case metricdata.Histogram[float64]:
		return histograms[float64](d.DataPoints), kindHistogram
	case metricdata.ExponentialHistogram[int64]:
		return exponentials[int64](d.DataPoints), kindHistogram
	case metricdata.ExponentialHistogram[float64]:
		return exponentials[float64](d.DataPoints), kindHistogram
	case metricdata.Summary:
		return summaries(d.DataPoints), kindSummary
	}
	return nil, 0
}

func sumKind(monotonic bool) kind {
	if monotonic {
		return kindCounter
	}
	return kindUpDown
}

// scalars are the points of sums and gauges.
type scalars[N int64 | float64] []metricdata.DataPoint[N]

func (p scalars[N]) len() int                        { return len(p) }
func (p scalars[N]) attributes(i int) *attribute.Set { return &p[i].Attributes }
func (scalars[N]) valid(*session, *stream, int) bool { return true }

func (p scalars[N]) touch(i int) uint64 { return uint64(p[i].Value) + uint64(len(p[i].Exemplars)) }

func (p scalars[N]) ids(dst []attribute.Distinct) []attribute.Distinct {
	for i := range p {
		dst = append(dst, p[i].Attributes.Equivalent())
	}
	return dst
}

func (p scalars[N]) render(s *session, _ *stream, i int, block string) {
	dp := &p[i]
	s.begin(&s.fam.sample, block)
	s.value(float64(dp.Value))
	if s.openMetrics && s.counter && len(dp.Exemplars) > 0 {
		appendExemplar(s, &dp.Exemplars[len(dp.Exemplars)-1])
	}
	s.out.buf = append(s.out.buf, '\n')
	if s.created && s.counter {
		s.createdLine(block, dp.StartTime)
	}
}

// begin appends the name and labels of a line that has no label of its own.
func (s *session) begin(h *head, block string) {
	if block == "" {
		s.out.buf = append(s.out.buf, h.bare...)
		return
	}
	s.out.buf = append(append(s.out.buf, h.open...), block...)
}

// beginWith appends the name and labels of a line that has one label more, and leaves the place for it.
func (s *session) beginWith(h *head, block string) {
	s.out.buf = append(s.out.buf, h.open...)
	if block != "" {
		s.out.buf = append(append(s.out.buf, block[:len(block)-len("} ")]...), ',')
	}
}

// value appends a sample's value.
func (s *session) value(f float64) {
	if s.openMetrics {
		s.out.buf = appendOpenMetricsFloat(s.out.buf, f)
		return
	}
	s.out.buf = appendFloat(s.out.buf, f)
}

// createdLine appends a _created line. The points of a metric mostly began together, so that the text
// of the last start is kept.
func (s *session) createdLine(block string, start time.Time) {
	if start != s.start {
		s.start, s.startText = start, s.startText[:0]
		if expressible(start) {
			s.startText = append(appendSeconds(s.startText, start), '\n')
		}
	}
	if len(s.startText) > 0 {
		s.begin(&s.fam.created, block)
		s.out.buf = append(s.out.buf, s.startText...)
	}
}
