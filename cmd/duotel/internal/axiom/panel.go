// Package axiom writes a dashboard for Axiom of the metrics that a service pushes there: by OpenTelemetry's names, and in
// MPL, Axiom's language for metrics (https://axiom.co/docs/mpl/introduction). What it writes is a preview.
//
// The document is what goes into the field "dashboard" of a request to Axiom:
//
//	jq '{dashboard: .}' axiom.json | curl --fail-with-body -H "Authorization: Bearer $AXIOM_TOKEN" \
//	  -H 'Content-Type: application/json' -d @- https://api.axiom.co/v2/dashboards
package axiom

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Options say what the service is and where its metrics are.
type Options struct {
	// Service is service.name.
	Service string
	// Dataset is the one that X-Axiom-Metrics-Dataset names.
	Dataset string
	// Temporality is what the service pushes (OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE): cumulative (default) or
	// delta. The language asks for the two in different ways. lowmemory mixes both, and is refused.
	Temporality string
	// HTTPNames is METRICS_HTTP_NAMES: semconv (default) or both. With classic alone the push exit does not have what [Service] asks
	// for.
	HTTPNames string
}

// Drawing is how a panel looks.
type Drawing string

// The drawings.
const (
	TimeSeries Drawing = "TimeSeries" // lines over time
	Statistic  Drawing = "Statistic"  // one number, of the whole range of time
)

// Ask is what a panel wants to know of an instrument.
type Ask string

// What can be asked.
const (
	Rate      Ask = "rate"      // of a counter: its increase per second, over time only
	Count     Ask = "count"     // of a histogram: measurements per second over time, or their number in a Statistic
	Quantiles Ask = "quantiles" // of a histogram: Panel.Quantiles
	Value     Ask = "value"     // of a gauge or an up-down counter: the latest
)

// Panel is one question about one instrument.
type Panel struct {
	// ID is the chart's: letters, digits, '.', '_' and '-', once in a dashboard.
	ID    string
	Title string
	// Draw is how it looks. Default: none, it must be said.
	Draw Drawing
	// Instrument is its OpenTelemetry name.
	Instrument string
	Ask        Ask
	// Quantiles, between 0 and 1.
	Quantiles []float64
	// By are the attributes that make a line each. Default: one line.
	By []string
	// Where are conditions on attributes, which all must hold.
	Where []Condition
	// Unit is that of the values, as Axiom writes it behind them. Default: what it knows of the instrument.
	Unit string
	// Over is how the values of several series become one, for Value: sum (default), max, min or avg.
	Over string
	// Above is the bound, a number, above which a Statistic is red. Default: none.
	Above string
}

// Condition is one on an attribute. Op is == or != with a string, ">=" or "<" with an integer, or "is" with a type, which holds
// where there is the attribute.
type Condition struct {
	Attribute, Op string
	Value         any
}

// The values that the schema and the language allow.
var (
	idAllowed = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$`)
	notInAnID = regexp.MustCompile(`[^A-Za-z0-9._-]`)
	asks      = []Ask{Rate, Count, Quantiles, Value}
	drawings  = []Drawing{TimeSeries, Statistic}
	overs     = []string{"sum", "max", "min", "avg"}
)

// complete returns the options with the defaults, or says everything that is wrong with them and with panels.
func (o Options) complete(panels []Panel) (Options, error) {
	o.Temporality, o.HTTPNames = cmp.Or(o.Temporality, "cumulative"), cmp.Or(o.HTTPNames, "semconv")
	var all []error
	wrong := func(key, value, what string) { all = append(all, fmt.Errorf("axiom: %s=%q: %s", key, value, what)) }
	if o.Service == "" {
		wrong("service", o.Service, "no name; the value of service.name is wanted")
	}
	if o.Dataset == "" {
		wrong("dataset", o.Dataset, "no name; that of the dataset for metrics is wanted, as X-Axiom-Metrics-Dataset has it")
	}
	if o.Temporality != "cumulative" && o.Temporality != "delta" {
		wrong("temporality", o.Temporality, `Axiom is asked for one of the two; allowed are "cumulative" and "delta"`)
	}
	if o.HTTPNames != "semconv" && o.HTTPNames != "both" {
		wrong("names", o.HTTPNames, `the panels ask for OpenTelemetry's names; allowed are "semconv" and "both"`)
	}
	if len(panels) == 0 || len(panels) >= most {
		wrong("panels", strconv.Itoa(len(panels)), fmt.Sprintf("a dashboard has 1 to %d", most-1))
	}
	ids := map[string]bool{"note": true}
	for _, p := range panels {
		if !idAllowed.MatchString(p.ID) || ids[p.ID] {
			wrong("panel", p.ID, "not an id, or taken; allowed are letters, digits, '.', '_' and '-', once each, and not note")
		}
		ids[p.ID] = true
		if err := p.validate(); err != nil {
			wrong("panel", p.ID, err.Error())
		}
	}
	return o, errors.Join(all...)
}

func (p Panel) validate() error {
	switch {
	case p.Title == "" || len(p.Title) > 500:
		return fmt.Errorf("title %q: it has 1 to 500 bytes", p.Title)
	case p.Instrument == "":
		return errors.New("no instrument")
	case !slices.Contains(drawings, p.Draw):
		return fmt.Errorf("draw %q: allowed are %q", p.Draw, drawings)
	case !slices.Contains(asks, p.Ask):
		return fmt.Errorf("ask %q: allowed are %q", p.Ask, asks)
	case (len(p.Quantiles) > 0) != (p.Ask == Quantiles) || slices.ContainsFunc(p.Quantiles, func(q float64) bool { return !(q >= 0 && q <= 1) }):
		return fmt.Errorf("quantiles %v: numbers between 0 and 1, with ask %q and only then", p.Quantiles, Quantiles)
	case p.Ask == Rate && p.Draw == Statistic:
		return fmt.Errorf("draw %q: allowed is %q, with ask %q", p.Draw, TimeSeries, Rate)
	case p.Over != "" && (p.Ask != Value || !slices.Contains(overs, p.Over)):
		return fmt.Errorf("over %q: allowed are %q, with ask %q", p.Over, overs, Value)
	}
	if p.Above != "" {
		if _, err := strconv.ParseFloat(p.Above, 64); err != nil || p.Draw != Statistic {
			return fmt.Errorf("above %q: a number, for a %s", p.Above, Statistic)
		}
	}
	for _, c := range p.Where {
		if err := c.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c Condition) validate() error {
	allowed := false
	switch value := c.Value.(type) {
	case string:
		allowed = c.Op == "==" || c.Op == "!=" || c.Op == "is" && slices.Contains([]string{"string", "int", "float", "bool"}, value)
	case int:
		allowed = slices.Contains([]string{"==", "!=", ">=", "<"}, c.Op)
	}
	if c.Attribute == "" || !allowed {
		return fmt.Errorf("where %q %q %v: allowed are == and != with a string or an int, >= and < with an int, and is with a type", c.Attribute, c.Op, c.Value)
	}
	return nil
}
