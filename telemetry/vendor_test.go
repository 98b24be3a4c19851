package telemetry_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// vendorHeaders are the lines of docs/configuration.md that set headers, in its order, and what has to arrive.
var vendorHeaders = []struct {
	line string
	want map[string]string
}{
	{"Authorization=Bearer xaat-your-token,X-Axiom-Metrics-Dataset=my-metrics", map[string]string{"Authorization": "Bearer xaat-your-token", "X-Axiom-Metrics-Dataset": "my-metrics"}},
	{"Authorization=Basic%20MTIzNDU2OmdsY19leUo=", map[string]string{"Authorization": "Basic MTIzNDU2OmdsY19leUo="}},
	{"x-honeycomb-team=your-api-key,x-honeycomb-dataset=metrics", map[string]string{"X-Honeycomb-Team": "your-api-key", "X-Honeycomb-Dataset": "metrics"}},
	{`dd-api-key=your-api-key,dd-otel-metric-config={"resource_attributes_as_tags": true}`, map[string]string{"Dd-Api-Key": "your-api-key", "Dd-Otel-Metric-Config": `{"resource_attributes_as_tags": true}`}},
	{"api-key=your-license-key", map[string]string{"Api-Key": "your-license-key"}},
	{"Authorization=Api-Token dt0c01.your.token", map[string]string{"Authorization": "Api-Token dt0c01.your.token"}},
	{"Authorization=ApiKey eW91cjprZXk==", map[string]string{"Authorization": "ApiKey eW91cjprZXk=="}},
	{"API-Token=your-token", map[string]string{"Api-Token": "your-token"}},
}

var headersLine = regexp.MustCompile(`(?m)^export OTEL_EXPORTER_OTLP(?:_METRICS)?_HEADERS='?(.*?)'?$`)

// F37: the header strings of the page start, and arrive to the byte, over both protocols.
func TestF37VendorHeaders(t *testing.T) {
	var inDoc, inTest []string
	for _, found := range headersLine.FindAllStringSubmatch(string(must(os.ReadFile("testdata/configuration_tail.md"))), -1) {
		inDoc = append(inDoc, found[1])
	}
	for _, test := range vendorHeaders {
		inTest = append(inTest, test.line)
	}
	if !slices.Equal(inDoc, inTest) {
		t.Errorf("the page has\n%s\nand the test\n%s", strings.Join(inDoc, "\n"), strings.Join(inTest, "\n"))
	}
	for _, test := range vendorHeaders {
		for _, key := range []string{"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"} {
			for protocol, endpoint := range map[string]func(*telemetrytest.Backend) string{
				"http/protobuf": (*telemetrytest.Backend).HTTPEndpoint, "grpc": (*telemetrytest.Backend).GRPCEndpoint,
			} {
				backend := telemetrytest.NewBackend(t)
				cfg, err := telemetry.FromEnv(environ(map[string]string{
					"OTEL_SERVICE_NAME": "shop", key: test.line,
					"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint(backend), "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
				}))
				if err != nil {
					t.Fatalf("%s: %v", test.line, err)
				}
				newSDK(t, cfg, telemetry.WithStrictPush())
				header := backend.Requests()[0].Header
				for name, want := range test.want {
					if got := header.Values(name); !slices.Equal(got, []string{want}) {
						t.Errorf("%s, %s: %s arrived as %q, want %q", test.line, protocol, name, got, want)
					}
				}
			}
		}
	}
}
