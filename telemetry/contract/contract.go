// Package contract is a service's promise about its metrics, as a file in its repository: which instruments there are, in
// which unit, by which attributes, with which values. Dashboards, alerts and bills depend on these, and a rename breaks them without a
// sound. With the file a rename is a red test, which says what it breaks.
//
//	schema: duotel.metrics/v1
//	service: checkout
//	instruments:
//	  - name: checkout.orders
//	    kind: counter
//	    unit: "{order}"
//	    description: Orders by outcome.
//	    attributes:
//	      outcome: [accepted, refused]
//	      currency: {open: 20}
//
// A test holds the service to it with telemetrytest.AssertContract; the command duotel records one from a page, compares two,
// and makes dashboards from one.
//
// Names are OpenTelemetry's, or those of Prometheus where a metric comes from client_golang. Both lead to the same
// family on the page ([Instrument.Family]), so a contract that is written by hand and one that is recorded from a page can be compared.
package contract

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"
)

// Schema is the version of the file format.
const Schema = "duotel.metrics/v1"

// Contract is what a service promises.
type Contract struct {
	// Service is the service's name. Optional.
	Service string
	// Instruments are in the order of the file. No two have the same family.
	Instruments []Instrument
}

// Kind is that of an instrument.
type Kind string

// The kinds.
const (
	Counter       Kind = "counter"
	UpDownCounter Kind = "updowncounter"
	Gauge         Kind = "gauge"
	Histogram     Kind = "histogram"
	Exponential   Kind = "exponential_histogram"
	Summary       Kind = "summary"
)

var kinds = []Kind{Counter, UpDownCounter, Gauge, Histogram, Exponential, Summary}

// Stability says what may change, in the words of OpenTelemetry's semantic conventions.
type Stability string

// The stabilities.
const (
	Stable      Stability = "stable"      // a change that breaks queries comes with a new name
	Development Stability = "development" // it may change
)

var stabilities = []Stability{Stable, Development}

// Instrument is one metric.
type Instrument struct {
	// Name is OpenTelemetry's, or the family on the page for one that comes from client_golang.
	Name string
	Kind Kind
	// Unit is a UCUM unit: "s", "By", "{request}". Empty for none.
	Unit        string
	Description string
	// Stability is empty where nothing is said.
	Stability Stability
	// Bounds are the upper bounds of a histogram's buckets, ascending, without +Inf. Empty where nothing is promised.
	Bounds []float64
	// Attributes are in the order of the file.
	Attributes []Attribute
	// Was are earlier names. A query that has one is out of date.
	Was []string
	// Deprecated says what to use instead; empty for an instrument that is not.
	Deprecated string
}

// Attribute is a key with the values that it may have.
type Attribute struct {
	// Name is OpenTelemetry's ("http.route") or the label's ("http_route").
	Name string
	// Values are all that there can be. Empty for an open attribute.
	Values []string
	// Open is how many values an attribute has at most whose values are not known. 0 for one with Values.
	Open int
}

// Label returns the attribute's label on the page.
func (a Attribute) Label() string {
	label, err := (&otlptranslator.LabelNamer{}).Build(a.Name)
	if err != nil {
		return a.Name
	}
	return label
}

// Count returns how many values the attribute has at most.
func (a Attribute) Count() int {
	if len(a.Values) > 0 {
		return len(a.Values)
	}
	return a.Open
}

// Family returns the name of the metric on the page, without the suffixes of a histogram's series and without a prefix
// that METRICS_NAMESPACE adds. It is made as the pull exit makes it.
func (i Instrument) Family() string { return family(i.Name, i.Unit, i.Kind) }

func family(name, unit string, kind Kind) string {
	types := map[Kind]otlptranslator.MetricType{
		Counter: otlptranslator.MetricTypeMonotonicCounter, UpDownCounter: otlptranslator.MetricTypeNonMonotonicCounter, Gauge: otlptranslator.MetricTypeGauge,
		Histogram: otlptranslator.MetricTypeHistogram, Exponential: otlptranslator.MetricTypeExponentialHistogram, Summary: otlptranslator.MetricTypeSummary,
	}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true}
	out, err := namer.Build(otlptranslator.Metric{Name: name, Unit: unit, Type: types[kind]})
	if err != nil {
		return name
	}
	return out
}

// Series returns how many series of Prometheus the instrument is at most: the product of its attributes' values, times the series of
// a histogram: one for each bucket, a sum and a count.
func (i Instrument) Series() int {
	n := 1
	switch {
	case i.Kind == Histogram && len(i.Bounds) > 0:
		n = len(i.Bounds) + 3 // +Inf, sum and count
	case i.Kind == Summary:
		n = 2
	}
	for _, a := range i.Attributes {
		n *= max(1, a.Count())
	}
	return n
}

// Attribute returns the attribute with that label.
func (i Instrument) Attribute(label string) (Attribute, bool) {
	at := slices.IndexFunc(i.Attributes, func(a Attribute) bool { return a.Label() == label })
	if at < 0 {
		return Attribute{}, false
	}
	return i.Attributes[at], true
}

// Find returns the instrument with that family.
func (c *Contract) Find(family string) (Instrument, bool) {
	at := slices.IndexFunc(c.Instruments, func(i Instrument) bool { return i.Family() == family })
	if at < 0 {
		return Instrument{}, false
	}
	return c.Instruments[at], true
}

// Series returns the most series that all instruments are together.
func (c *Contract) Series() int {
	n := 0
	for _, i := range c.Instruments {
		n += i.Series()
	}
	return n
}

// oneOf writes what is allowed.
func oneOf[T ~string](allowed []T) string {
	var out []string
	for _, a := range allowed {
		out = append(out, string(a))
	}
	return fmt.Sprintf("%s or %s", strings.Join(out[:len(out)-1], ", "), out[len(out)-1])
}
