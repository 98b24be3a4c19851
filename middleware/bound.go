package middleware

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
)

// The types here are an instrument together with one attribute set. Where the instrument can be bound,
// a measurement needs no attribute work; where it cannot, the option is made once.

// recorderOf is a histogram, and recorderOfAll a bound one that takes many measurements at once.
type (
	recorderOf[N int64 | float64] interface {
		Record(ctx context.Context, v N, options ...metric.RecordOption)
	}
	recorderOfAll[N int64 | float64] interface {
		RecordAll(ctx context.Context, vs []N)
	}
)

func recordAll[N int64 | float64](ctx context.Context, h recorderOf[N], vs []N, options []metric.RecordOption) {
	if all, ok := h.(recorderOfAll[N]); ok {
		all.RecordAll(ctx, vs)
		return
	}
	for _, v := range vs {
		h.Record(ctx, v, options...)
	}
}

// secondsOf is one series of a histogram of seconds.
type secondsOf struct {
	metric.Float64Histogram
	options []metric.RecordOption
}

func bindSeconds(h metric.Float64Histogram, set attribute.Set) secondsOf {
	if b, ok := h.(x.Float64HistogramBinder); ok {
		return secondsOf{Float64Histogram: b.Bind(set.ToSlice()...)}
	}
	return secondsOf{h, []metric.RecordOption{metric.WithAttributeSet(set)}}
}

func (s *secondsOf) record(ctx context.Context, v float64) { s.Record(ctx, v, s.options...) }

func (s *secondsOf) recordAll(ctx context.Context, vs []float64) {
	recordAll(ctx, s.Float64Histogram, vs, s.options)
}

// bytesOf is one series of a histogram of bytes.
type bytesOf struct {
	metric.Int64Histogram
	options []metric.RecordOption
}

func bindBytes(h metric.Int64Histogram, set attribute.Set) bytesOf {
	if b, ok := h.(x.Int64HistogramBinder); ok {
		return bytesOf{Int64Histogram: b.Bind(set.ToSlice()...)}
	}
	return bytesOf{h, []metric.RecordOption{metric.WithAttributeSet(set)}}
}

func (b *bytesOf) record(ctx context.Context, v int64) { b.Record(ctx, v, b.options...) }

func (b *bytesOf) recordAll(ctx context.Context, vs []int64) {
	recordAll(ctx, b.Int64Histogram, vs, b.options)
}

// levelOf is one series of an up-down counter.
type levelOf struct {
	metric.Int64UpDownCounter
	options []metric.AddOption
}

func bindLevel(u metric.Int64UpDownCounter, set attribute.Set) levelOf {
	if b, ok := u.(x.Int64UpDownCounterBinder); ok {
		return levelOf{Int64UpDownCounter: b.Bind(set.ToSlice()...)}
	}
	return levelOf{u, []metric.AddOption{metric.WithAttributeSet(set)}}
}

func (l *levelOf) add(ctx context.Context, v int64) { l.Add(ctx, v, l.options...) }
