package cardinality

import (
	"cmp"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// State is how far an instrument is from its limit.
type State int

// The states, in the order in which an instrument goes through them.
const (
	Below State = iota
	Near        // at 80 % of the limit or above
	Full        // at the limit: attribute sets that are new fold into the overflow series
)

const (
	nearPercent = 80

	// calmPercent is where an instrument has to fall below to be reported again. Only observable
	// instruments fall: what they count may go up and down around 80 % all day.
	calmPercent = 70
)

// Usage is how many of its series an instrument uses. The overflow series counts, as it does in the SDK.
type Usage struct {
	Scope, Instrument string
	Used, Limit       int
}

// Watcher watches instruments. Make one with [New]. It is safe for concurrent use.
type Watcher struct {
	limitFor func(scope, name string) int
	report   func(Finding)

	mu     sync.Mutex
	states map[instrument]State // of those that are not below
	usage  []Usage
}

// instrument is the name of one, under that of its scope.
type instrument struct{ scope, name string }

// New returns a Watcher. limitFor gives the limit of an instrument as the SDK knows it, or 0 and below
// for none. report is called from Observe when an instrument comes nearer to its limit than it was,
// never by two goroutines for the same change. Both must be safe for concurrent use.
func New(limitFor func(scope, name string) int, report func(Finding)) *Watcher {
	return &Watcher{limitFor: limitFor, report: report, states: map[instrument]State{}}
}

// Observe looks at a collection, which it neither changes nor keeps.
func (w *Watcher) Observe(scopes []metricdata.ScopeMetrics) {
	for _, f := range w.look(scopes) {
		w.report(f)
	}
}

// Usage returns the usage of every instrument that was at 80 % of its limit or above at the last
// collection, sorted by name. The slice is the caller's.
func (w *Watcher) Usage() []Usage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.usage)
}

func (w *Watcher) look(scopes []metricdata.ScopeMetrics) []Finding {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.usage = w.usage[:0]
	r := round{watcher: w}
	for i := range scopes {
		scope := scopes[i].Scope.Name
		for j := range scopes[i].Metrics {
			m := &scopes[i].Metrics[j]
			r.look(Usage{Scope: scope, Instrument: m.Name, Used: count(m.Data), Limit: w.limitFor(scope, m.Name)}, m.Data)
		}
	}
	for id := range r.calm {
		if !r.held[id] {
			delete(w.states, id)
		}
	}
	slices.SortFunc(w.usage, func(a, b Usage) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Instrument, b.Instrument))
	})
	return r.found
}

// round is one collection. Two instruments may have one name, in versions of one scope: theirs is one
// state, that of the worse.
type round struct {
	watcher    *Watcher
	found      []Finding
	calm, held map[instrument]bool // of those with a state
}

func (r *round) look(u Usage, data metricdata.Aggregation) {
	w, id := r.watcher, instrument{u.Scope, u.Instrument}
	if u.Limit > 0 && percent(u) >= nearPercent {
		w.usage = append(w.usage, u)
		if state := stateOf(u, data); state > w.states[id] {
			w.states[id] = state
			r.found = append(r.found, newFinding(u, state, data))
		}
	}
	if w.states[id] == Below {
		return
	}
	if r.calm == nil {
		r.calm, r.held = map[instrument]bool{}, map[instrument]bool{}
	}
	if u.Limit <= 0 || percent(u) < calmPercent {
		r.calm[id] = true
	} else {
		r.held[id] = true
	}
}

func stateOf(u Usage, data metricdata.Aggregation) State {
	if u.Used >= u.Limit || overflows(data) {
		return Full
	}
	return Near
}

func percent(u Usage) int { return int(int64(u.Used) * 100 / int64(u.Limit)) }

// overflows reports whether the series for what did not fit is there.
func overflows(data metricdata.Aggregation) bool {
	sets, n := setsOf(data)
	for i := range n {
		if sets(i).HasValue("otel.metric.overflow") {
			return true
		}
	}
	return false
}

// count returns the number of series without a look at them.
func count(data metricdata.Aggregation) int {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return len(d.DataPoints)
	case metricdata.Sum[float64]:
		return len(d.DataPoints)
	case metricdata.Gauge[int64]:
		return len(d.DataPoints)
	case metricdata.Gauge[float64]:
		return len(d.DataPoints)
	case metricdata.Histogram[int64]:
		return len(d.DataPoints)
	case metricdata.Histogram[float64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return len(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return len(d.DataPoints)
	default:
		return 0
	}
}

// setsOf returns a way to the attribute sets of an aggregation without a copy of them, and their number.
func setsOf(data metricdata.Aggregation) (at func(int) *attribute.Set, n int) {
	switch d := data.(type) {
	case metricdata.Sum[int64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.Sum[float64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.Gauge[int64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.Gauge[float64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.Histogram[int64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.Histogram[float64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.ExponentialHistogram[int64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	case metricdata.ExponentialHistogram[float64]:
		return func(i int) *attribute.Set { return &d.DataPoints[i].Attributes }, len(d.DataPoints)
	default:
		return nil, 0
	}
}
