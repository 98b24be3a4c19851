package vocabulary

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// point is one series, whatever its instrument. One of a sum has its value as sum.
type point struct {
	attrs       attribute.Set
	start, time time.Time
	count       uint64
	sum         float64
	bounds      []float64
	counts      []uint64 // one more than bounds
	exemplars   []metricdata.Exemplar[float64]
}

// pointsOf reads the points of an aggregation that the middleware's instruments can have.
func pointsOf(data metricdata.Aggregation) ([]point, metricdata.Temporality) {
	switch d := data.(type) {
	case metricdata.Histogram[float64]:
		out := histogramPoints(d.DataPoints)
		for i := range out {
			out[i].exemplars = d.DataPoints[i].Exemplars
		}
		return out, d.Temporality
	case metricdata.Histogram[int64]:
		return histogramPoints(d.DataPoints), d.Temporality
	case metricdata.ExponentialHistogram[float64]:
		return exponentialPoints(d.DataPoints), d.Temporality
	case metricdata.ExponentialHistogram[int64]:
		return exponentialPoints(d.DataPoints), d.Temporality
	case metricdata.Sum[int64]:
		out := make([]point, len(d.DataPoints))
		for i, p := range d.DataPoints {
			out[i] = point{attrs: p.Attributes, start: p.StartTime, time: p.Time, sum: float64(p.Value)}
		}
		return out, d.Temporality
	default:
		return nil, metricdata.CumulativeTemporality
	}
}

func histogramPoints[N int64 | float64](points []metricdata.HistogramDataPoint[N]) []point {
	out := make([]point, len(points))
	for i, p := range points {
		out[i] = point{
			attrs: p.Attributes, start: p.StartTime, time: p.Time, count: p.Count, sum: float64(p.Sum),
			bounds: p.Bounds, counts: p.BucketCounts,
		}
	}
	return out
}

func exponentialPoints[N int64 | float64](points []metricdata.ExponentialHistogramDataPoint[N]) []point {
	out := make([]point, len(points))
	for i, p := range points {
		out[i] = point{
			attrs: p.Attributes, start: p.StartTime, time: p.Time, count: p.Count, sum: float64(p.Sum),
			counts: []uint64{p.Count},
		}
	}
	return out
}

// merge adds up the points that have the same labels, with their buckets folded to those that are shown. The result is in
// the order of the first of each.
func merge(points []point, l labels, shown *buckets) []point {
	var out []point
	index := make(map[attribute.Distinct]int, len(points))
	for _, p := range points {
		p.attrs = l.of(p.attrs)
		p.bounds, p.counts = fold(p.bounds, p.counts, shown.of(p.bounds))
		id := p.attrs.Equivalent()
		i, ok := index[id]
		if !ok {
			index[id] = len(out)
			p.exemplars = slices.Clone(p.exemplars)
			out = append(out, p)
			continue
		}
		out[i].add(p)
	}
	return out
}

func (p *point) add(q point) {
	if q.start.Before(p.start) {
		p.start = q.start
	}
	if q.time.After(p.time) {
		p.time = q.time
	}
	p.count += q.count
	p.sum += q.sum
	p.exemplars = append(p.exemplars, q.exemplars...)
	if !slices.Equal(p.bounds, q.bounds) || len(p.counts) != len(q.counts) {
		// What has no bounds in common has sum and count in common.
		p.bounds, p.counts = nil, []uint64{p.count}
		return
	}
	for i, n := range q.counts {
		p.counts[i] += n
	}
}
