package delta

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// algebra is the arithmetic of one kind of data: P is its data point, S the part of it that adds up.
// The zero S is nothing recorded.
type algebra[P, S any] interface {
	points(data metricdata.Aggregation) []P
	data(points []P) metricdata.Aggregation
	identity(p *P) (attributes attribute.Set, start, end time.Time)
	// observe copies p into s, reusing what s has allocated.
	observe(s *S, p *P)
	// follows reports whether p can have grown out of before.
	follows(p *P, before *S) bool
	// difference is later minus earlier, which later follows.
	difference(later, earlier *S) S
	// sum is a and b together; false when they do not fit, in which case it is b.
	sum(a, b *S) (S, bool)
	// empty reports whether nothing was recorded.
	empty(s *S) bool
	// point makes a data point of a difference. now, which may be nil, is the one it was taken from,
	// whose exemplars after start belong to it.
	point(s *S, attributes attribute.Set, start, end time.Time, now *P) P
}

// series is one series: base is what the backend has, last what was observed after it.
type series[S any] struct {
	attributes attribute.Set
	start      time.Time // of the cumulative data
	since      time.Time // up to where the backend has everything
	end        time.Time // of the last observation
	base, last S
	carry      S // owed from before a reset
	generation uint64
	announced  bool // the backend knows the series
	pending    bool // last holds what base does not have
	carried    bool // carry holds something
}

// acknowledge makes what was observed last the baseline. The old baseline's memory is used for the
// next observation.
func (s *series[S]) acknowledge() {
	if s.pending {
		s.base, s.last = s.last, s.base
	}
	var none S
	s.pending, s.carried, s.carry = false, false, none
	s.since, s.announced = s.end, true
}

// observed is the latest observation.
func (s *series[S]) observed() *S {
	if s.pending {
		return &s.last
	}
	return &s.base
}

type streamOf[P, S any, A algebra[P, S]] struct {
	algebra A
	origin  instrumentation.Scope
	metric  metricdata.Metrics // name, description and unit
	series  map[attribute.Distinct]*series[S]
	current int    // series seen in generation
	at      uint64 // generation
	out     []P    // memory of the last difference
}

func newStreamOf[S, P any, A algebra[P, S]](a A, scope instrumentation.Scope, m metricdata.Metrics) stream {
	m.Data = nil
	return &streamOf[P, S, A]{algebra: a, origin: scope, metric: m, series: make(map[attribute.Distinct]*series[S])}
}

func (st *streamOf[P, S, A]) scope() instrumentation.Scope { return st.origin }
func (st *streamOf[P, S, A]) size() int                    { return len(st.series) }

func (st *streamOf[P, S, A]) seen(generation uint64) int {
	if st.at != generation {
		return 0
	}
	return st.current
}

func (st *streamOf[P, S, A]) take(d *Difference, generation uint64, data metricdata.Aggregation) (metricdata.Aggregation, int) {
	in, first := st.algebra.points(data), st.at != generation
	out := st.begin(generation, len(in))
	for i := range in {
		s := st.observe(&in[i], generation)
		if s == nil {
			d.Duplicates++
			continue
		}
		diff, fits := st.owed(s)
		if !fits {
			d.Lost++
			s.carried = false
		}
		if s.announced && !s.carried && st.algebra.empty(&diff) {
			s.acknowledge() // there is nothing in it that could be lost
			continue
		}
		out = append(out, st.algebra.point(&diff, s.attributes, s.since, s.end, &in[i]))
		d.owed = append(d.owed, s)
	}
	if first {
		st.out = out
	}
	return st.algebra.data(out), len(out)
}

// begin returns memory for n points: that of the last generation, unless this one uses it already
// because the metric came in parts.
func (st *streamOf[P, S, A]) begin(generation uint64, n int) []P {
	if st.at == generation {
		return make([]P, 0, n)
	}
	st.at, st.current = generation, 0
	if cap(st.out) < n || cap(st.out) > 4*n+slack {
		return make([]P, 0, n)
	}
	clear(st.out)
	return st.out[:0]
}

// observe notes the cumulative point p; nil when its series was already seen in this generation.
func (st *streamOf[P, S, A]) observe(p *P, generation uint64) *series[S] {
	attributes, start, end := st.algebra.identity(p)
	key := attributes.Equivalent()
	s := st.series[key]
	switch {
	case s == nil:
		s = &series[S]{attributes: attributes, start: start, since: start}
		st.series[key] = s
	case s.generation == generation:
		return nil
	case st.isReset(s, p, start):
		st.reset(s, start)
	}
	st.algebra.observe(&s.last, p)
	s.pending, s.end, s.generation = true, end, generation
	st.current++
	return s
}

// isReset reports whether p began again from zero: its start time is later than what was seen last,
// or it is less than that.
func (st *streamOf[P, S, A]) isReset(s *series[S], p *P, start time.Time) bool {
	restarted := start.After(s.start) && !start.Before(s.end)
	return restarted || !st.algebra.follows(p, s.observed())
}

// reset sets aside what is owed from before.
func (st *streamOf[P, S, A]) reset(s *series[S], start time.Time) {
	if owed, owes := st.owes(s); owes {
		s.carry, s.carried = owed, true
	} else {
		s.since = laterOf(start, s.end)
	}
	var zero S
	s.base, s.last, s.pending, s.start = zero, zero, false, start
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// owed is what the backend does not have of s. It is without what was carried, and fits is false,
// when a reset changed the layout.
func (st *streamOf[P, S, A]) owed(s *series[S]) (diff S, fits bool) {
	if s.pending {
		diff = st.algebra.difference(&s.last, &s.base)
	}
	if s.carried {
		return st.algebra.sum(&s.carry, &diff)
	}
	return diff, true
}

func (st *streamOf[P, S, A]) owes(s *series[S]) (S, bool) {
	diff, _ := st.owed(s)
	return diff, s.carried || !st.algebra.empty(&diff)
}

func (st *streamOf[P, S, A]) leftover(d *Difference, generation uint64) (metricdata.Metrics, int) {
	var out []P
	for _, s := range st.series {
		if s.generation == generation {
			continue
		}
		if diff, owes := st.owes(s); owes {
			out = append(out, st.algebra.point(&diff, s.attributes, s.since, s.end, nil))
			d.owed = append(d.owed, s)
		}
	}
	m := st.metric
	m.Data = st.algebra.data(out)
	return m, len(out)
}

func (st *streamOf[P, S, A]) forget(before uint64, owing bool) (lost int) {
	for key, s := range st.series {
		if s.generation >= before {
			continue
		}
		_, owes := st.owes(s)
		if owes && !owing {
			continue
		}
		if owes {
			lost++
		}
		delete(st.series, key)
	}
	return lost
}
