package dashboards

import "github.com/duotel/duotel/cmd/duotel/internal/names"

// The labels of what otelgrpc records.
var (
	rpcMethod = names.Label("rpc.method")
	rpcCode   = names.Label("rpc.response.status_code")
	rpcError  = names.Label("error.type")
)

// grpc answers how gRPC does, by what go.opentelemetry.io/contrib's otelgrpc records from v0.69 on: one histogram for
// each side, by the conventions' version 1.43. With OTEL_SEMCONV_STABILITY_OPT_IN=rpc/old it records others, in milliseconds.
func (m maker) grpc() page {
	server, client := m.histogram("rpc.server.call.duration", "s"), m.histogram("rpc.client.call.duration", "s")
	return page{
		key: "grpc", title: "gRPC", present: "target_info",
		about: "Calls that this service answers and makes over gRPC, as otelgrpc records them.",
		rows: []row{
			{1, "Server", rpcPanels(310, "answered", server,
				"Of the codes, UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are the server's errors; the others are answers.")},
			{2, "Client", append(rpcPanels(320, "made", client, "Every code but OK is an error for the one who called."), rpcByServer(client))},
		},
	}
}

// rpcPanels are the same questions for a side. first is the id of the first panel; what is what the side does with a call.
func rpcPanels(first uint32, what string, d names.Hist, errors string) []panel {
	failed := d.Where(rpcError + `!=""`)
	return []panel{
		{
			id: first, title: "Calls " + what + " by method", draw: stacked, unit: requestsPerSecond,
			about:   "Calls that ended, by package, service and method. A streaming call ends with its stream.",
			queries: []query{{expr: d.Count(window, rpcMethod), legend: legend(rpcMethod)}},
		},
		{
			id: first + 1, title: "Calls " + what + " by code", draw: stacked, unit: requestsPerSecond,
			about:   "Calls that ended, by gRPC's status code.",
			queries: []query{{expr: d.Count(window, rpcCode), legend: legend(rpcCode)}},
		},
		{
			id: first + 2, title: "Share of failed calls " + what + " by method", draw: lines, unit: share,
			about:   "The share of a method's calls that failed; 0 where none did. " + errors,
			queries: []query{{expr: names.Ratio(failed.Count(window, rpcMethod), d.Count(window, rpcMethod), rpcMethod), legend: legend(rpcMethod)}},
		},
		{
			id: first + 3, title: "Errors of calls " + what + " by method and code", draw: stacked, unit: requestsPerSecond,
			about:   "Calls that failed. " + errors,
			queries: []query{{expr: failed.Count(window, rpcMethod, rpcCode), legend: legend(rpcMethod, rpcCode)}},
		},
		{
			id: first + 4, title: "Duration of calls " + what, draw: lines, unit: seconds,
			about:   "Half, nine tenths and 99 of 100 calls took at most so long; estimates from the histogram's buckets. The points are traces.",
			queries: quantiles(d),
		},
		{
			id: first + 5, title: "99th percentile of calls " + what + " by method", draw: lines, unit: seconds,
			about:   "99 of 100 calls of the method took at most so long; an estimate from the histogram's buckets.",
			queries: []query{{expr: d.Quantile(0.99, window, rpcMethod), legend: legend(rpcMethod), exemplars: true}},
		},
		{
			id: first + 6, title: "Durations of calls " + what, draw: heat, unit: seconds,
			about:   "How many calls took how long.",
			queries: []query{{expr: d.Buckets(window), legend: "{{le}}", exemplars: true}},
		},
	}
}

// rpcByServer is what only the caller knows.
func rpcByServer(d names.Hist) panel {
	address := names.Label("server.address")
	return panel{
		id: 327, title: "Calls made by server", draw: stacked, unit: requestsPerSecond,
		about:   "Calls that ended, by the address that was dialled; with otelgrpc's interceptors it is the name, and without the IP address.",
		queries: []query{{expr: d.Count(window, address), legend: legend(address)}},
	}
}
