package vocabulary

import "go.opentelemetry.io/otel/sdk/metric/metricdata"

// derived makes classic metrics of one metric of the conventions, by its name. The names and units are
// such that translation for Prometheus gives exactly those in the package's documentation.
var derived = map[string]func(data metricdata.Aggregation, added []float64) []metricdata.Metrics{
	serverDuration: func(data metricdata.Aggregation, added []float64) []metricdata.Metrics {
		points, temporality := pointsOf(data)
		return []metricdata.Metrics{
			{Name: "http_requests", Unit: "{request}", Description: "Number of HTTP requests by handler, method and status.", Data: requests(points, temporality)},
			{Name: "http_request_duration", Unit: "s", Description: "Duration of HTTP requests by handler and method.", Data: duration(points, temporality, added)},
		}
	},
	serverRequestSize: func(data metricdata.Aggregation, _ []float64) []metricdata.Metrics {
		return []metricdata.Metrics{{Name: "http_request_size", Unit: "By", Description: "Size of HTTP request bodies by handler.", Data: sizes(data)}}
	},
	serverResponseSize: func(data metricdata.Aggregation, _ []float64) []metricdata.Metrics {
		return []metricdata.Metrics{{Name: "http_response_size", Unit: "By", Description: "Size of HTTP response bodies by handler.", Data: sizes(data)}}
	},
	serverActive: func(data metricdata.Aggregation, _ []float64) []metricdata.Metrics {
		return []metricdata.Metrics{{Name: "http_requests_inprogress", Unit: "{request}", Description: "Number of HTTP requests in progress by method.", Data: inProgress(data)}}
	},
}

func requests(points []point, temporality metricdata.Temporality) metricdata.Sum[int64] {
	out := metricdata.Sum[int64]{Temporality: temporality, IsMonotonic: true}
	for _, p := range merge(points, labels{handler: true, method: true, status: true}, nil) {
		out.DataPoints = append(out.DataPoints, metricdata.DataPoint[int64]{
			Attributes: p.attrs, StartTime: p.start, Time: p.time, Value: int64(p.count),
		})
	}
	return out
}

func duration(points []point, temporality metricdata.Temporality, added []float64) metricdata.Histogram[float64] {
	out := metricdata.Histogram[float64]{Temporality: temporality}
	for _, p := range merge(points, labels{handler: true, method: true}, classic(added)) {
		out.DataPoints = append(out.DataPoints, metricdata.HistogramDataPoint[float64]{
			Attributes: p.attrs, StartTime: p.start, Time: p.time, Count: p.count, Sum: p.sum,
			Bounds: p.bounds, BucketCounts: p.counts, Exemplars: newest(p.exemplars, p.bounds),
		})
	}
	return out
}

func sizes(data metricdata.Aggregation) metricdata.Summary {
	var out metricdata.Summary
	points, _ := pointsOf(data)
	for _, p := range merge(points, labels{handler: true}, nil) {
		out.DataPoints = append(out.DataPoints, metricdata.SummaryDataPoint{
			Attributes: p.attrs, StartTime: p.start, Time: p.time, Count: p.count, Sum: p.sum,
		})
	}
	return out
}

func inProgress(data metricdata.Aggregation) metricdata.Sum[int64] {
	points, temporality := pointsOf(data)
	out := metricdata.Sum[int64]{Temporality: temporality}
	for _, p := range merge(points, labels{method: true}, nil) {
		out.DataPoints = append(out.DataPoints, metricdata.DataPoint[int64]{
			Attributes: p.attrs, StartTime: p.start, Time: p.time, Value: int64(p.sum),
		})
	}
	return out
}
