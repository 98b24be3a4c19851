package telemetrytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// Kind is the kind of a [Series], in OTLP's words.
type Kind string

// The kinds of data point OTLP knows.
const (
	KindGauge                Kind = "gauge"
	KindSum                  Kind = "sum"
	KindHistogram            Kind = "histogram"
	KindExponentialHistogram Kind = "exponential_histogram"
	KindSummary              Kind = "summary"
)

// Series is the state of one series: the last point for a gauge and for cumulative points, the sum of
// all points for deltas. A Series is a copy; its maps and slices are the caller's.
type Series struct {
	// Name and Unit are the metric's, as sent.
	Name, Unit string
	Kind       Kind
	// Temporality is zero for a gauge or a summary.
	Temporality metricdata.Temporality
	// Monotonic is the sum's flag.
	Monotonic bool
	// Resource, Scope and Labels identify the series: the resource's attributes, the scope's name and
	// the point's attributes. Values that are no strings are written as in JSON.
	Resource map[string]string
	Scope    string
	Labels   map[string]string
	// Value is that of a gauge or a sum.
	Value float64
	// Count and Sum are those of a histogram or a summary.
	Count uint64
	Sum   float64
	// Buckets[i] counts the measurements of a histogram in (Bounds[i-1], Bounds[i]].
	Bounds  []float64
	Buckets []uint64
	// Exponential holds the buckets of an exponential histogram; nil for any other kind.
	Exponential *Exponential
	// StartTime is the first delta's start, or that of the last cumulative point.
	StartTime, Time time.Time
}

// Total is the number to compare between exits: Value, or Count where there is one.
func (s Series) Total() float64 {
	switch s.Kind {
	case KindGauge, KindSum:
		return s.Value
	}
	return float64(s.Count)
}

// Has says whether s has every one of labels; it may have more.
func (s Series) Has(labels map[string]string) bool { return hasLabels(s.Labels, labels) }

// String shows s in one line, labels sorted.
func (s Series) String() string {
	return fmt.Sprintf("%s{%s} %v (%s)", s.Name, formatLabels(s.Labels), s.Total(), s.Kind)
}

func formatLabels(labels map[string]string) string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(labels)) {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", k, labels[k])
	}
	return b.String()
}

// clone copies what the backend goes on changing, so that the caller owns it.
func (s *Series) clone() Series {
	c := *s
	c.Resource, c.Labels = maps.Clone(s.Resource), maps.Clone(s.Labels)
	c.Bounds, c.Buckets = slices.Clone(s.Bounds), slices.Clone(s.Buckets)
	c.Exponential = s.Exponential.clone()
	return c
}

// identity is what makes two points the same series.
func (s *Series) identity() string {
	return fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%s\x00%v\x00%s",
		s.Name, s.Unit, s.Kind, formatLabels(s.Labels), s.Scope, s.Temporality, formatLabels(s.Resource))
}

// add brings a later point p of the same series in.
func (s *Series) add(p *Series) {
	if s.Temporality != metricdata.DeltaTemporality {
		if !p.Time.Before(s.Time) {
			*s = *p
		}
		return
	}
	s.Value += p.Value
	s.Count += p.Count
	s.Sum += p.Sum
	s.addBuckets(p)
	s.Exponential.add(p.Exponential)
	if p.StartTime.Before(s.StartTime) {
		s.StartTime = p.StartTime
	}
	if p.Time.After(s.Time) {
		s.Time = p.Time
	}
}

// addBuckets adds p's buckets. When the bounds changed on the way, only the newer ones can be shown.
func (s *Series) addBuckets(p *Series) {
	if !slices.Equal(s.Bounds, p.Bounds) || len(s.Buckets) != len(p.Buckets) {
		s.Bounds, s.Buckets = p.Bounds, p.Buckets
		return
	}
	for i, n := range p.Buckets {
		s.Buckets[i] += n
	}
}
