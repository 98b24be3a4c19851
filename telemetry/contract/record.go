package contract

import (
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// ownScopes begin the names of the scopes of Duotel's own instruments.
const ownScopes = "github.com/duotel/duotel/telemetry"

// Options say what of a page is recorded.
type Options struct {
	// All records Duotel's own metrics and those of the runtime and the process too. Default: those of the service alone, which
	// are what it can promise, and those of its HTTP server and clients.
	All bool
	// Values is how many values of an attribute are listed. One with more is recorded as open, with twice as many as its bound. Default: 20.
	Values int
}

// notTheServices are families that every process has, whatever its service is.
func notTheServices(name string) bool {
	for _, prefix := range []string{"go_", "process_", "promhttp_", "duotel_", "otel_sdk_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return name == "target_info"
}

// Record describes what is on a page: its families by name, as expfmt and telemetrytest.Kit.Scrape return them. Names
// are those of the page, and the labels of Prometheus and of OpenTelemetry's scopes are left out. The order is that of the names.
func Record(page map[string]*dto.MetricFamily, o Options) *Contract {
	if o.Values == 0 {
		o.Values = 20
	}
	c := &Contract{}
	for _, name := range slices.Sorted(maps.Keys(page)) {
		f := page[name]
		if len(f.GetMetric()) == 0 || (!o.All && (notTheServices(name) || ofDuotel(f))) {
			continue
		}
		i := Instrument{
			Name: name, Kind: kindOf(f), Unit: unitOf(name), Description: f.GetHelp(), Attributes: attributesOf(f, o.Values),
		}
		if i.Kind == Histogram {
			i.Bounds = boundsOf(f.GetMetric()[0].GetHistogram())
		}
		c.Instruments = append(c.Instruments, i)
	}
	return c
}

func ofDuotel(f *dto.MetricFamily) bool {
	for _, l := range f.GetMetric()[0].GetLabel() {
		if l.GetName() == "otel_scope_name" && strings.HasPrefix(l.GetValue(), ownScopes) {
			return true
		}
	}
	return false
}

func kindOf(f *dto.MetricFamily) Kind {
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		return Counter
	case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
		if h := f.GetMetric()[0].GetHistogram(); h.Schema != nil && len(h.GetBucket()) == 0 {
			return Exponential
		}
		return Histogram
	case dto.MetricType_SUMMARY:
		return Summary
	default:
		return Gauge
	}
}

// units are those that a name can end with, with the unit that makes it.
var units = map[string]string{
	"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns", "minutes": "min", "hours": "h", "days": "d",
	"bytes": "By", "kibibytes": "KiBy", "mebibytes": "MiBy", "meters": "m", "volts": "V", "amperes": "A", "joules": "J", "watts": "W",
	"grams": "g", "celsius": "Cel", "hertz": "Hz", "percent": "%", "ratio": "1",
}

// unitOf returns the unit that a family's name tells. A ratio is left without: the name has it already.
func unitOf(family string) string {
	name := strings.TrimSuffix(family, "_total")
	unit := units[name[strings.LastIndexByte(name, '_')+1:]]
	if unit == "1" {
		return ""
	}
	return unit
}

func boundsOf(h *dto.Histogram) (out []float64) {
	for _, b := range h.GetBucket() {
		if b.GetUpperBound() <= maxFinite {
			out = append(out, b.GetUpperBound())
		}
	}
	return out
}

const maxFinite = 1.7976931348623157e308

func attributesOf(f *dto.MetricFamily, limit int) (out []Attribute) {
	values := map[string]map[string]bool{}
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if strings.HasPrefix(l.GetName(), "otel_scope_") {
				continue
			}
			if values[l.GetName()] == nil {
				values[l.GetName()] = map[string]bool{}
			}
			values[l.GetName()][l.GetValue()] = true
		}
	}
	for _, label := range slices.Sorted(maps.Keys(values)) {
		a := Attribute{Name: label, Values: slices.Sorted(maps.Keys(values[label]))}
		if len(a.Values) > limit {
			a.Open, a.Values = 2*len(a.Values), nil
		}
		out = append(out, a)
	}
	return out
}

// Update returns the contract that the observed metrics of a service keep: what was observed, and with it what the old contract knows and
// a page does not tell: descriptions, stability, earlier names, open attributes, values that did not occur this time, OpenTelemetry's
// names. What was not observed any more is left out.
func (c *Contract) Update(observed *Contract) *Contract {
	out := &Contract{Service: c.Service}
	if out.Service == "" {
		out.Service = observed.Service
	}
	done := map[string]bool{}
	for _, old := range c.Instruments {
		if now, ok := observed.Find(old.Family()); ok {
			out.Instruments = append(out.Instruments, old.update(now))
			done[old.Family()] = true
		}
	}
	for _, now := range observed.Instruments {
		if !done[now.Family()] {
			out.Instruments = append(out.Instruments, now)
		}
	}
	return out
}

func (i Instrument) update(now Instrument) Instrument {
	i.Kind = moreExact(i.Kind, now.Kind)
	if i.Description == "" {
		i.Description = now.Description
	}
	i.Bounds = now.Bounds
	var attributes []Attribute
	for _, a := range i.Attributes {
		seen, ok := now.Attribute(a.Label())
		if !ok {
			continue
		}
		if len(a.Values) > 0 && len(seen.Values) > 0 {
			a.Values = union(a.Values, seen.Values)
		}
		attributes = append(attributes, a)
	}
	for _, a := range now.Attributes {
		if _, ok := i.Attribute(a.Label()); !ok {
			attributes = append(attributes, a)
		}
	}
	i.Attributes = attributes
	return i
}

// moreExact keeps what a page does not tell apart: an up-down counter is a gauge there.
func moreExact(old, now Kind) Kind {
	if sameOnPage(old, now) {
		return old
	}
	return now
}

func sameOnPage(a, b Kind) bool {
	page := func(k Kind) Kind {
		switch k {
		case UpDownCounter:
			return Gauge
		case Exponential:
			return Histogram
		default:
			return k
		}
	}
	return page(a) == page(b)
}

func union(old, now []string) []string {
	for _, v := range now {
		if !slices.Contains(old, v) {
			old = append(slices.Clone(old), v)
		}
	}
	return old
}
