package middleware

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/x"
)

// The types here are an instrument together with one attribute set. Where the instrument can be bound,
// a measurement needs no attribute work; where it cannot, the option is made once.

// recorderOf is a histogram.
type recorderOf[N int64 | float64] interface {
	Record(ctx context.Context, v N, options ...metric.RecordOption)
}

// histogramOf is one series of a histogram.
type histogramOf[N int64 | float64] struct {
	one     recorderOf[N]
	options []metric.RecordOption
}

type (
	secondsOf = histogramOf[float64]
	bytesOf   = histogramOf[int64]
)

func bindSeconds(h metric.Float64Histogram, set attribute.Set) secondsOf {
	if b, ok := h.(x.Float64HistogramBinder); ok {
		return secondsOf{one: b.Bind(set.ToSlice()...)}
	}
	return secondsOf{one: h, options: []metric.RecordOption{metric.WithAttributeSet(set)}}
}

func bindBytes(h metric.Int64Histogram, set attribute.Set) bytesOf {
	if b, ok := h.(x.Int64HistogramBinder); ok {
		return bytesOf{one: b.Bind(set.ToSlice()...)}
	}
	return bytesOf{one: h, options: []metric.RecordOption{metric.WithAttributeSet(set)}}
}

func (h *histogramOf[N]) record(ctx context.Context, v N) { h.one.Record(ctx, v, h.options...) }

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
