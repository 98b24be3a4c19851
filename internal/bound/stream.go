package bound

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// stream is what the measurements of one instrument, or of several with the same stream, become.
type stream[N number] struct {
	plan   plan
	start  time.Time
	now    func() time.Time
	filter exemplar.Filter

	mu    sync.Mutex // excludes writers of table
	table table[N]
}

func newStream[N number](cfg *Config, p plan) *stream[N] {
	s := &stream[N]{plan: p, start: cfg.Now(), now: cfg.Now, filter: cfg.ExemplarFilter}
	s.table.init()
	return s
}

// enabled tells whether measurements of the instrument go anywhere.
func (st *stream[N]) enabled(ctx context.Context, inner interface{ Enabled(context.Context) bool }) bool {
	if st.plan.mode == backed {
		return inner.Enabled(ctx)
	}
	return st.plan.mode > backed
}

// measure aggregates v under attrs, which are complete: no view has filtered them.
func (st *stream[N]) measure(ctx context.Context, v N, attrs attribute.Set) {
	if st.plan.mode < backed {
		return
	}
	s := st.series(attrs, v)
	st.apply(s, v)
	if st.filter != nil && st.filter(ctx) {
		st.sample(ctx, s, v, st.filtered(attrs))
	}
}

// apply aggregates v in s.
func (st *stream[N]) apply(s *series[N], v N) {
	switch {
	case st.plan.mode == histogram:
		s.hist.record(v)
	case st.plan.mode == lastValue:
		s.set(v)
	case st.plan.monotonic():
		s.count(v)
	default:
		s.shift(v)
	}
}

// usual tells whether the kind is aggregated as it is by default, which is what bound instruments of the
// kind know how to do without asking.
func (st *stream[N]) usual() bool {
	switch st.plan.kind {
	case sdkmetric.InstrumentKindGauge:
		return st.plan.mode == lastValue
	case sdkmetric.InstrumentKindHistogram:
		return st.plan.mode == histogram
	default:
		return st.plan.mode == sum
	}
}

// series returns the series that attrs are aggregated in: their own, or, at the limit, the overflow.
// The answer for a set stays the same for good. v is what is about to be measured.
func (st *stream[N]) series(attrs attribute.Set, v N) *series[N] {
	if s := st.table.get(kept(attrs, st.plan.keep)); s != nil {
		return s
	}
	own, _ := split(normalize(attrs), st.plan.keep)
	if s := st.known(own.Equivalent()); s != nil {
		return s
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.admit(own, v)
}

// known returns the series of key without making one. Once there is an overflow series, what has no
// series of its own belongs there.
func (st *stream[N]) known(key attribute.Distinct) *series[N] {
	if s := st.table.get(key); s != nil {
		return s
	}
	return st.table.get(overflow.Equivalent())
}

// admit returns the series of attrs, made if there is none yet. The caller holds st.mu.
func (st *stream[N]) admit(attrs attribute.Set, v N) *series[N] {
	if s := st.table.get(attrs.Equivalent()); s != nil {
		return s
	}
	if st.plan.limit > 0 && len(st.table.all) >= st.plan.limit-1 {
		if s := st.table.get(overflow.Equivalent()); s != nil {
			return s
		}
		attrs = overflow
	}
	s := st.newSeries(v)
	s.attrs = attrs
	st.table.add(attrs.Equivalent(), s)
	return s
}

func (st *stream[N]) newSeries(v N) *series[N] {
	if st.plan.mode == histogram {
		return newHistogramSeries[N](st.plan.buckets)
	}
	s := new(series[N])
	if st.plan.mode == lastValue {
		// A collection may see the series before v is set, and zero was never measured.
		s.bits.Store(bitsOf(v))
	}
	return s
}

// measured returns every series there is, in the order they were made. It must not be changed.
func (st *stream[N]) measured() []*series[N] {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.table.all
}
