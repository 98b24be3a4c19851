// Package names knows what Duotel's metrics are called at the pull exit, and asks for them in PromQL. It is the
// one place where the vocabulary, the prefix and the kind of histogram make a difference: dashboards, rules and
// documents say what they want to know, and get the expression for the service they are made for.
//
// Names are made by the library that the exporter itself uses, github.com/prometheus/otlptranslator.
package names

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/duotel/duotel/middleware"
)

// Vocabulary is that of the HTTP server's metrics, with the values of METRICS_HTTP_NAMES.
type Vocabulary string

// The vocabularies.
const (
	Semconv Vocabulary = "semconv" // OpenTelemetry's semantic conventions
	Classic Vocabulary = "classic" // http_requests_total and its kin
)

// Options say how a service is set up. The zero value is a service with Duotel's defaults.
type Options struct {
	// HTTP is the vocabulary of the HTTP server's metrics. Default: Semconv.
	HTTP Vocabulary
	// Namespace and Subsystem are METRICS_NAMESPACE and METRICS_SUBSYSTEM. Default: none.
	Namespace, Subsystem string
	// Native says that Prometheus stores histograms as native ones: exponential, or classic ones that it
	// converts (convert_classic_histograms_to_nhcb).
	Native bool
	// Bounds are METRICS_HTTP_DURATION_BOUNDS in seconds: bounds of objectives, in addition to the vocabulary's own.
	Bounds []float64
}

// Names are the names of one service. Make one with [New].
type Names struct {
	opts    Options
	applied otlptranslator.MetricNamer
	own     otlptranslator.MetricNamer
}

// New returns the names of a service that is set up so. A vocabulary or a prefix that cannot be is an error.
func New(o Options) (Names, error) {
	if o.HTTP == "" {
		o.HTTP = Semconv
	}
	if o.HTTP != Semconv && o.HTTP != Classic {
		return Names{}, fmt.Errorf("names=%q: not a vocabulary; allowed are %q and %q", o.HTTP, Semconv, Classic)
	}
	parts := slices.DeleteFunc([]string{o.Namespace, o.Subsystem}, func(s string) bool { return s == "" })
	for _, p := range parts {
		if !isName(p) {
			return Names{}, fmt.Errorf("prefix=%q: not a part of a metric's name; allowed are letters, digits and _, not a digit first", p)
		}
	}
	return Names{
		opts:    o,
		applied: otlptranslator.MetricNamer{Namespace: strings.Join(parts, "_"), WithMetricSuffixes: true},
		own:     otlptranslator.MetricNamer{WithMetricSuffixes: true},
	}, nil
}

// isName reports whether s may stand at the beginning of a metric's name.
func isName(s string) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// Options returns what New was given, with the defaults filled in.
func (n Names) Options() Options { return n.opts }

// Kind is that of an instrument, as far as its name depends on it.
type Kind = otlptranslator.MetricType

// The kinds.
const (
	Counter   Kind = otlptranslator.MetricTypeMonotonicCounter
	Gauge     Kind = otlptranslator.MetricTypeGauge
	UpDown    Kind = otlptranslator.MetricTypeNonMonotonicCounter
	Histogram Kind = otlptranslator.MetricTypeHistogram
)

// Of returns the family that an OpenTelemetry instrument of the service has on the page: "http.client.request.duration"
// with unit "s" is http_client_request_duration_seconds. A histogram's series have suffixes of their own,
// which [Names.HistogramOf] knows.
func (n Names) Of(instrument, unit string, kind Kind) string {
	return build(n.applied, instrument, unit, kind)
}

// Own returns the family of one of Duotel's instruments about itself. It has no prefix, so that one dashboard fits
// every service.
func (n Names) Own(instrument, unit string, kind Kind) string {
	return build(n.own, instrument, unit, kind)
}

// Label returns the label of an attribute: "http.route" is http_route.
func Label(attribute string) string {
	name, err := (&otlptranslator.LabelNamer{}).Build(attribute)
	if err != nil {
		panic(fmt.Sprintf("names: attribute %q: %v", attribute, err)) // the catalogue names it, not a user
	}
	return name
}

// build names an instrument of the catalogue, or of a contract that has been validated.
func build(namer otlptranslator.MetricNamer, instrument, unit string, kind Kind) string {
	name, err := namer.Build(otlptranslator.Metric{Name: instrument, Unit: unit, Type: kind})
	if err != nil {
		panic(fmt.Sprintf("names: instrument %q: %v", instrument, err))
	}
	return name
}

// DurationBounds returns the upper bounds, in seconds, of the request duration's buckets as this service
// shows them: its vocabulary's, and those of objectives. They ascend.
func (n Names) DurationBounds() []float64 {
	bounds := middleware.DefaultDurationBuckets()
	if n.opts.HTTP == Classic {
		bounds = []float64{0.05, 0.1, 0.3, 1, 3, 5}
	}
	bounds = slices.Concat(bounds, n.opts.Bounds)
	slices.Sort(bounds)
	return slices.Compact(bounds)
}
