package dashboards

import "github.com/duotel/duotel/cmd/duotel/internal/names"

// dependencies answers how the HTTP services do that this one calls, as this one sees them.
func (m maker) dependencies() page {
	d := m.histogram("http.client.request.duration", "s")
	active := m.of("http.client.active_requests", "{request}", names.UpDown)
	failed := names.Label("error.type")
	host, port, status := names.Label("server.address"), names.Label("server.port"), names.Label("http.response.status_code")
	failures := d.Where(failed + `!=""`)
	return page{
		key: "dependencies", title: "Dependencies", present: "target_info",
		about: "Requests of the HTTP client, by the host that was asked. Every attempt counts, a redirect that is followed as well.",
		rows: []row{
			{1, "Rate", []panel{
				{
					id: 201, title: "Requests by host", draw: stacked, unit: requestsPerSecond,
					about:   "Requests that ended, by the host and port of the URL.",
					queries: []query{{expr: d.Count(window, host, port), legend: "{{" + host + "}}:{{" + port + "}}"}},
				},
				{
					id: 202, title: "Requests by status", draw: stacked, unit: requestsPerSecond,
					about:   "Requests that ended, by the status that was received. One without a status had no answer.",
					queries: []query{{expr: d.Count(window, status), legend: legend(status)}},
				},
				{
					id: 203, title: "In flight by host", draw: stacked, unit: count,
					about:   "Requests whose response's body is not closed yet. A line that only grows is a body that nobody closes.",
					queries: []query{{expr: names.Sum(active.String(), host), legend: legend(host)}},
				},
			}},
			{2, "Errors", []panel{
				{
					id: 211, title: "Share of failed requests by host", draw: lines, unit: share,
					about:   "The share of a host's requests that failed: a status from 400 up, or no answer. It is 0 where none failed.",
					queries: []query{{expr: names.Ratio(failures.Count(window, host), d.Count(window, host), host), legend: legend(host)}},
				},
				{
					id: 212, title: "Errors by kind", draw: stacked, unit: requestsPerSecond,
					about:   "How requests failed: the status from 400 up, canceled, timeout, dns, connection_refused, connection_reset, tls, panic.",
					queries: []query{{expr: failures.Count(window, host, failed), legend: legend(host, failed)}},
				},
			}},
			{3, "Duration", []panel{
				{
					id: 221, title: "Duration", draw: lines, unit: seconds,
					about:   "Half, nine tenths and 99 of 100 requests took at most so long until the response's header; estimates from the histogram's buckets. The points are traces.",
					queries: quantiles(d),
				},
				{
					id: 222, title: "99th percentile by host", draw: lines, unit: seconds,
					about:   "99 of 100 requests to the host took at most so long; an estimate from the histogram's buckets.",
					queries: []query{{expr: d.Quantile(0.99, window, host), legend: legend(host), exemplars: true}},
				},
				{
					id: 223, title: "Durations", draw: heat, unit: seconds,
					about:   "How many requests took how long.",
					queries: []query{{expr: d.Buckets(window), legend: "{{le}}", exemplars: true}},
				},
			}},
			{4, "Sizes", m.dependencySizes(host)},
		},
	}
}

func (m maker) dependencySizes(host string) []panel {
	sent, received := m.histogram("http.client.request.body.size", "By"), m.histogram("http.client.response.body.size", "By")
	return []panel{
		{
			id: 231, title: "Bytes per second by host", draw: lines, unit: bytesPerSecond,
			about: "Bytes of bodies that were sent and received. What the transport decompressed is not counted.",
			queries: []query{
				{expr: sent.Sum(window, host), legend: "to " + legend(host)},
				{expr: received.Sum(window, host), legend: "from " + legend(host)},
			},
		},
		{
			id: 232, title: "Mean response body by host", draw: lines, unit: bytesUnit,
			about:   "The mean size of a response's body, as it was received.",
			queries: []query{{expr: received.Mean(window, host), legend: legend(host)}},
		},
	}
}
