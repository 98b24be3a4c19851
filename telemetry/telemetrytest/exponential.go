package telemetrytest

import (
	"maps"

	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
)

// Exponential holds the buckets of an exponential histogram, by index at Scale. Points of different
// scales add up at the smallest, as the OpenTelemetry data model defines it.
type Exponential struct {
	Scale              int32
	ZeroCount          uint64
	ZeroThreshold      float64
	Positive, Negative map[int32]uint64
}

func newExponential(p *metricpb.ExponentialHistogramDataPoint) *Exponential {
	return &Exponential{
		Scale:         p.GetScale(),
		ZeroCount:     p.GetZeroCount(),
		ZeroThreshold: p.GetZeroThreshold(),
		Positive:      indexed(p.GetPositive()),
		Negative:      indexed(p.GetNegative()),
	}
}

func indexed(b *metricpb.ExponentialHistogramDataPoint_Buckets) map[int32]uint64 {
	m := make(map[int32]uint64, len(b.GetBucketCounts()))
	index := b.GetOffset()
	for _, n := range b.GetBucketCounts() {
		if n > 0 {
			m[index] = n
		}
		index++
	}
	return m
}

func (e *Exponential) clone() *Exponential {
	if e == nil {
		return nil
	}
	c := *e
	c.Positive, c.Negative = maps.Clone(e.Positive), maps.Clone(e.Negative)
	return &c
}

func (e *Exponential) add(p *Exponential) {
	if e == nil || p == nil {
		return
	}
	scale := min(e.Scale, p.Scale)
	e.ZeroCount += p.ZeroCount
	e.ZeroThreshold = max(e.ZeroThreshold, p.ZeroThreshold)
	e.Positive = merge(scale, e.Scale, e.Positive, p.Scale, p.Positive)
	e.Negative = merge(scale, e.Scale, e.Negative, p.Scale, p.Negative)
	e.Scale = scale
}

// merge adds two sets of buckets at a scale that is not larger than theirs: each step down halves
// the index, towards minus infinity.
func merge(scale, scaleA int32, a map[int32]uint64, scaleB int32, b map[int32]uint64) map[int32]uint64 {
	out := make(map[int32]uint64, len(a)+len(b))
	for index, n := range a {
		out[index>>(scaleA-scale)] += n
	}
	for index, n := range b {
		out[index>>(scaleB-scale)] += n
	}
	return out
}
