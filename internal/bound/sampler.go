package bound

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// isAlwaysOff tells whether f is known to let nothing through.
func isAlwaysOff(f exemplar.Filter) bool {
	return f != nil && reflect.ValueOf(f).Pointer() == reflect.ValueOf(exemplar.AlwaysOffFilter).Pointer()
}

// reservoirs returns what makes reservoirs for agg: the view's choice, else the SDK's default.
func reservoirs(choose sdkmetric.ExemplarReservoirProviderSelector, agg sdkmetric.Aggregation) exemplar.ReservoirProvider {
	if choose == nil {
		choose = sdkmetric.DefaultExemplarReservoirProviderSelector
	}
	return choose(agg)
}

// sampler is the reservoir of a series, made when the first exemplar is offered: a series without one
// costs a collection nothing.
type sampler struct {
	mu         sync.Mutex
	concurrent bool
	reservoir  exemplar.Reservoir
}

func newSampler(r exemplar.Reservoir) *sampler {
	s := &sampler{reservoir: r}
	switch r.(type) {
	case *exemplar.FixedSizeReservoir, *exemplar.HistogramReservoir:
		s.concurrent = true
	}
	return s
}

func (s *sampler) offer(ctx context.Context, at time.Time, v exemplar.Value, filtered []attribute.KeyValue) {
	if !s.concurrent {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	s.reservoir.Offer(ctx, at, v, filtered)
}

func (s *sampler) collect(dst *[]exemplar.Exemplar) {
	if !s.concurrent {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	s.reservoir.Collect(dst)
}

// filtered returns those of attrs that the view keeps off the series. Every exemplar of a bound
// instrument has the same slice, so nobody may append to it.
func (st *stream[N]) filtered(attrs attribute.Set) []attribute.KeyValue {
	if st.plan.keep == nil {
		return nil
	}
	_, out := split(normalize(attrs), st.plan.keep)
	return slices.Clip(out)
}

// sample offers v, measured on s, to the reservoir. The exemplar filter has let it through.
func (st *stream[N]) sample(ctx context.Context, s *series[N], v N, filtered []attribute.KeyValue) {
	sm := s.sampler.Load()
	if sm == nil {
		sm = newSampler(st.plan.reservoir(s.attrs))
		if !s.sampler.CompareAndSwap(nil, sm) {
			sm = s.sampler.Load()
		}
	}
	sm.offer(ctx, st.now(), exemplar.NewValue(v), filtered)
}

var exemplars = sync.Pool{New: func() any { return new([]exemplar.Exemplar) }}

// collectExemplars writes what s holds into dst's memory.
func collectExemplars[N number](dst []metricdata.Exemplar[N], s *sampler) []metricdata.Exemplar[N] {
	if s == nil {
		return dst[:0]
	}
	held := exemplars.Get().(*[]exemplar.Exemplar)
	s.collect(held)
	dst = grow(dst, len(*held))
	for i, e := range *held {
		dst[i] = metricdata.Exemplar[N]{
			FilteredAttributes: e.FilteredAttributes, Time: e.Time, SpanID: e.SpanID, TraceID: e.TraceID,
		}
		if e.Value.Type() == exemplar.Int64ValueType {
			dst[i].Value = N(e.Value.Int64())
		} else {
			dst[i].Value = N(e.Value.Float64())
		}
	}
	clear(*held)
	*held = (*held)[:0]
	exemplars.Put(held)
	return dst
}
