package bound

import (
	"slices"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// collectInto writes the stream's points into m and its memory. It returns false, and leaves m's data
// for the next stream to reuse, if nothing was measured.
func (st *stream[N]) collectInto(m *metricdata.Metrics, now time.Time) bool {
	all := st.measured()
	if len(all) == 0 {
		return false
	}
	m.Name, m.Description, m.Unit = st.plan.name, st.plan.description, st.plan.unit
	switch st.plan.mode {
	case histogram:
		data, _ := m.Data.(metricdata.Histogram[N])
		data.Temporality = metricdata.CumulativeTemporality
		data.DataPoints = st.distributions(data.DataPoints, all, now)
		m.Data = data
	case lastValue:
		data, _ := m.Data.(metricdata.Gauge[N])
		data.DataPoints = st.values(data.DataPoints, all, now, (*series[N]).last)
		m.Data = data
	default:
		data, _ := m.Data.(metricdata.Sum[N])
		data.Temporality, data.IsMonotonic = metricdata.CumulativeTemporality, st.plan.monotonic()
		data.DataPoints = st.values(data.DataPoints, all, now, (*series[N]).total)
		m.Data = data
	}
	return true
}

func (st *stream[N]) values(
	dst []metricdata.DataPoint[N], all []*series[N], now time.Time, value func(*series[N]) N,
) []metricdata.DataPoint[N] {
	dst = grow(dst, len(all))
	for i, s := range all {
		dst[i] = metricdata.DataPoint[N]{
			Attributes: s.attrs,
			StartTime:  st.start,
			Time:       now,
			Value:      value(s),
			Exemplars:  collectExemplars(dst[i].Exemplars, s.sampler.Load()),
		}
	}
	return dst
}

func (st *stream[N]) distributions(
	dst []metricdata.HistogramDataPoint[N], all []*series[N], now time.Time,
) []metricdata.HistogramDataPoint[N] {
	dst = grow(dst, len(all))
	// The points share one copy of the bounds: nobody can change the stream's own through it.
	bounds := dst[0].Bounds
	if !slices.Equal(bounds, st.plan.buckets.bounds) {
		bounds = slices.Clone(st.plan.buckets.bounds)
	}
	for i, s := range all {
		dst[i] = st.distribution(s, dst[i], bounds)
		dst[i].Time = now
	}
	return dst
}

// distribution returns the point of s, in the memory of old.
func (st *stream[N]) distribution(s *series[N], old metricdata.HistogramDataPoint[N], bounds []float64) metricdata.HistogramDataPoint[N] {
	snap := snapshot[N]{counts: grow(old.BucketCounts, len(bounds)+1)}
	clear(snap.counts)
	s.hist.read(&snap)
	p := metricdata.HistogramDataPoint[N]{
		Attributes:   s.attrs,
		StartTime:    st.start,
		Count:        snap.count,
		Bounds:       bounds,
		BucketCounts: snap.counts,
		Exemplars:    collectExemplars(old.Exemplars, s.sampler.Load()),
	}
	if !st.plan.buckets.noSum {
		p.Sum = snap.sum
	}
	if !st.plan.buckets.noMinMax && snap.measured {
		p.Min, p.Max = metricdata.NewExtrema(snap.min), metricdata.NewExtrema(snap.max)
	}
	return p
}
