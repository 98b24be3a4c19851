package bound

import (
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// scope holds the streams of one instrumentation scope.
type scope struct {
	id     instrumentation.Scope
	ints   streams[int64]
	floats streams[float64]

	mu     sync.Mutex
	order  []collector
	limits map[string]int // by the name of the metric
}

// collector is a stream that has something to export.
type collector interface {
	collectInto(m *metricdata.Metrics, now time.Time) bool
}

func newScope(cfg *Config, id instrumentation.Scope) *scope {
	s := &scope{id: id}
	s.ints = streams[int64]{cfg: cfg, scope: s}
	s.floats = streams[float64]{cfg: cfg, scope: s}
	return s
}

// collect writes what every stream has into dst's memory.
func (s *scope) collect(dst []metricdata.Metrics, now time.Time) []metricdata.Metrics {
	s.mu.Lock()
	order := s.order
	s.mu.Unlock()
	out := grow(dst, len(order))
	n := 0
	for _, c := range order {
		if c.collectInto(&out[n], now) {
			n++
		}
	}
	return out[:n]
}

// identity is what makes two instruments, or two streams, of a scope and a number type the same.
type identity struct {
	name, description, unit string
	kind                    sdkmetric.InstrumentKind
}

// folded returns i with the name in lower case: names are case-insensitive, and the first casing is kept.
func (i identity) folded() identity {
	i.name = strings.ToLower(i.name)
	return i
}

// streams holds the streams of one scope and one number type.
type streams[N number] struct {
	cfg   *Config
	scope *scope

	mu           sync.Mutex
	byInstrument map[identity]*stream[N]
	byStream     map[identity]*stream[N]
}

// lookup returns the stream of an instrument. The first creation of an instrument decides, and so does
// the first of several instruments whose streams are the same. The view and the limit's function are the application's: they are
// called without a lock, because they may make instruments themselves.
func (r *streams[N]) lookup(inst sdkmetric.Instrument, a advice) *stream[N] {
	inst.Scope = r.scope.id
	key := identity{inst.Name, inst.Description, inst.Unit, inst.Kind}
	if s, ok := r.known(key); ok {
		return s
	}
	return r.make(key, r.cfg.plan(inst, a))
}

func (r *streams[N]) known(key identity) (*stream[N], bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.byInstrument[key]
	return s, ok
}

// make returns the stream of an instrument that is aggregated by p, unless somebody has made it meanwhile.
func (r *streams[N]) make(key identity, p plan) *stream[N] {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.byInstrument[key]; ok {
		return s
	}
	if r.byInstrument == nil {
		r.byInstrument = map[identity]*stream[N]{}
		r.byStream = map[identity]*stream[N]{}
	}
	id := identity{p.name, p.description, p.unit, key.kind}.folded()
	s, ok := r.byStream[id]
	switch {
	case p.mode == incompatible:
		s = newStream[N](r.cfg, p)
	case !ok:
		s = newStream[N](r.cfg, p)
		r.byStream[id] = s
		r.scope.add(s, p)
	}
	r.byInstrument[key] = s
	return s
}

// add puts a stream up for collection if it is aggregated here, and takes note of its limit.
func (s *scope) add(c collector, p plan) {
	if m := p.mode; m == sum || m == lastValue || m == histogram {
		s.mu.Lock()
		s.order = append(s.order, c)
		if s.limits == nil {
			s.limits = map[string]int{}
		}
		if _, ok := s.limits[p.name]; !ok {
			s.limits[p.name] = p.limit
		}
		s.mu.Unlock()
	}
}
