package dashboards

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// Metric is one of the service's own metrics, as its page has it.
type Metric struct {
	// Family is the name on the page; a histogram's without _bucket, _sum and _count. For an OpenTelemetry
	// instrument it comes from [names.Names.Of].
	Family string
	Kind   Kind
	// Unit is that of the instrument, in UCUM as OpenTelemetry writes it: s, By, {request}. Default: a number without a unit.
	Unit string
	// Description is one or more sentences about it. Default: its name.
	Description string
	// Labels are those on the page by which it is looked at, in the order of their importance.
	Labels []string
	// Classic says that the family has classic buckets although the service has native histograms, as one of a
	// library that knows no others. Default: as Options.Names has it.
	Classic bool
}

// Kind is that of a metric, as far as it is looked at differently.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // is shown as a rate
	UpDown    Kind = "updown"    // can be added up: requests in flight
	Gauge     Kind = "gauge"     // cannot: a temperature
	Histogram Kind = "histogram" // is shown as quantiles, and as a heat map
	Summary   Kind = "summary"   // has quantiles of its own, which cannot be added up
)

// Kinds returns all of them.
func Kinds() []Kind { return []Kind{Counter, UpDown, Gauge, Histogram, Summary} }

// validate says what is wrong with a metric.
func (m Metric) validate() error {
	if !isIdentifier(m.Family, true) {
		return fmt.Errorf("dashboards: metric family=%q: not a name on a page; allowed are letters, digits, _ and :, not a digit first", m.Family)
	}
	if !slices.Contains(Kinds(), m.Kind) {
		return fmt.Errorf("dashboards: metric %s: kind=%q: not a kind; allowed are %q", m.Family, m.Kind, Kinds())
	}
	for _, l := range m.Labels {
		if !isIdentifier(l, false) {
			return fmt.Errorf("dashboards: metric %s: label=%q: not a label of a page; allowed are letters, digits and _, not a digit first", m.Family, l)
		}
	}
	return nil
}

// isIdentifier reports whether s can stand in PromQL without quotes.
func isIdentifier(s string, colon bool) bool {
	for i, c := range []byte(s) {
		letter := c == '_' || colon && c == ':' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// own shows the service's own metrics, a row for each. Ids of panels come from the metric's name, so that a new metric moves
// none, and a metric that is gone takes only its own with it.
func (m maker) own(metrics []Metric) page {
	p := page{
		key: "own", title: "Own metrics", present: "up",
		about: "The metrics of the service's contract: counters as rates, histograms as quantiles and heat maps, the others as values, by their attributes.",
	}
	for _, metric := range metrics {
		p.rows = append(p.rows, row{stableID("row " + metric.Family), metric.Family, m.ownPanels(metric)})
	}
	return p
}

// question is one that is asked of a metric.
type question struct {
	what    string
	draw    drawing
	unit    unit
	note    string
	queries []query
}

// ownPanels are the questions that are asked of a metric, as panels.
func (m maker) ownPanels(metric Metric) []panel {
	about := strings.TrimSpace(metric.Description)
	if about == "" {
		about = metric.Family + "."
	}
	var out []panel
	for _, q := range m.questions(metric) {
		title := strings.TrimSpace(metric.Family + " " + q.what)
		out = append(out, panel{
			id: stableID(title), title: title, about: strings.TrimSpace(about + " " + q.note), draw: q.draw, unit: q.unit, queries: q.queries,
		})
	}
	return out
}

func (m maker) questions(metric Metric) []question {
	s := plain(metric.Family)
	switch metric.Kind {
	case Counter:
		return counterQuestions(s, metric)
	case UpDown:
		return upDownQuestions(s, metric)
	case Gauge:
		value, _ := units(metric.Unit)
		by := append([]string{"instance"}, metric.Labels...)
		return []question{{"", lines, value, "The value of every instance.", []query{{expr: names.Over("max", s.String(), by...), legend: legend(by...)}}}}
	default:
		return m.histogramQuestions(s, metric)
	}
}

func counterQuestions(s names.Series, metric Metric) []question {
	_, rate := units(metric.Unit)
	const note = "Shown per second."
	out := []question{{"per second", lines, rate, note, []query{{expr: s.Rate(window), legend: "all"}}}}
	for _, l := range metric.Labels {
		out = append(out, question{"per second by " + l, stacked, rate, note, []query{{expr: s.Rate(window, l), legend: legend(l)}}})
	}
	return out
}

func upDownQuestions(s names.Series, metric Metric) []question {
	value, _ := units(metric.Unit)
	out := []question{{"", lines, value, "Added up.", []query{{expr: names.Sum(s.String()), legend: "all"}}}}
	for _, l := range metric.Labels {
		out = append(out, question{"by " + l, stacked, value, "Added up.", []query{{expr: names.Sum(s.String(), l), legend: legend(l)}}})
	}
	return out
}

// histogramQuestions are those of histograms and of summaries, whose quantiles are what each instance has found out itself.
func (m maker) histogramQuestions(s names.Series, metric Metric) []question {
	value, _ := units(metric.Unit)
	h := names.Hist{Series: s, Native: m.Names.Options().Native && !metric.Classic && metric.Kind == Histogram}
	out := []question{
		{"mean", lines, value, "The mean, which is exact.", []query{{expr: h.Mean(window), legend: "all"}}},
		{"observations per second", lines, perSecond, "", []query{{expr: h.Count(window), legend: "all"}}},
	}
	if metric.Kind == Summary {
		worst := query{expr: names.Over("max", s.String(), "instance", "quantile"), legend: legend("instance", "quantile")}
		return append(out, question{"quantiles", lines, value, "The greatest of each instance, as it has computed them itself.", []query{worst}})
	}
	const note = "An estimate from the histogram's buckets."
	out = append(out, question{"quantiles", lines, value, note, quantiles(h)},
		question{"heat map", heat, value, "How many observations were how large.", []query{{expr: h.Buckets(window), legend: "{{le}}", exemplars: true}}})
	for _, l := range metric.Labels {
		out = append(out, question{"p95 by " + l, lines, value, note, []query{{expr: h.Quantile(0.95, window, l), legend: legend(l), exemplars: true}}})
	}
	return out
}

// units returns Grafana's units of a value and of its rate. One that is not known is shown as a number.
func units(ucum string) (value, rate unit) {
	known := map[string]unit{
		"s": seconds, "ms": "ms", "us": "µs", "ns": "ns", "min": "m", "h": "h", "d": "d",
		"By": bytesUnit, "kBy": "deckbytes", "KiBy": "kbytes", "MBy": "decmbytes", "MiBy": "mbytes", "GBy": "decgbytes", "GiBy": "gbytes",
		"bit": "bits", "%": "percent", "Cel": "celsius", "Hz": "hertz", "V": "volt", "A": "amp", "W": "watt", "J": "joule", "m": "lengthm", "g": "massg",
	}
	value, rate = known[ucum], perSecond
	switch {
	case ucum == "By":
		rate = bytesPerSecond
	case ucum == "s": // seconds of work per second
		rate = none
	}
	if value == "" {
		value = count
	}
	return value, rate
}
