package weaver_test

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/weaver"
	"github.com/duotel/duotel/telemetry/contract"
)

// shop has everything that a contract can have.
const shop = `schema: duotel.metrics/v1
service: shop
instruments:
  - name: shop.orders
    kind: counter
    unit: '{order}'
    description: Orders by outcome.
    stability: stable
    was: [orders]
    attributes:
      outcome: [accepted, "true", "1.1", "1_1"]
      currency: {open: 20}
  - name: shop.wait
    kind: histogram
    unit: s
    stability: development
    deprecated: Use shop.delay.
    bounds: [0.1, 0.5, 1]
    attributes:
      outcome: [refused, accepted]
      currency: [eur]
  - name: shop.delay
    kind: exponential_histogram
    unit: s
    stability: development
  - name: shop.queue
    kind: updowncounter
    stability: development
`

func parse(t *testing.T, text string) *contract.Contract {
	t.Helper()
	c, err := contract.Parse("metrics.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func export(t *testing.T, c *contract.Contract) string {
	t.Helper()
	out, leftOut, err := weaver.Export(c)
	if err != nil || len(leftOut) > 0 {
		t.Fatalf("%v, left out: %q", err, leftOut)
	}
	return string(out)
}

// TestExport pins what is written for a contract that has everything.
func TestExport(t *testing.T) {
	want, err := os.ReadFile("testdata/registry.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := export(t, parse(t, shop)); got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestRoundTrip wants a contract that was exported and imported to be the same.
func TestRoundTrip(t *testing.T) {
	flyte, err := os.ReadFile("../../../../examples/flyte/metrics.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"everything": shop, "flyte": string(flyte)} {
		want := parse(t, text)
		for k := range want.Instruments { // a registry says it where a contract need not
			if want.Instruments[k].Stability == "" {
				want.Instruments[k].Stability = contract.Development
			}
		}
		got, notes, err := weaver.Import([]weaver.File{{Name: "registry.yaml", Data: []byte(export(t, parse(t, text)))}}, 7)
		if err != nil || len(notes) > 0 {
			t.Fatalf("%s: %v, notes %q", name, err, notes)
		}
		got.Service = want.Service
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got  %+v\nwant %+v", name, got, want)
		}
	}
}

// TestSummary wants what OpenTelemetry has no instrument for to be named.
func TestSummary(t *testing.T) {
	out, leftOut, err := weaver.Export(parse(t, "schema: duotel.metrics/v1\ninstruments: [{name: a, kind: summary, attributes: {b: [c]}}]\n"))
	if err != nil || len(leftOut) != 1 || !strings.HasPrefix(leftOut[0], "a: a summary") || string(out) != "groups: []\n" {
		t.Errorf("%v, left out %q:\n%s", err, leftOut, out)
	}
}

// TestImport reads two files in the manner of OpenTelemetry's own registry: attributes in one, groups that extend others, and
// every way in which an attribute's values are not known.
func TestImport(t *testing.T) {
	attributes := `groups:
  - id: registry.http
    type: attribute_group
    brief: Attributes of HTTP.
    attributes:
      - id: http.request.method
        type:
          members:
            - {id: get, value: GET, brief: GET method., stability: stable}
            - {id: other, value: _OTHER, stability: stable}
        brief: Method.
        examples: [GET]
        stability: stable
      - id: http.response.status_code
        type: int
        stability: stable
        examples: [200]
      - id: error.type
        type: {members: [{id: other, value: _OTHER, stability: stable}]}
        stability: stable
      - {id: rpc.grpc.status_code, type: {members: [{id: ok, value: 0}, {id: aborted, value: 10}]}, stability: development}
      - {id: cached, type: boolean, stability: development}
`
	metrics := `groups:
  - id: attributes.base
    type: attribute_group
    brief: What all have.
    attributes:
      - ref: http.request.method
        requirement_level: required
      - ref: server.address
        requirement_level: {opt_in: Where it is known.}
      - ref: user_agent.synthetic.type
        requirement_level: opt_in
      - ref: url.scheme
        requirement_level: opt_in
  - id: attributes.server
    type: attribute_group
    extends: attributes.base
    attributes:
      - ref: url.scheme
        requirement_level: required
        examples: [http, https]
      - ref: http.response.status_code
        requirement_level: {conditionally_required: If one was sent.}
      - ref: error.type
  - id: metric.http.server.request.duration
    type: metric
    metric_name: http.server.request.duration
    brief: Duration of requests.
    note: "Longer."
    instrument: histogram
    unit: "s"
    stability: stable
    extends: attributes.server
    annotations: {code_generation: {exclude: true}}
  - id: metric.rpc.calls
    type: metric
    metric_name: rpc.calls
    brief: Calls.
    instrument: counter
    unit: "{call}"
    stability: release_candidate
    deprecated: {reason: obsoleted}
    attributes: [{ref: rpc.grpc.status_code}, {ref: cached}]
  - id: metric.calls
    type: metric
    metric_name: calls
    brief: Calls.
    instrument: counter
    unit: "{call}"
    stability: development
    deprecated: {reason: renamed, renamed_to: rpc.calls}
  - id: metric.lost
    type: metric
    metric_name: lost
    brief: Lost.
    instrument: counter
    unit: ""
    stability: development
    deprecated: {reason: renamed, renamed_to: found}
  - id: span.http.server
    type: span
    span_kind: server
    brief: A request.
    stability: stable
`
	got, notes, err := weaver.Import([]weaver.File{{Name: "metrics.yaml", Data: []byte(metrics)}, {Name: "registry.yaml", Data: []byte(attributes)}}, 50)
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, `schema: duotel.metrics/v1
instruments:
  - name: http.server.request.duration
    kind: histogram
    unit: s
    description: Duration of requests.
    stability: stable
    attributes:
      http.request.method: [GET, _OTHER]
      url.scheme: {open: 50}
      http.response.status_code: {open: 50}
      error.type: {open: 50}
  - name: rpc.calls
    kind: counter
    unit: "{call}"
    description: Calls.
    stability: development
    deprecated: obsoleted
    was: [calls]
    attributes:
      rpc.grpc.status_code: ["0", "10"]
      cached: ["false", "true"]
`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, text := range []string{"server.address is left out: it is opt_in", "user_agent.synthetic.type is left out", "url.scheme is in none of the files: open, with at most 50", "lost is left out: it was renamed to found"} {
		if !strings.Contains(strings.Join(notes, "\n"), text) {
			t.Errorf("notes %q; want %q", notes, text)
		}
	}
	if len(notes) != 4 {
		t.Errorf("%d notes: %q", len(notes), notes)
	}
}

// TestImportErrors has one defect in each registry, and wants place, found and allowed.
func TestImportErrors(t *testing.T) {
	metric := func(fields string) string {
		return "groups:\n  - {id: metric.a, type: metric, metric_name: a, brief: A., unit: s, stability: stable, " + fields + "}\n"
	}
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"", []string{"r.yaml:1:1", "groups"}},
		{"a: [", []string{"r.yaml: ", "line 1"}},
		{"version: \"2\"\nmetrics: []\n", []string{"r.yaml:1:1", `unknown key "version"`, "groups"}},
		{"groups: {}\n", []string{"r.yaml:1:9", "a list"}},
		{"groups: [a]\n", []string{"r.yaml:1:10", "no mapping"}},
		{metric("instrumnt: counter"), []string{"r.yaml:2:89", `group "metric.a"`, `unknown key "instrumnt"`, "instrument"}},
		{metric("instrument: summary"), []string{"r.yaml:2:5", `"summary"`, "histogram is allowed"}},
		{metric("instrument: counter, unit: s"), []string{`"unit" is there twice`}},
		{metric("instrument: counter, note: a, extends: b"), []string{`extends "b"`, "none of the files"}},
		{metric("instrument: counter, extends: metric.a"), []string{`extends "metric.a"`, "leads back"}},
		{metric("instrument: [counter]"), []string{"r.yaml:2:5", "cannot unmarshal"}},
		{metric("instrument: counter, attributes: [{brief: x}]"), []string{`id "" and ref ""`, "one of the two"}},
		{metric("instrument: counter, attributes: [{rf: x}]"), []string{`unknown key "rf"`, "ref"}},
		{metric("instrument: counter, attributes: [a]"), []string{"no mapping"}},
		{metric("instrument: histogram, annotations: {duotel: {bound: [1]}}"), []string{`unknown key "bound"`, "bounds"}},
		{metric("instrument: histogram, annotations: {duotel: {bounds: [2, 1]}}"), []string{"no contract", "ascend"}},
		{metric("instrument: counter") + "  - {id: metric.a, type: span}\n", []string{"r.yaml:3:5", `"metric.a"`, "no other group"}},
		{strings.Replace(metric("instrument: counter"), "stability: stable", "stability: frozen", 1), []string{`"frozen"`, "development"}},
		{strings.Replace(metric("instrument: counter"), "metric_name: a", "metric_name: ''", 1), []string{"metric_name is empty"}},
	} {
		c, _, err := weaver.Import([]weaver.File{{Name: "r.yaml", Data: []byte(tt.text)}}, 100)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %+v, error %v; want %q in it", tt.text, c, err, want)
			}
		}
	}
	_, _, err := weaver.Import([]weaver.File{{Name: "a", Data: []byte("x: 1")}, {Name: "b", Data: []byte("y: 1")}}, 100)
	if err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("not all errors at once: %v", err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte("groups: [{id: a, type: metric, metric_name: a, instrument: counter, extends: a, attributes: &x [{ref: b}, *x]}]"))
	c, err := contract.Parse("metrics.yaml", []byte(shop))
	if err != nil {
		f.Fatal(err)
	}
	out, _, err := weaver.Export(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(out)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := weaver.Import([]weaver.File{{Name: "fuzz.yaml", Data: data}}, 100)
		if err != nil {
			return
		}
		out, _, err := weaver.Export(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := weaver.Import([]weaver.File{{Name: "again.yaml", Data: out}}, 100); err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
	})
}
