package dashboards

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// service answers how the HTTP server does: rate, errors, duration, and what they are made of.
func (m maker) service() page {
	return page{
		key: "service", title: "Service", present: "target_info",
		about: "Requests to the HTTP server: how many, how many failed and why, how long they took, how large they were.",
		rows: []row{
			{1, "Now", m.serviceNow()},
			{2, "Rate", m.serviceRate()},
			{3, "Errors", m.serviceErrors()},
			{4, "Duration", m.serviceDuration()},
			{5, "Objectives", m.serviceObjectives()},
			{6, "Sizes", m.serviceSizes()},
			{7, "Streams", m.serviceStreams()},
		},
	}
}

func (m maker) serviceNow() []panel {
	h := m.http
	return []panel{
		{
			id: 101, title: "Requests per second", draw: number, unit: requestsPerSecond,
			about:   "Requests that ended, of all instances chosen.",
			queries: []query{{expr: h.Requests(window), legend: "requests"}},
		},
		{
			id: 102, title: "Failed requests", draw: number, unit: share,
			about:   "The share of requests that the service failed. It is 0 where none failed, and there is no value where there was no request.",
			queries: []query{{expr: names.Ratio(h.Failed(window), h.Requests(window)), legend: "failed"}},
			limits:  below(m.errorBudget()), alerts: []string{"HTTPErrorRateHigh"},
		},
		{
			id: 103, title: "99th percentile", draw: number, unit: seconds,
			about:   "An estimate from the histogram's buckets of how long the slowest hundredth takes at least.",
			queries: []query{{expr: h.Duration.Quantile(0.99, window), legend: "p99", exemplars: true}},
			limits:  below(m.latency()), alerts: []string{"HTTPRequestsSlow"},
		},
		{
			id: 104, title: "In flight", draw: number, unit: count,
			about:   "Requests that are being served.",
			queries: []query{{expr: names.Sum(h.Active.String()), legend: "in flight"}},
		},
		{
			id: 105, title: "Instances up", draw: number, unit: none,
			about:   "Instances that Prometheus could scrape the last time.",
			queries: []query{{expr: names.Sum(plain("up").String()), legend: "up"}},
			limits:  above(1), alerts: []string{"TargetDown", "ServiceAbsent"},
		},
	}
}

func (m maker) serviceRate() []panel {
	h := m.http
	return []panel{
		{
			id: 111, title: "Requests by route", draw: stacked, unit: requestsPerSecond,
			about:   "Requests that ended, by the pattern that matched. Those that none did are unmatched.",
			queries: []query{{expr: h.Requests(window, h.Route), legend: legend(h.Route)}},
		},
		{
			id: 112, title: "Requests by status", draw: stacked, unit: requestsPerSecond,
			about:   "Requests that ended, by the status that was sent. One without a status is one whose client was sent nothing.",
			queries: []query{{expr: h.Requests(window, h.Status), legend: legend(h.Status)}},
		},
		{
			id: 113, title: "Requests by method", draw: stacked, unit: requestsPerSecond,
			about:   "Requests that ended, by method. A method that HTTP does not know is _OTHER.",
			queries: []query{{expr: h.Requests(window, h.Method), legend: legend(h.Method)}},
		},
		{
			id: 114, title: "In flight by method", draw: stacked, unit: count,
			about:   "Requests that are being served. The route is not known before a request has been routed.",
			queries: []query{{expr: names.Sum(h.Active.String(), h.Method), legend: legend(h.Method)}},
		},
	}
}

func (m maker) serviceErrors() []panel {
	h := m.http
	out := []panel{
		{
			id: 121, title: "Share of failed requests by route", draw: lines, unit: share,
			about:   "The share of each route's requests that the service failed. The line is the objective.",
			queries: []query{{expr: names.Ratio(h.Failed(window, h.Route), h.Requests(window, h.Route), h.Route), legend: legend(h.Route)}},
			limits:  below(m.errorBudget()), alerts: []string{"HTTPErrorRateHigh"},
		},
		{
			id: 122, title: "Failed requests by route", draw: stacked, unit: requestsPerSecond,
			about:   "Requests that the service failed, by route.",
			queries: []query{{expr: h.Failed(window, h.Route), legend: legend(h.Route)}}, alerts: []string{"HTTPErrorRateHigh"},
		},
		{
			id: 124, title: "Client errors by route", draw: stacked, unit: requestsPerSecond,
			about:   "Requests answered with a status of 400 to 499, which are the client's errors and no failure of the service.",
			queries: []query{{expr: h.ByStatus("4..", window, h.Route, h.Status), legend: legend(h.Route, h.Status)}},
		},
	}
	kinds := panel{
		id: 123, title: "Errors by kind", draw: stacked, unit: requestsPerSecond,
		about: "How requests failed: the status from 500 up, panic, aborted, timeout. client_closed_request is a client that left, and counts as no failure.",
	}
	if h.ErrorType == "" {
		kinds.about = "How requests failed: the status from 500 up. These names do not tell a panic or a timeout from another 500."
		kinds.queries = []query{{expr: h.ByStatus("5..", window, h.Status), legend: legend(h.Status)}}
	} else {
		kinds.queries = []query{{expr: h.Where(h.ErrorType+`!=""`).Requests(window, h.ErrorType), legend: legend(h.ErrorType)}}
	}
	return append(out, kinds)
}

func (m maker) serviceDuration() []panel {
	d := m.http.Duration
	return []panel{
		{
			id: 131, title: "Duration", draw: lines, unit: seconds,
			about:   "Half, nine tenths and 99 of 100 requests took at most so long; estimates from the histogram's buckets. The points are traces. The line is the objective.",
			queries: quantiles(d), limits: below(m.latency()), alerts: []string{"HTTPRequestsSlow"},
		},
		{
			id: 132, title: "99th percentile by route", draw: lines, unit: seconds,
			about:   "99 of 100 requests to the route took at most so long; an estimate from the histogram's buckets.",
			queries: []query{{expr: d.Quantile(0.99, window, m.http.Route), legend: legend(m.http.Route), exemplars: true}},
			limits:  below(m.latency()), alerts: []string{"HTTPRequestsSlow"},
		},
		{
			id: 133, title: "Durations", draw: heat, unit: seconds,
			about:   "How many requests took how long. Two bands are two kinds of requests, which a percentile would not show.",
			queries: []query{{expr: d.Buckets(window), legend: "{{le}}", exemplars: true}},
		},
		{
			id: 134, title: "Mean duration by route", draw: lines, unit: seconds,
			about:   "The time spent on a route's requests over their number: exact, and what capacity is planned with.",
			queries: []query{{expr: d.Mean(window, m.http.Route), legend: legend(m.http.Route)}},
		},
	}
}

// serviceObjectives has a panel for each objective, which shows the very share that was promised.
func (m maker) serviceObjectives() []panel {
	var out []panel
	for _, o := range m.Objectives {
		h, where := m.http, ""
		if o.Route != "" {
			h, where = h.Where(h.Route+"="+strconv.Quote(o.Route)), " of "+o.Route
		}
		what := "that did not fail"
		expr := "1 - " + names.Ratio(h.Failed(window), h.Requests(window))
		if o.Within > 0 {
			what = "within " + o.Within.String()
			expr = fmt.Sprintf("(%s) / ((%s) > 0)", h.Duration.Within(o.Within.Seconds(), window), h.Duration.Count(window))
		}
		title := fmt.Sprintf("Requests%s %s", where, what)
		out = append(out, panel{
			id: stableID(title), title: title, draw: lines, unit: share,
			about:   fmt.Sprintf("The share of good requests. The line is the objective, %s %%.", percent(o.Target)),
			queries: []query{{expr: expr, legend: "good"}}, limits: above(o.Target), alerts: []string{burnsFast, burnsSlow},
		})
	}
	return out
}

func (m maker) serviceSizes() []panel {
	h := m.http
	panels := []panel{
		{
			id: 151, title: "Bytes per second", draw: lines, unit: bytesPerSecond,
			about: "Bytes of bodies that came in and went out.",
			queries: []query{
				{expr: h.RequestSize().Sum(window), legend: "in"},
				{expr: h.ResponseSize().Sum(window), legend: "out"},
			},
		},
		{
			id: 152, title: "Mean request body by route", draw: lines, unit: bytesUnit,
			about:   "The mean size of a request's body.",
			queries: []query{{expr: h.RequestSize().Mean(window, h.Route), legend: legend(h.Route)}},
		},
		{
			id: 153, title: "Mean response body by route", draw: lines, unit: bytesUnit,
			about:   "The mean size of a response's body, as it was sent.",
			queries: []query{{expr: h.ResponseSize().Mean(window, h.Route), legend: legend(h.Route)}},
		},
	}
	if h.HasSizeBuckets() {
		panels = append(panels, panel{
			id: 154, title: "99th percentile of response bodies by route", draw: lines, unit: bytesUnit,
			about:   "99 of 100 responses were at most so large; an estimate from the histogram's buckets.",
			queries: []query{{expr: h.ResponseSize().Quantile(0.99, window, h.Route), legend: legend(h.Route)}},
		})
	}
	return panels
}

func (m maker) serviceStreams() []panel {
	d := m.histogram("duotel.http.server.stream.duration", "s")
	open := m.of("duotel.http.server.active_streams", "{stream}", names.UpDown)
	method, route := names.Label("http.request.method"), names.Label("http.route")
	return []panel{
		{
			id: 161, title: "Open streams", draw: stacked, unit: count,
			about:   "Responses that are being streamed, WebSockets included. They are among the requests in flight, too; the duration of such a request is that until its first flush.",
			queries: []query{{expr: names.Sum(open.String(), method), legend: legend(method)}},
		},
		{
			id: 162, title: "Streams ended by route", draw: stacked, unit: perSecond,
			about:   "Streams that ended, by route.",
			queries: []query{{expr: d.Count(window, route), legend: legend(route)}},
		},
		{
			id: 163, title: "Lifetime of streams", draw: lines, unit: seconds,
			about:   "Half, nine tenths and 99 of 100 streams lived at most so long; estimates from the histogram's buckets.",
			queries: quantiles(d),
		},
	}
}

// errorBudget is the share of requests that may fail, of the objective for all routes.
func (m maker) errorBudget() float64 {
	for _, o := range m.Objectives {
		if o.Route == "" && o.Within == 0 {
			return rounded(1 - o.Target)
		}
	}
	return 0.01
}

// latency is the strictest bound in seconds of the objectives for all routes.
func (m maker) latency() float64 {
	strictest := 0.0
	for _, o := range m.Objectives {
		if s := o.Within.Seconds(); o.Route == "" && s > 0 && (strictest == 0 || s < strictest) {
			strictest = s
		}
	}
	if strictest == 0 {
		return 1
	}
	return strictest
}

// rounded takes away what binary fractions add: 1-0.999 is 0.001.
func rounded(f float64) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64)
	if err != nil {
		panic(fmt.Sprintf("dashboards: number %v: %v", f, err)) // FormatFloat wrote it
	}
	return v
}

// percent writes a share in percent: 0.999 is 99.9.
func percent(f float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(rounded(f*100), 'f', -1, 64), ".0")
}
