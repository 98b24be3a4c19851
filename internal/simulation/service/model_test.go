package service

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// cell is one number that the exits show of a series: a counter's value, a histogram's count, sum, or one of its buckets. The
// series is that of one life of a process; a next life has its own.
type cell struct{ life, series, part string }

// step says what a cell's total was from a moment on.
type step struct {
	at    time.Time
	total float64
}

// sample is a total that somebody was told.
type sample struct {
	at, start time.Time
	value     float64
}

// tally is what is known of a cell: what was recorded, and what the backend accepted of it.
type tally struct {
	steps []step
	// accepted is the sum of the differences that the backend accepted, amounts holds them one by one, by request.
	accepted float64
	amounts  []float64
	// totals holds the newest total that the backend accepted, by all attributes.
	totals map[string]sample
	// floor is what must have been accepted when the world ends. It is what was recorded, but for a life that crashed: then it
	// is what was accepted or in the spool.
	floor   float64
	owed    sample // the newest total that was in the spool when the life crashed
	crashed bool
	loose   bool // its value may fall; only its start time is looked at
	anyOf   bool // many series are looked at as one: they churn
	gauge   bool
	swings  bool // it goes up and down
}

func (t *tally) total() float64 {
	if len(t.steps) == 0 {
		return 0
	}
	return t.steps[len(t.steps)-1].total
}

// truth is the model. It knows what the service recorded and when, what the backend accepted, and which promises follow from that.
type truth struct {
	mu    sync.Mutex
	cells map[cell]*tally
	// slack is how long a collection may take: a value may be as old or as new as that. Nothing else takes time.
	slack time.Duration
	// broken is told of laws that do not hold.
	broken func(law, format string, args ...any)
}

func (m *truth) at(c cell) *tally {
	t := m.cells[c]
	if t == nil {
		t = &tally{totals: map[string]sample{}}
		m.cells[c] = t
	}
	return t
}

// add takes note of a measurement of a counter or histogram, before it is made.
func (m *truth) add(c cell, amount float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.at(c)
	t.steps = append(t.steps, step{time.Now(), t.total() + amount})
}

// set takes note of a measurement of a gauge.
func (m *truth) set(c cell, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.at(c)
	t.gauge = true
	t.steps = append(t.steps, step{time.Now(), value})
}

// mark changes what is looked at in a cell.
func (m *truth) mark(c cell, change func(*tally)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m.at(c))
}

// window returns the least and the greatest value that was true at some moment between from and to.
func (t *tally) window(from, to time.Time) (least, most float64, any bool) {
	first, _ := slices.BinarySearchFunc(t.steps, from, func(s step, at time.Time) int { return s.at.Compare(at) })
	if first > 0 {
		least, most, any = t.steps[first-1].total, t.steps[first-1].total, true
	} else {
		least, most = 0, 0 // nothing had been recorded yet
	}
	for _, s := range t.steps[first:] {
		if s.at.After(to) {
			break
		}
		if !any && t.gauge {
			least, most = s.total, s.total
		}
		least, most, any = min(least, s.total), max(most, s.total), true
	}
	return least, most, any
}

// point is a data point of a request or a page.
type point struct {
	life, series string
	attributes   string // all of them, where series leaves some out
	parts        map[string]float64
	start, at    time.Time
	delta, rises bool
}

// accept takes note of a request that the backend accepted, and looks at every number in it.
func (m *truth) accept(points []point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	amounts := map[cell]float64{}
	for _, p := range points {
		m.known(p)
		for part, value := range p.parts {
			c := cell{p.life, p.series, part}
			t := m.cells[c]
			switch {
			case t == nil: // a part that is not looked at
			case p.delta:
				amounts[c] += value
			default:
				m.acceptTotal(c, t, p, value)
			}
		}
	}
	for c, amount := range amounts {
		t := m.cells[c]
		t.accepted += amount
		t.amounts = append(t.amounts, amount)
		if p := t.total(); amount > p && !t.loose {
			m.broken("a difference is no more than what was recorded", "%v: %v were sent at once, and %v recorded in all", c, amount, p)
		}
	}
}

// known breaks the law for a series that nobody recorded.
func (m *truth) known(p point) {
	for part := range p.parts {
		if m.cells[cell{p.life, p.series, part}] != nil {
			return
		}
	}
	m.broken("nothing is invented", "the series %s of %s, and nobody measured it", p.series, p.life)
}

func (m *truth) acceptTotal(c cell, t *tally, p point, value float64) {
	last, told := t.totals[p.attributes]
	if p.rises && told && p.at.After(last.at) && value < last.value && !p.start.After(last.start) {
		m.broken("a counter falls only with a new start", "%v: %v after %v, both since %v", c, value, last.value, p.start)
	}
	if !t.loose && !t.anyOf {
		if least, most, _ := t.window(p.at.Add(-m.slack), p.at.Add(m.slack)); value < least || value > most {
			m.broken("a total was true when it was collected", "%v: %v at %v, and it was %v to %v", c, value, p.at, least, most)
		}
	}
	if !told || p.at.After(last.at) {
		t.totals[p.attributes] = sample{p.at, p.start, value}
	}
}

// page looks at what a scrape showed, which began and ended at the given times. left are series that a counter names, or that the
// reader had filtered out.
func (m *truth) page(life string, points []point, from, to time.Time, left func(series string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[cell]float64{}
	for _, p := range points {
		p.life = life
		m.known(p)
		for part, value := range p.parts {
			seen[cell{life, p.series, part}] += value
		}
	}
	for c, t := range m.cells {
		if c.life != life || t.loose || left(c.series) {
			continue
		}
		value, there := seen[c]
		least, most, _ := t.window(from.Add(-m.slack), to)
		switch {
		case there && (value < least || value > most):
			m.broken("a page says what was true while it was made", "%v: %v between %v and %v, and it was %v to %v", c, value, from, to, least, most)
		case !there && len(t.steps) > 0 && t.steps[0].at.Before(from.Add(-m.slack)):
			m.broken("a page has every series", "%v is missing at %v", c, to)
		}
	}
}

// end takes note that a life is over. spooled is what waits in the spool of it.
func (m *truth) end(life string, crashed bool, spooled []point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	waiting := map[cell]float64{}
	for _, p := range spooled {
		for part, value := range p.parts {
			c := cell{p.life, p.series, part}
			if t := m.cells[c]; p.delta {
				waiting[c] += value
			} else if t != nil && crashed && life == p.life && p.at.After(t.owed.at) {
				t.owed = sample{p.at, p.start, value}
			}
		}
	}
	for c, t := range m.cells {
		if c.life != life {
			continue
		}
		t.crashed = crashed
		if t.floor = t.total(); crashed {
			t.floor = min(t.total(), t.accepted+waiting[c])
		}
	}
}

// forgive takes note that what a file in the spool held will not arrive, because somebody broke the file.
func (m *truth) forgive(points []point) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range points {
		for part := range p.parts {
			if t := m.cells[cell{p.life, p.series, part}]; t != nil {
				t.loose = true
			}
		}
	}
}

// books is what the processes said of themselves, added up over all their lives.
type books struct {
	lost      int64 // points and series that were counted as lost, rejected or set aside
	ambiguous int64 // requests that may have arrived, and those that a crash kept from being counted
	sent      int64 // points that were counted as accepted
}

// conserved holds the books against the truth when the world is calm and everything has been sent.
func (m *truth) conserved(b books) {
	m.mu.Lock()
	defer m.mu.Unlock()
	short := map[string]string{}
	for c, t := range m.cells {
		if t.loose || t.gauge {
			continue
		}
		accepted := t.accepted
		for _, s := range t.totals {
			accepted += s.value
		}
		if over := accepted - t.total(); over > 0 && !t.swings && (len(t.amounts) == 0 || over > largest(t.amounts, b.ambiguous)) {
			m.broken("nothing is delivered twice but by requests that are ambiguous", "%v: %v accepted, %v recorded; %d requests were ambiguous, and the requests had %v",
				c, accepted, t.total(), b.ambiguous, t.amounts)
		}
		floor := t.floor
		if t.crashed && len(t.amounts) == 0 { // totals
			floor = t.owed.value
		}
		if accepted < floor && !t.swings || t.swings && !t.crashed && accepted != t.total() {
			short[c.life+" "+c.series] = fmt.Sprintf("%v: %v accepted, %v owed", c, accepted, floor)
		}
	}
	if int64(len(short)) > b.lost {
		m.broken("what is recorded is accepted, spooled or counted as lost", "%d series are short, and %d points are counted as lost; one of them: %s",
			len(short), b.lost, short[slices.Min(slices.Collect(maps.Keys(short)))])
	}
}

// largest adds up the n largest amounts.
func largest(amounts []float64, n int64) (sum float64) {
	sorted := slices.SortedFunc(slices.Values(amounts), func(a, b float64) int { return cmp.Compare(math.Abs(b), math.Abs(a)) })
	for _, a := range sorted[:min(int64(len(sorted)), n)] {
		sum += a
	}
	return sum
}
