package delta

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// patience is for how many generations a series that vanished is remembered at least.
const patience = 3

// slack is how many series that vanished are remembered beside those that live. Remembering them
// means that one which comes back continues instead of being sent anew from zero.
const slack = 1024

// Tracker holds the baselines. It must not be used concurrently.
type Tracker struct {
	cumulative func(scope instrumentation.Scope, metric string) bool
	streams    map[streamKey]stream
	generation uint64
	whole      int            // series that lived in the latest complete collection
	owed       []acknowledger // memory of the last difference
}

// New returns a Tracker without baselines. cumulative selects the monotonic sums that stay
// cumulative nevertheless, as the lowmemory preference wants of asynchronous counters; nil for none.
func New(cumulative func(scope instrumentation.Scope, metric string) bool) *Tracker {
	return &Tracker{cumulative: cumulative, streams: make(map[streamKey]stream)}
}

// streamKey is the identity of a metric. The data's type belongs to it, so that a metric which
// changes its type starts over.
type streamKey struct {
	scope, version, schema string
	attributes             attribute.Distinct
	metric, unit           string
	kind                   kind
}

type kind uint8

const (
	sumInt kind = iota
	sumFloat
	histogramInt
	histogramFloat
	exponentialInt
	exponentialFloat
)

// stream is a metric's series, whatever their type.
type stream interface {
	// take emits the differences of data into d and returns the metric's new data.
	take(d *Difference, generation uint64, data metricdata.Aggregation) (metricdata.Aggregation, int)
	// leftover emits what series not seen in this generation still owe.
	leftover(d *Difference, generation uint64) (metricdata.Metrics, int)
	// forget drops series last seen before a generation, those that owe something only if owing is set,
	// and returns how many of these it dropped.
	forget(before uint64, owing bool) (lost int)
	// seen and size are the number of series in this generation and in all.
	seen(generation uint64) int
	size() int
	scope() instrumentation.Scope
}

// acknowledger is a series whose difference is under way.
type acknowledger interface{ acknowledge() }

// Difference is what to send. Its data points are counted in order, from zero.
type Difference struct {
	// Scopes is the data, valid until the next one is taken. It shares memory with what it was taken
	// from.
	Scopes []metricdata.ScopeMetrics
	// Duplicates is the number of data points left out because the same series came twice.
	Duplicates int
	// Lost is the number of series of which something owed was given up: because too many vanished while
	// nothing was acknowledged, or because a reset changed a histogram's buckets.
	Lost int

	tracker    *Tracker
	generation uint64
	owed       []acknowledger // by data point; nil where nothing has to be remembered
}

// Len returns the number of data points.
func (d *Difference) Len() int { return len(d.owed) }

// Acknowledge moves the baselines of the data points [from, to). Once the next difference has been
// taken it does nothing: that one includes what this one left unacknowledged.
func (d *Difference) Acknowledge(from, to int) {
	// Also its memory is another's then.
	if d.generation != d.tracker.generation {
		return
	}
	for i, s := range d.owed[from:to] {
		if s != nil {
			s.acknowledge()
			d.owed[from+i] = nil
		}
	}
}

// Take returns the difference between the cumulative data in scopes and what has been acknowledged.
// scopes is not changed and not kept. complete is false when a part of the data could not be had:
// then a series that is missing is not taken for one that ended, as long as there are no more of them
// than a complete collection had.
func (t *Tracker) Take(scopes []metricdata.ScopeMetrics, complete bool) *Difference {
	t.generation++
	clear(t.owed)
	d := &Difference{tracker: t, generation: t.generation, owed: t.owed[:0]}
	for _, sm := range scopes {
		if metrics := t.takeScope(d, sm); len(metrics) > 0 {
			d.Scopes = append(d.Scopes, metricdata.ScopeMetrics{Scope: sm.Scope, Metrics: metrics})
		}
	}
	t.takeLeftovers(d)
	t.forget(d, complete)
	t.owed = d.owed
	return d
}

func (t *Tracker) takeScope(d *Difference, sm metricdata.ScopeMetrics) []metricdata.Metrics {
	out := make([]metricdata.Metrics, 0, len(sm.Metrics))
	for _, m := range sm.Metrics {
		n := 0
		if s := t.stream(sm.Scope, m); s != nil {
			m.Data, n = s.take(d, t.generation, m.Data)
		} else {
			n = points(m.Data)
			d.owed = append(d.owed, make([]acknowledger, n)...)
		}
		if n > 0 {
			out = append(out, m)
		}
	}
	return out
}

// takeLeftovers emits what series that are gone still owe, so that it is not lost with them.
func (t *Tracker) takeLeftovers(d *Difference) {
	for _, s := range t.streams {
		if s.seen(t.generation) == s.size() {
			continue
		}
		if m, n := s.leftover(d, t.generation); n > 0 {
			d.Scopes = append(d.Scopes, metricdata.ScopeMetrics{Scope: s.scope(), Metrics: []metricdata.Metrics{m}})
		}
	}
}

// forget keeps the memory within a multiple of the living series. Those that a collection could not have
// live on in that number, or a callback that hangs for a while would cost all baselines; and yet what fails
// for good, beside series that come and go, does not fill the memory.
func (t *Tracker) forget(d *Difference, complete bool) {
	alive, all := 0, 0
	for _, s := range t.streams {
		alive += s.seen(t.generation)
		all += s.size()
	}
	if complete {
		t.whole = alive
	}
	alive = max(alive, t.whole)
	if all <= 2*alive+slack {
		return
	}
	before := t.generation - min(t.generation, patience)
	owing := all > 4*alive+2*slack
	for key, s := range t.streams {
		d.Lost += s.forget(before, owing)
		if s.size() == 0 {
			delete(t.streams, key)
		}
	}
}

// Series returns the number of series that are remembered.
func (t *Tracker) Series() int {
	n := 0
	for _, s := range t.streams {
		n += s.size()
	}
	return n
}
