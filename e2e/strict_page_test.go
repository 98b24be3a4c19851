package e2e

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/telemetry"
)

// strictPage is an OpenMetrics answer that the strict parser is asked about.
type strictPage struct {
	name string
	// change and options configure the service, act is done after the load.
	change  func(*telemetry.Config)
	options func(t *testing.T) []telemetry.Option
	act     func(t *testing.T, s *service.Service)
	// accept is the header; empty for the plain one.
	accept string
	// prefix is in front of every name.
	prefix string
	// shows are texts on the page and hides are none: the page is what its name says.
	shows, hides []string
}

var strictPages = []strictPage{
	{name: "HTTP names semconv", shows: []string{"http_server_request_duration_seconds_bucket{"}, hides: []string{"http_requests_total"}},
	{
		name:   "HTTP names classic",
		change: func(c *telemetry.Config) { c.HTTP.Names = telemetry.HTTPNamesClassic },
		shows:  []string{"http_requests_total{", "http_request_size_bytes_sum{"}, hides: []string{"http_server_request_duration"},
	},
	{
		name:   "HTTP names both",
		change: func(c *telemetry.Config) { c.HTTP.Names = telemetry.HTTPNamesBoth },
		act:    useClient,
		shows:  []string{"http_requests_total{", "http_server_request_duration_seconds_bucket{", "http_client_request_duration_seconds_bucket{"},
	},
	{
		name: "namespace, subsystem and labels",
		change: func(c *telemetry.Config) {
			c.Pull.Namespace, c.Pull.Subsystem, c.Labels = "app", "api", map[string]string{"text": hostile["lines"] + hostile["quotes"]}
		},
		prefix: "app_api_",
		shows:  []string{"app_api_http_server_request_duration_seconds_bucket{", `\n# HELP`},
	},
	{
		name:   "target_info with hostile values",
		change: func(c *telemetry.Config) { c.ResourceAttributes = hostile },
		shows:  []string{"target_info{", `quoted=\"yes\" \\ back`, `\n# HELP`, "日本語"},
	},
	{
		name:    "client_golang registry",
		options: func(t *testing.T) []telemetry.Option { return []telemetry.Option{telemetry.WithGatherer(registry(t))} },
		shows:   []string{"go_gc_duration_seconds{", "e2e_registry_native_seconds_bucket{", "e2e_registry_stamped", "# TYPE e2e_registry_bare unknown", "# {trace_id="},
	},
	{name: "bound instruments", act: measureBound, shows: []string{`e2e_bound_things_total{`, `e2e_bound_seconds_bucket{`}},
	{
		name:   "exponential histograms",
		change: func(c *telemetry.Config) { c.Push.HistogramAggregation = telemetry.HistogramBase2 },
		act:    func(t *testing.T, s *service.Service) { recordLatencies(t, s) },
		shows:  []string{"e2e_latency_seconds_bucket{", "e2e_exponential_seconds_bucket{"},
	},
	{
		name:    "exemplars of spans",
		change:  func(c *telemetry.Config) { c.ExemplarFilter = "" },
		options: traced,
		shows:   []string{`http_server_request_duration_seconds_bucket{`, ` # {span_id="`, `trace_id="`},
		hides:   []string{`trace_id=""`},
	},
	{
		name: "a push that fails",
		change: func(c *telemetry.Config) {
			c.Push.Endpoint, c.Push.ExportTimeout = "http://127.0.0.1:1/v1/metrics", 100*time.Millisecond
		},
		act:   func(t *testing.T, s *service.Service) { _ = s.Flush(t.Context()) },
		shows: []string{"duotel_push_failures_total{", "duotel_push_consecutive_failures"},
	},
	{name: "escaping=underscores", accept: acceptOpenMetrics + "; escaping=underscores", options: utf8Names, act: utf8Attribute, shows: []string{"e2e_registry___:ratio{"}},
	{name: "escaping=dots", accept: acceptOpenMetrics + "; escaping=dots", options: utf8Names, act: utf8Attribute, shows: []string{"_dot_"}},
	{name: "escaping=values", accept: acceptOpenMetrics + "; escaping=values", options: utf8Names, act: utf8Attribute, shows: []string{"U__e2e_"}},
	{name: "UTF-8 names, no escaping asked for", options: utf8Names, act: utf8Attribute, shows: []string{"e2e_registry_"}},
}

// hostile are values that a line of text could be broken with.
var hostile = map[string]string{
	"service.instance.id": "e2e-1",
	"lines":               "one\n# HELP x y\nx 1\r\n# EOF\n",
	"quotes":              `quoted="yes" \ back \" and \n`,
	"braces":              `} 1 # {a="b"} 2 3`,
	"text":                "日本語 ключ 🙂 \x00\x7f\u2028",
	"long":                strings.Repeat("x", 5000),
	"empty":               "",
}

// TestStrictOpenMetricsParser gives every kind of OpenMetrics answer to the Python client.
func TestStrictOpenMetricsParser(t *testing.T) {
	python, version := interpreter()
	if python == "" {
		unavailable(t, "python client", "python3-prometheus-client")
		return
	}
	for _, p := range strictPages {
		t.Run(p.name, func(t *testing.T) { expectStrict(t, python, version, p.name, p.prefix, p.body(t)) })
	}
	t.Run("nothing measured", func(t *testing.T) { expectStrict(t, python, version, "nothing measured", "", emptyPage(t)) })
	t.Run("demo", func(t *testing.T) { expectStrict(t, python, version, "cmd/demo under load", "", demoPage(t)) })
}

// body is the page of a service after some load.
func (p strictPage) body(t *testing.T) []byte {
	t.Helper()
	cfg := base("")
	if p.change != nil {
		p.change(&cfg)
	}
	var options []telemetry.Option
	if p.options != nil {
		options = p.options(t)
	}
	s := service.Start(t, cfg, options...)
	s.Record(t.Context(), 300)
	s.RecordInvalid(t.Context())
	s.Round(t.Context())
	if p.act != nil {
		p.act(t, s)
	}
	if p.accept == "" {
		p.accept = acceptOpenMetrics
	}
	page := body(t, s.Metrics, p.accept)
	for _, text := range append(p.shows, p.prefix+tolerated+"_sum{") {
		if !bytes.Contains(page, []byte(text)) {
			t.Errorf("the page does not show %q", text)
		}
	}
	for _, text := range p.hides {
		if bytes.Contains(page, []byte(text)) {
			t.Errorf("the page shows %q", text)
		}
	}
	return page
}
