package bound

import (
	"context"
	"slices"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// adder and recorder are what the SDK's instruments of one number type have in common.
type adder[N number] interface {
	Add(ctx context.Context, v N, opts ...metric.AddOption)
	Enabled(ctx context.Context) bool
}

type recorder[N number] interface {
	Record(ctx context.Context, v N, opts ...metric.RecordOption)
	Enabled(ctx context.Context) bool
}

func addAttributes(opts []metric.AddOption) attribute.Set {
	return metric.NewAddConfig(opts).Attributes()
}

func recordAttributes(opts []metric.RecordOption) attribute.Set {
	return metric.NewRecordConfig(opts).Attributes()
}

// adding is the unbound half of counters and up-down counters.
type adding[N number] struct {
	inner  adder[N]
	stream *stream[N]
}

func (a *adding[N]) Add(ctx context.Context, v N, opts ...metric.AddOption) {
	if a.stream.plan.mode == backed {
		a.inner.Add(ctx, v, opts...)
		return
	}
	a.stream.measure(ctx, v, combine(attribute.Set{}, addAttributes(opts), rawAttributes(opts)))
}

func (a *adding[N]) Enabled(ctx context.Context) bool { return a.stream.enabled(ctx, a.inner) }

// recording is the unbound half of histograms and gauges.
type recording[N number] struct {
	inner  recorder[N]
	stream *stream[N]
}

func (r *recording[N]) Record(ctx context.Context, v N, opts ...metric.RecordOption) {
	if r.stream.plan.mode == backed {
		r.inner.Record(ctx, v, opts...)
		return
	}
	r.stream.measure(ctx, v, combine(attribute.Set{}, recordAttributes(opts), rawAttributes(opts)))
}

func (r *recording[N]) Enabled(ctx context.Context) bool { return r.stream.enabled(ctx, r.inner) }

// handle is what a bound instrument holds. O is the option type of its measurements.
type handle[N number, O any] struct {
	// quick is the series once it was measured, if measuring it again is all there is to do: no
	// exemplars, and the kind's default aggregation. Testing one pointer is what a measurement can afford.
	quick atomic.Pointer[series[N]]
	// series is nil until the first measurement: binding alone makes no series, so that what is
	// exported, and what overflows, is what it would be without binding.
	series atomic.Pointer[series[N]]
	stream *stream[N]
	attrs  attribute.Set
	// filtered is what the view keeps off the series, for exemplars.
	filtered []attribute.KeyValue
	// own is the attributes as an option, for what the SDK aggregates.
	own []O
}

func (h *handle[N, O]) init(st *stream[N], attrs []attribute.KeyValue, option func(attribute.Set) O) {
	h.stream = st
	h.attrs = attribute.NewSet(slices.Clone(attrs)...)
	switch {
	case st.plan.mode == backed:
		h.own = []O{option(h.attrs)}
	case st.filter != nil:
		h.filtered = st.filtered(h.attrs)
	}
}

// measure does what quick cannot. It returns false if the SDK has to.
func (h *handle[N, O]) measure(ctx context.Context, v N, opts []O, given func([]O) attribute.Set) bool {
	st := h.stream
	switch {
	case st.plan.mode == backed:
		return false
	case len(opts) > 0:
		st.measure(ctx, v, combine(h.attrs, given(opts), rawAttributes(opts)))
	case st.plan.mode > backed:
		s := h.resolve(v)
		st.apply(s, v)
		if st.filter != nil && st.filter(ctx) {
			st.sample(ctx, s, v, h.filtered)
		}
	}
	return true
}

func (h *handle[N, O]) resolve(v N) *series[N] {
	if s := h.series.Load(); s != nil {
		return s
	}
	s := h.stream.series(h.attrs, v)
	h.series.Store(s)
	if h.stream.filter == nil && h.stream.usual() {
		h.quick.Store(s)
	}
	return s
}

// options returns opts after the bound attributes, so that what is given with a measurement wins.
func (h *handle[N, O]) options(opts []O) []O {
	if len(opts) == 0 {
		return h.own
	}
	return append(slices.Clip(h.own), opts...)
}

func addOption(set attribute.Set) metric.AddOption       { return metric.WithAttributeSet(set) }
func recordOption(set attribute.Set) metric.RecordOption { return metric.WithAttributeSet(set) }
