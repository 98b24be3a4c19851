package axiom

import "strconv"

// Objective is how long requests may take.
type Objective struct {
	// Quantile is the share of requests that have to be within Seconds: 0.99.
	Quantile, Seconds float64
}

// Service returns the panels of every service that pushes with Duotel: its HTTP server, what it calls, its process, and the push
// itself. For each objective there is a number that is red where it is missed; without one there is the 99th percentile.
func Service(objectives ...Objective) []Panel {
	const (
		server = "http.server.request.duration"
		client = "http.client.request.duration"
	)
	failed := []Condition{{"error.type", "is", "string"}}
	failedByUs := append(failed, Condition{"error.type", "!=", "client_closed_request"})
	percentiles := []float64{0.5, 0.95, 0.99}
	if len(objectives) == 0 {
		objectives = []Objective{{Quantile: 0.99}}
	}
	var panels []Panel
	for _, o := range objectives {
		percent := number(o.Quantile * 100)
		p := Panel{ID: "p" + percent, Title: "Within which " + percent + " % of requests are", Draw: Statistic, Instrument: server, Ask: Quantiles, Quantiles: []float64{o.Quantile}, Unit: "s"}
		if o.Seconds > 0 {
			p.ID, p.Above = p.ID+"-"+number(o.Seconds)+"s", number(o.Seconds)
		}
		panels = append(panels, p)
	}
	return append(panels, []Panel{
		{ID: "requests", Title: "Requests", Draw: Statistic, Instrument: server, Ask: Count},
		{ID: "failures", Title: "Failed requests", Draw: Statistic, Instrument: server, Ask: Count, Where: failedByUs, Above: "0"},
		{ID: "in-flight", Title: "In flight", Draw: Statistic, Instrument: "http.server.active_requests", Ask: Value, Unit: "1"},
		{ID: "requests-by-route", Title: "Requests per second by route", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.route"}},
		{ID: "requests-by-status", Title: "Requests per second by status", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.response.status_code"}},
		{ID: "failures-by-kind", Title: "Failed requests per second by route and kind", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.route", "error.type"}, Where: failedByUs},
		{ID: "duration", Title: "Duration", Draw: TimeSeries, Instrument: server, Ask: Quantiles, Quantiles: percentiles, Unit: "s"},
		{ID: "duration-by-route", Title: "95th percentile by route", Draw: TimeSeries, Instrument: server, Ask: Quantiles, Quantiles: []float64{0.95}, By: []string{"http.route"}, Unit: "s"},
		{ID: "calls-by-host", Title: "Calls per second by host", Draw: TimeSeries, Instrument: client, Ask: Count, By: []string{"server.address"}},
		{ID: "calls-failed", Title: "Failed calls per second by host and kind", Draw: TimeSeries, Instrument: client, Ask: Count, By: []string{"server.address", "error.type"}, Where: failed},
		{ID: "calls-duration", Title: "95th percentile of calls by host", Draw: TimeSeries, Instrument: client, Ask: Quantiles, Quantiles: []float64{0.95}, By: []string{"server.address"}, Unit: "s"},
		{ID: "goroutines", Title: "Goroutines", Draw: TimeSeries, Instrument: "go.goroutine.count", Ask: Value, By: []string{"service.instance.id"}, Unit: "1"},
		{ID: "memory", Title: "Memory of Go", Draw: TimeSeries, Instrument: "go.memory.used", Ask: Value, By: []string{"service.instance.id"}, Unit: "By"},
		{ID: "points", Title: "Points per second: accepted, rejected, lost", Draw: TimeSeries, Instrument: "otel.sdk.exporter.metric_data_point.exported", Ask: Rate, By: []string{"error.type"}},
		{ID: "push-failures", Title: "Failed pushes per second by reason", Draw: TimeSeries, Instrument: "duotel.push.failures", Ask: Rate, By: []string{"error.type"}},
		{ID: "cardinality", Title: "Series of instruments that near their limit", Draw: TimeSeries, Instrument: "duotel.cardinality.used", Ask: Value, By: []string{"instrument"}, Over: "max", Unit: "1"},
		{ID: "spool", Title: "Waiting in the spool", Draw: TimeSeries, Instrument: "duotel.push.spool.size", Ask: Value, Over: "max", Unit: "By"},
	}...)
}

// number writes f without what binary fractions add to it.
func number(f float64) string { return strconv.FormatFloat(f, 'g', 10, 64) }

// Instrument returns the panel of one of the service's own instruments: a counter as rate, a histogram as quantiles (by attributes
// the 95th percentile), anything else as its value. kind is counter, histogram or anything else; unit is OpenTelemetry's; attributes make a line each.
func Instrument(instrument, kind, unit string, attributes ...string) Panel {
	p := Panel{ID: "own-" + notInAnID.ReplaceAllString(instrument, "-"), Title: instrument, Draw: TimeSeries, Instrument: instrument, Ask: Value, By: attributes, Unit: unit}
	switch kind {
	case "counter":
		p.Title, p.Ask, p.Unit = instrument+" per second", Rate, ""
	case "histogram":
		p.Ask, p.Quantiles = Quantiles, []float64{0.5, 0.95, 0.99}
		if len(attributes) > 0 {
			p.Title, p.Quantiles = instrument+": 95th percentile", []float64{0.95}
		}
	}
	return p
}
