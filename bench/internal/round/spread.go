package round

import (
	"math"
	"slices"
)

// Result has the samples of a comparison.
type Result struct {
	names   []string
	samples [][]Sample // by contestant, by round
}

// NewResult returns an empty result of contestants that are measured by other means than [Measure].
func NewResult(names ...string) Result {
	return Result{names: names, samples: make([][]Sample, len(names))}
}

// Add gives the named contestant's sample of the next round.
func (r Result) Add(name string, s Sample) {
	i := r.index(name)
	r.samples[i] = append(r.samples[i], s)
}

// add gives every contestant's sample of the next round.
func (r Result) add(samples []Sample) {
	for i, s := range samples {
		r.samples[i] = append(r.samples[i], s)
	}
}

// Spread is what the rounds said about one quantity.
type Spread struct{ Median, Min, Max float64 }

// Ratio is the cost of a over the cost of b.
func (r Result) Ratio(a, b string) Spread {
	return r.each(func(cost func(string) float64) float64 { return cost(a) / cost(b) })
}

// Added is the cost of a beyond base.
func (r Result) Added(a, base string) Spread {
	return r.each(func(cost func(string) float64) float64 { return cost(a) - cost(base) })
}

// AddedRatio is what a costs beyond base over what b costs beyond base.
func (r Result) AddedRatio(a, b, base string) Spread {
	return r.each(func(cost func(string) float64) float64 {
		return (cost(a) - cost(base)) / (cost(b) - cost(base))
	})
}

// Cost is the named contestant's cost in nanoseconds.
func (r Result) Cost(name string) Spread {
	return r.each(func(cost func(string) float64) float64 { return cost(name) })
}

// Allocs is the median of the named contestant's allocations.
func (r Result) Allocs(name string) float64 {
	return r.of(name, func(s Sample) float64 { return s.Allocs }).Median
}

// Bytes is the median of the bytes that the named contestant allocated.
func (r Result) Bytes(name string) float64 {
	return r.of(name, func(s Sample) float64 { return s.Bytes }).Median
}

// Names are the contestants, in the order they were given.
func (r Result) Names() []string { return slices.Clone(r.names) }

func (r Result) of(name string, value func(Sample) float64) Spread {
	var all []float64
	for _, s := range r.samples[r.index(name)] {
		all = append(all, value(s))
	}
	return NewSpread(all)
}

// each evaluates f in every round.
func (r Result) each(f func(cost func(name string) float64) float64) Spread {
	all := make([]float64, 0, len(r.samples[0]))
	for n := range r.samples[0] {
		all = append(all, f(func(name string) float64 { return r.samples[r.index(name)][n].Cost }))
	}
	return NewSpread(all)
}

func (r Result) index(name string) int {
	i := slices.Index(r.names, name)
	if i < 0 {
		panic("round: no contestant is called " + name)
	}
	return i
}

// NewSpread summarises values, one for each round.
func NewSpread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{math.NaN(), math.NaN(), math.NaN()}
	}
	v := slices.Sorted(slices.Values(values))
	mid := v[len(v)/2]
	if len(v)%2 == 0 {
		mid = (mid + v[len(v)/2-1]) / 2
	}
	return Spread{Median: mid, Min: v[0], Max: v[len(v)-1]}
}
