// Package compare says where two views of the same metrics differ, series by series.
package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Value is that of one series: a number, or a native histogram in words.
type Value struct {
	Number    float64
	Histogram string
}

func (v Value) String() string {
	if v.Histogram != "" {
		return v.Histogram
	}
	return strconv.FormatFloat(v.Number, 'g', -1, 64)
}

// equal allows for the rounding of a sum of differences, and for no other difference.
func (v Value) equal(w Value) bool {
	switch {
	case v.Histogram != w.Histogram:
		return false
	case v.Number == w.Number, math.IsNaN(v.Number) && math.IsNaN(w.Number):
		return true
	}
	return math.Abs(v.Number-w.Number) <= 1e-9*math.Abs(v.Number)
}

// Series are values by name and labels, as [Key] writes them.
type Series map[string]Value

// Key writes a series' name and labels in one way. An empty label is none, as in Prometheus, and the bound of a bucket
// is a number, however it was written.
func Key(name string, labels map[string]string, without ...string) string {
	var b strings.Builder
	b.WriteString(name + "{")
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		value := labels[label]
		if label == "__name__" || value == "" || slices.Contains(without, label) || dropped(label, value) {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil && (label == "le" || label == "quantile") {
			value = strconv.FormatFloat(n, 'g', -1, 64)
		}
		fmt.Fprintf(&b, "%s=%q,", label, value)
	}
	return strings.TrimSuffix(b.String(), ",") + "}"
}

// Name is the metric's part of a key.
func Name(key string) string {
	name, _, _ := strings.Cut(key, "{")
	return name
}

// Only returns the series whose names satisfy keep.
func (s Series) Only(keep func(name string) bool) Series {
	out := Series{}
	for key, value := range s {
		if keep(Name(key)) {
			out[key] = value
		}
	}
	return out
}

// Result is what a comparison found.
type Result struct {
	// Compared counts the series of both sides, Differences says where they are not equal.
	Compared    int
	Differences []string
}

// Diff compares two sets of series. Where presence says so for a name, the values may differ: they move by themselves.
func Diff(left, right Series, presence func(name string) bool) Result {
	keys := maps.Clone(left)
	maps.Copy(keys, right)
	r := Result{Compared: len(keys)}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		l, inLeft := left[key]
		v, inRight := right[key]
		switch {
		case !inRight:
			r.Differences = append(r.Differences, fmt.Sprintf("%s: only on the left, %v", key, l))
		case !inLeft:
			r.Differences = append(r.Differences, fmt.Sprintf("%s: only on the right, %v", key, v))
		case !presence(Name(key)) && !l.equal(v):
			r.Differences = append(r.Differences, fmt.Sprintf("%s: %v on the left, %v on the right", key, l, v))
		}
	}
	return r
}
