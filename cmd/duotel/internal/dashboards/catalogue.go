package dashboards

import (
	"hash/fnv"
	"strconv"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// page is a dashboard of the catalogue.
type page struct {
	key, title, about string
	// present is a family that every instance shows which this dashboard is for: from it come the jobs and instances to choose from.
	present   string
	variables []variable
	rows      []row
}

// variable is a further choice, besides data source, job and instance.
type variable struct{ name, label, query string }

// row is a line of panels with a heading.
type row struct {
	id     uint32
	title  string
	panels []panel
}

// panel is one question.
type panel struct {
	// id tells the panel from others for as long as it exists: links to a panel have it. It is never given to another one.
	id           uint32
	title, about string
	draw         drawing
	unit         unit
	// width is in columns of 24. Default: that of the drawing.
	width   uint32
	queries []query
	limits  []limit
	// alerts are those that fire on what is seen here.
	alerts []string
}

// query is asked by a panel. The legend is what a line is called, with labels in {{ }}.
type query struct {
	expr, legend string
	// exemplars asks for the traces behind the numbers as well.
	exemplars bool
}

// drawing is how a panel looks.
type drawing int

const (
	lines   drawing = iota // over time
	stacked                // over time, the parts of a whole
	number                 // the latest, with a line behind it
	heat                   // buckets over time
	bars                   // the latest, one bar each, the longest first
)

// unit is Grafana's id of a unit.
type unit string

// The units of the catalogue.
const (
	requestsPerSecond unit = "reqps"
	perSecond         unit = "ops"
	share             unit = "percentunit"
	seconds           unit = "s"
	bytesUnit         unit = "bytes"
	bytesPerSecond    unit = "Bps"
	count             unit = "short"
	none              unit = "none"
)

// limit is where a colour begins. The first one has no bound.
type limit struct {
	from  float64
	color string
}

// below says that values are good until they reach bound.
func below(bound float64) []limit { return []limit{{color: "green"}, {bound, "red"}} }

// above says that values are good from bound.
func above(bound float64) []limit { return []limit{{color: "red"}, {bound, "green"}} }

// maker makes the catalogue's pages for one service.
type maker struct {
	Options
	http names.HTTP
}

func newMaker(o Options) maker {
	return maker{Options: o, http: o.Names.HTTPServer().Where(selection()...)}
}

// selection are the matchers of what is chosen at the top of a dashboard.
func selection() []string { return []string{`job=~"$job"`, `instance=~"$instance"`} }

// window is the window of every rate: Grafana makes it at least as long as two scrapes.
const window = "$__rate_interval"

// plain selects a family that does not come from an OpenTelemetry instrument.
func plain(name string, matchers ...string) names.Series {
	return names.Series{Name: name}.Where(selection()...).Where(matchers...)
}

// about selects one of Duotel's families about itself.
func (m maker) about(instrument, unit string, kind names.Kind, matchers ...string) names.Series {
	return plain(m.Names.Own(instrument, unit, kind), matchers...)
}

// of selects a family of one of the service's OpenTelemetry instruments that is no histogram.
func (m maker) of(instrument, unit string, kind names.Kind, matchers ...string) names.Series {
	return plain(m.Names.Of(instrument, unit, kind), matchers...)
}

// histogram selects a histogram of the service.
func (m maker) histogram(instrument, unit string) names.Hist {
	return m.Names.HistogramOf(instrument, unit).Where(selection()...)
}

// legend shows the values of labels.
func legend(labels ...string) string {
	text := ""
	for i, l := range labels {
		if i > 0 {
			text += " "
		}
		text += "{{" + l + "}}"
	}
	return text
}

// quantiles are the three lines that show how a histogram is spread.
func quantiles(h names.Hist) []query {
	var out []query
	for _, q := range []float64{0.5, 0.9, 0.99} {
		out = append(out, query{h.Quantile(q, window), "p" + strconv.FormatFloat(q*100, 'g', -1, 64), true})
	}
	return out
}

// stableID makes an id of a text, for panels that are not known to the catalogue. It does not depend on what else there is. Ids of
// the catalogue are below 10,000 and these above, within what JavaScript and Go read as a positive number of 32 bits.
func stableID(text string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(text))
	return 10_000 + h.Sum32()%2_000_000_000
}
