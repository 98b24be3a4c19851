package telemetrytest

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"
)

// AssertSeries scrapes kit and reports an error unless exactly one series named name has all of
// labels, and its value is want (NaN is NaN). name is as in the exposition: for a histogram
// "wait_seconds_count", "wait_seconds_sum", or "wait_seconds_bucket" with a label le. The message
// lists the series that come nearest.
func AssertSeries(tb testing.TB, kit *Kit, name string, labels map[string]string, want float64) {
	tb.Helper()
	e := kit.Scrape(tb)
	found := e.Find(name, labels)
	wanted := Sample{Name: name, Labels: labels, Value: want}
	switch {
	case len(found) == 0:
		tb.Errorf("no series for\n\t%s\nthe nearest:%s", wanted, list(e.nearest(name, labels)))
	case len(found) > 1:
		tb.Errorf("%d series for\n\t%s\nname more of their labels:%s", len(found), wanted, list(found))
	case found[0].Value != want && !(math.IsNaN(found[0].Value) && math.IsNaN(want)):
		tb.Errorf("wrong value\n\t%s\nwant %v", found[0], want)
	}
}

// AssertNoSeries scrapes kit and reports an error that lists every series named name that has all of
// labels.
func AssertNoSeries(tb testing.TB, kit *Kit, name string, labels map[string]string) {
	tb.Helper()
	if found := kit.Scrape(tb).Find(name, labels); len(found) > 0 {
		tb.Errorf("%d series; want none:%s", len(found), list(found))
	}
}

// shownNearest is how many series a failure message lists.
const shownNearest = 8

// nearest returns the samples most like the wanted one: the same name with the most labels right, or
// else the names with the longest beginning or end in common.
func (e Exposition) nearest(name string, labels map[string]string) []Sample {
	samples := e.Samples()
	score := func(s Sample) int {
		right := 0
		for k, v := range labels {
			if got, ok := s.Labels[k]; ok && got == v {
				right++
			}
		}
		if s.Name == name {
			return 1000 + right
		}
		return 10*max(commonPrefix(s.Name, name), commonSuffix(s.Name, name)) + min(right, 9)
	}
	slices.SortStableFunc(samples, func(a, b Sample) int { return cmp.Compare(score(b), score(a)) })
	return samples[:min(len(samples), shownNearest)]
}

func commonPrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}

func list(samples []Sample) string {
	if len(samples) == 0 {
		return " none: the exposition is empty"
	}
	var b strings.Builder
	for _, s := range samples {
		b.WriteString("\n\t" + s.String())
	}
	return b.String()
}
