package telemetrytest

import (
	"net/http"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/duotel/duotel/exporter"
)

// Request is one request as the backend received it, recorded on arrival, before it was answered.
// Header and Message are shared by everybody who asks: do not modify them.
type Request struct {
	// Seq counts the requests the backend received, from 1, over both protocols.
	Seq int64
	// Protocol is how it came.
	Protocol exporter.Protocol
	// Path is the URL's path over HTTP and the full method name over gRPC.
	Path string
	// Header is the HTTP header. Over gRPC it is the metadata, keys in canonical form, so that
	// Header.Get("Authorization") finds the same thing over both.
	Header http.Header
	// Encoding is the compression the client used: "gzip", or "" for none.
	Encoding string
	// Bytes is the length of the message before compression, WireBytes as it travelled.
	Bytes, WireBytes int
	// Points is the number of data points in Message.
	Points int
	// Message is what was sent; nil when it could not be read as OTLP.
	Message *colmetricpb.ExportMetricsServiceRequest
	// Received is when it arrived.
	Received time.Time
	// Answer is what the backend did with it.
	Answer Answer
}

// Accepted says whether the backend took the data (all but what a partial success rejects).
// The client need not know: see [AcceptThenReset].
func (r Request) Accepted() bool { return r.Answer.accepts && r.Message != nil }

// countPoints counts the data points of a message.
func countPoints(m *colmetricpb.ExportMetricsServiceRequest) int {
	n := 0
	for _, rm := range m.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, metric := range sm.GetMetrics() {
				n += pointsOf(metric)
			}
		}
	}
	return n
}

func pointsOf(m *metricpb.Metric) int {
	switch d := m.GetData().(type) {
	case *metricpb.Metric_Gauge:
		return len(d.Gauge.GetDataPoints())
	case *metricpb.Metric_Sum:
		return len(d.Sum.GetDataPoints())
	case *metricpb.Metric_Histogram:
		return len(d.Histogram.GetDataPoints())
	case *metricpb.Metric_ExponentialHistogram:
		return len(d.ExponentialHistogram.GetDataPoints())
	case *metricpb.Metric_Summary:
		return len(d.Summary.GetDataPoints())
	}
	return 0
}
