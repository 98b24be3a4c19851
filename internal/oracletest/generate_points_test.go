package oracletest_test

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// set is the attributes of the i-th point of the k-th metric, and whether its exemplars are long.
func (g generator) set(k, i int) (attribute.Set, bool) {
	kvs, long := append(g.pairs(keys), attribute.Int("n", 10*k+i)), g.IntN(8) == 0
	if long {
		kvs = append(kvs, attribute.Bool(longExemplars, true))
	}
	return attribute.NewSet(kvs...), long
}

func points[N int64 | float64](g generator, k int, value func() N) []metricdata.DataPoint[N] {
	dps := make([]metricdata.DataPoint[N], g.IntN(5))
	for i := range dps {
		set, long := g.set(k, i)
		dps[i] = metricdata.DataPoint[N]{Attributes: set, StartTime: g.began, Value: value(), Exemplars: exemplars[N](g, long)}
	}
	return dps
}

func histograms[N int64 | float64](g generator, k int, sum func() N) []metricdata.HistogramDataPoint[N] {
	dps, bounds := make([]metricdata.HistogramDataPoint[N], g.IntN(5)), pick(g, bounds)
	for i := range dps {
		set, long := g.set(k, i)
		dp := metricdata.HistogramDataPoint[N]{Attributes: set, StartTime: g.began, Sum: sum(), Bounds: bounds, Exemplars: exemplars[N](g, long)}
		dp.BucketCounts = g.counts(len(bounds) + 1)
		if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], 1) {
			dp.BucketCounts[n] = 0 // nothing is above +Inf
		}
		dp.Count = total(dp.BucketCounts)
		dps[i] = dp
	}
	return dps
}

func exponentials[N int64 | float64](g generator, k int, sum func() N) []metricdata.ExponentialHistogramDataPoint[N] {
	dps := make([]metricdata.ExponentialHistogramDataPoint[N], g.IntN(5))
	for i := range dps {
		set, long := g.set(k, i)
		dp := metricdata.ExponentialHistogramDataPoint[N]{
			Attributes: set, StartTime: g.began, Sum: sum(), Scale: int32(g.IntN(25)) - 4,
			ZeroCount: g.Uint64N(5), ZeroThreshold: pick(g, []float64{0, 1e-9}), Exemplars: exemplars[N](g, long),
			PositiveBucket: metricdata.ExponentialBucket{Offset: int32(g.IntN(200)) - 100, Counts: g.counts(g.IntN(160))},
			NegativeBucket: metricdata.ExponentialBucket{Offset: int32(g.IntN(200)) - 100, Counts: g.counts(g.IntN(3))},
		}
		dp.Count = dp.ZeroCount + total(dp.PositiveBucket.Counts) + total(dp.NegativeBucket.Counts)
		dps[i] = dp
	}
	return dps
}

func (g generator) counts(n int) []uint64 {
	counts := make([]uint64, n)
	for i := range counts {
		counts[i] = g.Uint64N(1 << g.IntN(45))
	}
	return counts
}

func total(counts []uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

func exemplars[N int64 | float64](g generator, long bool) []metricdata.Exemplar[N] {
	all := make([]metricdata.Exemplar[N], g.IntN(4))
	for i := range all {
		all[i] = metricdata.Exemplar[N]{
			Value: N(pick(g, []float64{0, 1, 2, -1, 0.005, g.NormFloat64() * 3, 1e7})), Time: g.began.Add(time.Duration(g.Int64N(1e15))),
		}
		if g.IntN(4) > 0 {
			all[i].TraceID, all[i].SpanID = g.id(16), g.id(8)
		}
		all[i].FilteredAttributes = []attribute.KeyValue{
			attribute.String("user.id", g.text([]string{"", "u\"1", "u\\2\n", "世界"})), attribute.Int("user_id", g.IntN(9)), attribute.String("trace_id", "overruled"),
		}[g.IntN(4):]
		if long {
			all[i].FilteredAttributes = append(all[i].FilteredAttributes, attribute.String(longExemplars, strings.Repeat("é", 129)))
		}
	}
	return all
}

func (g generator) id(n int) []byte {
	id := make([]byte, n)
	for i := range id {
		id[i] = byte(g.Uint32())
	}
	return id
}
