package axiom

// Service returns the panels of every service that pushes with Duotel: its HTTP server, what it calls, its process, and the push
// itself. latency is the objective in seconds, such as "0.3", above which the 99th percentile is red; empty is none.
func Service(latency string) []Panel {
	const (
		server = "http.server.request.duration"
		client = "http.client.request.duration"
	)
	failed := []Condition{{"error.type", "is", "string"}}
	percentiles := []float64{0.5, 0.95, 0.99}
	return []Panel{
		{ID: "p99", Title: "99th percentile", Draw: Statistic, Instrument: server, Ask: Quantiles, Quantiles: []float64{0.99}, Unit: "s", Above: latency},
		{ID: "requests", Title: "Requests", Draw: Statistic, Instrument: server, Ask: Count},
		{ID: "failures", Title: "Failed requests", Draw: Statistic, Instrument: server, Ask: Count, Where: failed, Above: "0"},
		{ID: "in-flight", Title: "In flight", Draw: Statistic, Instrument: "http.server.active_requests", Ask: Value, Unit: "1"},
		{ID: "requests-by-route", Title: "Requests per second by route", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.route"}},
		{ID: "requests-by-status", Title: "Requests per second by status", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.response.status_code"}},
		{ID: "failures-by-kind", Title: "Failed requests per second by route and kind", Draw: TimeSeries, Instrument: server, Ask: Count, By: []string{"http.route", "error.type"}, Where: failed},
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
	}
}

// Instrument returns the panel of one of the service's own instruments: a counter as rate, a histogram as quantiles, anything else
// as its value. kind is counter, updowncounter, gauge or histogram; unit is OpenTelemetry's; attributes make a line each.
func Instrument(instrument, kind, unit string, attributes ...string) Panel {
	p := Panel{ID: "own-" + notInAnID.ReplaceAllString(instrument, "-"), Title: instrument, Draw: TimeSeries, Instrument: instrument, Ask: Value, By: attributes, Unit: unit}
	switch kind {
	case "counter":
		p.Ask, p.Unit = Rate, ""
	case "histogram":
		p.Ask, p.Quantiles = Quantiles, []float64{0.5, 0.95, 0.99}
	}
	return p
}
