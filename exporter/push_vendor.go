package exporter

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// vendor is what is known about a backend that is reached by a public host name. Sources: the
// vendors' OTLP documentation.
type vendor struct {
	name string
	// host is the domain that its endpoints are in.
	host string
	// headers are required.
	headers []string
	// protocols, and temporality unless empty, are the only ones accepted.
	protocols   []Protocol
	temporality Temporality
	// maxPoints is the most data points in a request; 0 for no limit.
	maxPoints int
}

var vendors = []vendor{
	{
		name: "Axiom", host: "axiom.co", headers: []string{"Authorization", "X-Axiom-Metrics-Dataset"},
		protocols: []Protocol{ProtocolHTTPProtobuf}, maxPoints: 8192,
	},
	{name: "Dynatrace", host: "dynatrace.com", headers: []string{"Authorization"}, protocols: []Protocol{ProtocolHTTPProtobuf}, temporality: TemporalityDelta},
	{name: "Grafana Cloud", host: "grafana.net", headers: []string{"Authorization"}, protocols: []Protocol{ProtocolHTTPProtobuf}},
	{name: "Honeycomb", host: "honeycomb.io", headers: []string{"X-Honeycomb-Team"}, protocols: []Protocol{ProtocolHTTPProtobuf, ProtocolGRPC}},
	{name: "New Relic", host: "nr-data.net", headers: []string{"Api-Key"}, protocols: []Protocol{ProtocolHTTPProtobuf, ProtocolGRPC}},
}

func vendorOf(host string) (vendor, bool) {
	host = strings.ToLower(host)
	for _, v := range vendors {
		if host == v.host || strings.HasSuffix(host, "."+v.host) {
			return v, true
		}
	}
	return vendor{}, false
}

// vendorBatchSize is MaxExportBatchSize within what the backend is known to take.
func (c PushConfig) vendorBatchSize() int {
	u, err := c.endpointURL()
	if err != nil {
		return c.MaxExportBatchSize
	}
	v, known := vendorOf(u.Hostname())
	if known && v.maxPoints > 0 && (c.MaxExportBatchSize == 0 || c.MaxExportBatchSize > v.maxPoints) {
		return v.maxPoints
	}
	return c.MaxExportBatchSize
}

// advice is something that looks wrong before anything was sent. The backend refuses it for certain
// if sure is set.
type advice struct {
	what, fix string
	sure      bool
}

func (a advice) Error() string { return "push: " + a.what + "; " + a.fix }

// advice returns what looks wrong with the way to endpoint.
func (c PushConfig) advice(endpoint *url.URL) []advice {
	out := c.endpointAdvice(endpoint)
	if v, known := vendorOf(endpoint.Hostname()); known {
		out = append(out, c.vendorAdvice(v)...)
	}
	return out
}

func (c PushConfig) endpointAdvice(u *url.URL) (out []advice) {
	say := func(what, fix string) { out = append(out, advice{what: what, fix: fix}) }
	if c.Protocol == ProtocolGRPC {
		if u.Port() == "4318" {
			say("port 4318 is that of OTLP over HTTP, and the protocol is grpc", "use port 4317, or OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
		}
		return out
	}
	if u.Port() == "4317" {
		say("port 4317 is that of OTLP over gRPC, and the protocol is http/protobuf", "use port 4318, or OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	}
	meant := *u
	meant.Path, meant.RawPath = strings.TrimRight(u.Path, "/")+"/v1/metrics", ""
	switch {
	case u.Path == "" || u.Path == "/":
		say("the endpoint is posted to as it is, without a path", "probably meant: "+showURL(&meant))
	case strings.HasSuffix(u.Path, "/v1/traces") || strings.HasSuffix(u.Path, "/v1/logs"):
		say("the path is that of another signal", "metrics go to a path that ends with /v1/metrics")
	case strings.HasSuffix(u.Path, "/v1/metrics/v1/metrics"):
		say("the path has /v1/metrics twice", "OTEL_EXPORTER_OTLP_ENDPOINT is a base to which /v1/metrics is added")
	}
	return out
}

func (c PushConfig) vendorAdvice(v vendor) (out []advice) {
	say := func(what, fix string) { out = append(out, advice{what: what, fix: fix, sure: true}) }
	headers := c.headers()
	for _, header := range v.headers {
		if !hasHeader(headers, header) {
			say(fmt.Sprintf("%s requires the header %s", v.name, header), "add it to OTEL_EXPORTER_OTLP_METRICS_HEADERS")
		}
	}
	if !slices.Contains(v.protocols, c.Protocol) {
		say(fmt.Sprintf("%s does not take the protocol %s", v.name, c.Protocol), fmt.Sprintf("OTEL_EXPORTER_OTLP_PROTOCOL=%s", v.protocols[0]))
	}
	if v.temporality != "" && c.Temporality != v.temporality {
		say(fmt.Sprintf("%s does not take the temporality %s", v.name, c.Temporality),
			fmt.Sprintf("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=%s", v.temporality))
	}
	return out
}

func hasHeader(headers map[string]string, name string) bool {
	for key := range headers {
		if http.CanonicalHeaderKey(key) == http.CanonicalHeaderKey(name) {
			return true
		}
	}
	return false
}
