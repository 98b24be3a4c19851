package exposition

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// summaries are the points of summaries. The SDK makes none; bridges do.
type summaries []metricdata.SummaryDataPoint

func (p summaries) len() int                        { return len(p) }
func (p summaries) attributes(i int) *attribute.Set { return &p[i].Attributes }
func (summaries) valid(*session, *stream, int) bool { return true }

func (p summaries) touch(i int) uint64 { return p[i].Count }

func (p summaries) ids(dst []attribute.Distinct) []attribute.Distinct {
	for i := range p {
		dst = append(dst, p[i].Attributes.Equivalent())
	}
	return dst
}

func (p summaries) render(s *session, _ *stream, i int, block string) {
	dp := &p[i]
	for _, q := range dp.QuantileValues {
		s.beginWith(&s.fam.sample, block)
		s.out.buf = append(s.out.buf, `quantile="`...)
		s.value(q.Quantile)
		s.out.buf = append(s.out.buf, `"} `...)
		s.value(q.Value)
		s.out.buf = append(s.out.buf, '\n')
	}
	s.totals(block, dp.Sum, dp.Count)
	if s.created {
		s.createdLine(block, dp.StartTime)
	}
}
