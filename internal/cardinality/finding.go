package cardinality

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

const (
	maxSamples      = 3
	maxSampleLength = 40   // bytes
	maxLooks        = 4096 // series that are looked at for a finding
)

// Finding says that an instrument came nearer to its cardinality limit.
type Finding struct {
	Usage
	State State

	// Attribute is the key with the most distinct values, Values how many it has among the series
	// looked at, which are 4096 at most, and Samples a few of them. Without attributes it is empty.
	Attribute string
	Values    int
	// Samples are at most three values of at most 40 bytes each, valid UTF-8 without control
	// characters. They come from the application's own attributes, so they may name a user.
	Samples []string
}

// String returns the finding as one line for a log.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cardinality: %s: %d of %d series are used", f.Instrument, f.Used, f.Limit)
	if f.State == Full {
		b.WriteString(", and new ones fold into the overflow series")
	}
	if f.Attribute != "" {
		fmt.Fprintf(&b, "; the attribute with the most values is %q: %d, such as %s", f.Attribute, f.Values, quoted(f.Samples))
	}
	return b.String()
}

func quoted(samples []string) string {
	out := make([]string, len(samples))
	for i, s := range samples {
		out[i] = strconv.Quote(s)
	}
	return strings.Join(out, ", ")
}

// newFinding finds the attribute with the most values. Of more series than maxLooks it takes them evenly
// spread, because old ones and new ones are not alike.
func newFinding(u Usage, state State, data metricdata.Aggregation) Finding {
	f := Finding{Usage: u, State: state}
	values := map[attribute.Key]map[string]bool{}
	sets, n := setsOf(data)
	step := max(1, (n+maxLooks-1)/maxLooks)
	for i := 0; i < n; i += step {
		for it := sets(i).Iter(); it.Next(); {
			kv := it.Attribute()
			if values[kv.Key] == nil {
				values[kv.Key] = map[string]bool{}
			}
			values[kv.Key][kv.Value.String()] = true
		}
	}
	for key, distinct := range values {
		if len(distinct) > f.Values || (len(distinct) == f.Values && string(key) < f.Attribute) {
			f.Attribute, f.Values = string(key), len(distinct)
		}
	}
	f.Samples = samples(values[attribute.Key(f.Attribute)])
	f.Attribute = sanitize(f.Attribute)
	return f
}

// samples returns the first values in order, so that a report is the same every time.
func samples(distinct map[string]bool) []string {
	var first []string
	for v := range distinct {
		i, _ := slices.BinarySearch(first, v)
		first = slices.Insert(first, i, v)
		first = first[:min(len(first), maxSamples)]
	}
	for i, v := range first {
		first[i] = sanitize(v)
	}
	return first
}

// sanitize makes a line of a log of what somebody else may have chosen.
func sanitize(s string) string {
	cut := len(s) > maxSampleLength
	if cut {
		s = s[:maxSampleLength]
	}
	// Map turns what is not UTF-8 into the replacement character too.
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	if cut {
		s = strings.TrimRight(s, "\uFFFD") + "…"
	}
	return s
}
