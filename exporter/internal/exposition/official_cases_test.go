package exposition

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// officialCase is one golden case of the official exporter's own tests (exporters/prometheus 0.69.0), by input and value: both
// exporters are given it, and have to show the same page but for what ADR 0005 lists.
type officialCase struct {
	strategy  otlptranslator.TranslationStrategyOption // NoUTF8EscapingWithSuffixes where empty, as most have it
	namespace string
	resource  []attribute.KeyValue // beside service.name
	bare      bool                 // no resource at all
	noScope   bool
	noTarget  bool
	constant  attribute.Filter // which of the resource's attributes are labels
	anyHelp   bool             // two texts for one family: which of them is shown is not compared
	conflict  bool             // of two types: the official exporter's page is an error
	record    func(a, b metric.Meter)
}

var (
	abcd  = metric.WithAttributes(attribute.String("A", "B"), attribute.String("C", "D"))
	four  = metric.WithAttributes(attribute.String("A", "B"), attribute.String("C", "D"), attribute.Bool("E", true), attribute.Int("F", 42))
	other = metric.WithAttributes(attribute.String("A", "D"), attribute.String("C", "B"), attribute.Bool("E", true), attribute.Int("F", 42))
	clash = metric.WithAttributes(attribute.String("A.B", "X"), attribute.String("A.B", "Q"), attribute.String("C.D", "Y"), attribute.String("C/D", "Z"))
)

// counts adds values to a counter of a name and unit, and 5 to its series of other attributes.
func counts(name, unit string, at metric.AddOption, values ...float64) func(a, b metric.Meter) {
	return func(m, _ metric.Meter) {
		c, _ := m.Float64Counter(name, metric.WithUnit(unit), metric.WithDescription("a simple counter"))
		for _, v := range values {
			c.Add(context.Background(), v, at)
		}
		c.Add(context.Background(), 5, other)
	}
}

// both has the same kind of instrument in two scopes, whose units and texts may differ.
func both(kind, nameA, nameB, unitA, unitB, helpA, helpB string) func(a, b metric.Meter) {
	one := func(m metric.Meter, name, unit, help string) {
		unitOf, helpOf := metric.WithUnit(unit), metric.WithDescription(help)
		switch kind {
		case "counter":
			c, _ := m.Int64Counter(name, unitOf, helpOf)
			c.Add(context.Background(), 100, abcd)
		case "updown":
			c, _ := m.Int64UpDownCounter(name, unitOf, helpOf)
			c.Add(context.Background(), 100, abcd)
		default:
			h, _ := m.Int64Histogram(name, unitOf, helpOf)
			h.Record(context.Background(), 100, abcd)
		}
	}
	return func(a, b metric.Meter) {
		one(a, nameA, unitA, helpA)
		one(b, nameB, unitB, helpB)
	}
}

func distributes(name string) func(a, b metric.Meter) {
	return func(m, _ metric.Meter) {
		h, _ := m.Float64Histogram(name, metric.WithUnit("By"), metric.WithDescription("a very nice histogram"))
		for _, v := range []float64{23, 7, 101, 105} {
			h.Record(context.Background(), v, abcd)
		}
	}
}

const testService = "prometheus_test"

var (
	escaped   = otlptranslator.UnderscoreEscapingWithSuffixes
	plain     = otlptranslator.UnderscoreEscapingWithoutSuffixes
	untouched = otlptranslator.NoTranslation
)

var simple = counts("foo", "", four, 5, 10.3, 9)

var officialCases = map[string]officialCase{
	"counter":                                  {strategy: escaped, namespace: "my.dotted.namespace", record: counts("foo", "s", four, 5, 10.3, 9)},
	"counter with the unit's suffix":           {strategy: escaped, record: counts("foo.seconds", "s", four, 5, 10.3, 9)},
	"counter with a unit nobody knows":         {record: counts("foo", "madeup", four, 5, 10.3, 9)},
	"counter with a unit in brackets":          {record: counts("foo", "{spans}", four, 5, 10.3, 9)},
	"counter with the suffix total":            {strategy: escaped, namespace: "my.dotted.namespace", record: counts("foo.total", "s", four, 5, 10.3, 9)},
	"counter without suffixes":                 {strategy: plain, record: counts("foo", "", four, 5, 10.3, 9)},
	"gauge":                                    {record: upDown("bar", "1")},
	"exponential histogram":                    {record: distributes("exponential_histogram_baz")},
	"histogram":                                {record: distributes("histogram_baz")},
	"attributes that become one label":         {strategy: escaped, record: counts("foo", "By", clash, 5, 10.3, 9)},
	"names that are not Prometheus's":          {record: renamed},
	"no resource":                              {bare: true, record: simple},
	"a resource of one's own":                  {resource: []attribute.KeyValue{attribute.String("A", "B"), attribute.String("C", "D")}, record: simple},
	"without target_info":                      {noTarget: true, record: simple},
	"without scope info":                       {noScope: true, record: simple},
	"without both":                             {noScope: true, noTarget: true, record: simple},
	"with a namespace":                         {namespace: "test", record: simple},
	"all attributes of the resource":           {constant: attribute.NewDenyKeysFilter(), record: counts("foo", "", four, 5, 10.1, 9.8)},
	"one attribute of the resource":            {constant: attribute.NewAllowKeysFilter("service.name"), record: counts("foo", "", four, 5, 5.9, 5.3)},
	"counter in UTF-8":                         {record: counts("foo.things", "s", metric.WithAttributes(attribute.String("A.G", "B"), attribute.String("C.H", "D")), 5, 10.3, 9)},
	"counter in UTF-8, untranslated":           {strategy: untouched, record: counts("foo.things", "s", metric.WithAttributes(attribute.String("A.G", "B"), attribute.String("C.H", "D")), 5, 10.3, 9)},
	"up-down counters have no exemplars":       {record: sampledUpDown},
	"no conflict of two counters":              {strategy: escaped, record: both("counter", "foo", "foo", "By", "By", "meter counter foo", "meter counter foo")},
	"no conflict of two up-down counters":      {strategy: escaped, record: both("updown", "foo", "foo", "By", "By", "meter gauge foo", "meter gauge foo")},
	"no conflict of two histograms":            {strategy: escaped, record: both("histogram", "foo", "foo", "By", "By", "meter histogram foo", "meter histogram foo")},
	"two texts of two counters":                {strategy: escaped, anyHelp: true, record: both("counter", "bar", "bar", "By", "By", "meter a bar", "meter b bar")},
	"two texts of two up-down counters":        {strategy: escaped, anyHelp: true, record: both("updown", "bar", "bar", "By", "By", "meter a bar", "meter b bar")},
	"two texts of two histograms":              {strategy: escaped, anyHelp: true, record: both("histogram", "bar", "bar", "By", "By", "meter a bar", "meter b bar")},
	"two units of two counters":                {strategy: plain, record: both("counter", "bar", "bar", "By", "s", "meter bar", "meter bar")},
	"two units of two up-down counters":        {strategy: plain, record: both("updown", "bar", "bar", "By", "s", "meter gauge bar", "meter gauge bar")},
	"two units of two histograms":              {strategy: plain, record: both("histogram", "bar", "bar", "By", "s", "meter histogram bar", "meter histogram bar")},
	"a counter and an up-down counter":         {strategy: escaped, conflict: true, record: twoTypes("counter", "foo", "updown", "foo_total")},
	"a histogram and an up-down counter":       {strategy: escaped, conflict: true, record: twoTypes("updown", "foo", "histogram", "foo")},
	"the same two only without scope's labels": {strategy: escaped, noScope: true, conflict: true, record: both("counter", "foo", "foo", "By", "By", "meter foo", "meter foo")},
}

func upDown(name, unit string) func(a, b metric.Meter) {
	return func(m, _ metric.Meter) {
		c, _ := m.Float64UpDownCounter(name, metric.WithUnit(unit), metric.WithDescription("a fun little gauge"))
		c.Add(context.Background(), 1, abcd)
		c.Add(context.Background(), -.25, abcd)
	}
}

func renamed(m, b metric.Meter) {
	upDown("bar", "")(m, b)
	upDown("invalid.gauge.name", "")(m, b)
	c, _ := m.Float64Counter("0invalid.counter.name") // the SDK refuses it and makes it all the same
	c.Add(context.Background(), 100, abcd)
	h, _ := m.Float64Histogram("invalid.hist.name", metric.WithDescription("a histogram with an invalid name"))
	h.Record(context.Background(), 23, abcd)
}

func sampledUpDown(m, _ metric.Meter) {
	span := trace.NewSpanContext(trace.SpanContextConfig{SpanID: trace.SpanID{1}, TraceID: trace.TraceID{1}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(context.Background(), span)
	c, _ := m.Float64UpDownCounter("foo", metric.WithUnit("s"), metric.WithDescription("a simple up down counter"))
	for _, v := range []float64{5, 10.3, 9, -1} {
		c.Add(ctx, v, four)
	}
	c.Add(ctx, 5, other)
}

// twoTypes has two kinds of instrument in one scope.
func twoTypes(kindA, nameA, kindB, nameB string) func(a, b metric.Meter) {
	return func(m, _ metric.Meter) {
		both(kindA, nameA, nameA, "", "", "meter foo", "meter foo")(m, m)
		both(kindB, nameB, nameB, "", "", "meter foo", "meter foo")(m, m)
	}
}

// TestTheOfficialExportersOwnCases runs each case through both exporters. What the two do not share is in ADR 0005.
func TestTheOfficialExportersOwnCases(t *testing.T) {
	if len(officialCases) < 31 {
		t.Fatalf("%d cases; the official exporter has 31 with different pages", len(officialCases))
	}
	for name, c := range officialCases {
		t.Run(name, func(t *testing.T) { c.run(t) })
	}
}

func (c officialCase) run(t *testing.T) {
	if c.strategy == "" {
		c.strategy = otlptranslator.NoUTF8EscapingWithSuffixes
	}
	res := resource.Empty()
	if !c.bare {
		res = resource.NewSchemaless(append([]attribute.KeyValue{attribute.String("service.name", testService)}, c.resource...)...)
	}
	ours, r := c.ours(t, res)
	theirs := c.theirs(t, res)
	if c.conflict {
		if len(r.Dropped) == 0 || theirs != "" {
			t.Errorf("dropped %+v; the official exporter shows\n%s", r.Dropped, theirs)
		}
		return
	}
	g, w := lines(ours), lines(theirs)
	if c.anyHelp {
		help := func(line string) bool { return strings.HasPrefix(line, "# HELP") }
		g, w = slices.DeleteFunc(g, help), slices.DeleteFunc(w, help)
	}
	if !slices.Equal(g, w) || len(r.Dropped) > 0 {
		t.Errorf("dropped %+v\nonly ours:\n%s\nonly theirs:\n%s", r.Dropped, without(g, w), without(w, g))
	}
}

// provide records the case with a reader.
func (c officialCase) provide(t *testing.T, res *resource.Resource, reader sdkmetric.Reader) {
	t.Helper()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res), sdkmetric.WithView(
		sdkmetric.NewView(sdkmetric.Instrument{Name: "histogram_*"}, sdkmetric.Stream{Aggregation: sdkmetric.AggregationExplicitBucketHistogram{
			Boundaries: []float64{0, 5, 10, 25, 50, 75, 100, 250, 500, 1000},
		}}),
	))
	fizz := metric.WithInstrumentationAttributes(attribute.String("fizz", "buzz"))
	a, b := provider.Meter("ma", metric.WithInstrumentationVersion("v0.1.0"), fizz), provider.Meter("mb", metric.WithInstrumentationVersion("v0.1.0"), fizz)
	c.record(a, b)
}

func (c officialCase) ours(t *testing.T, res *resource.Resource) (string, Result) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	c.provide(t, res, reader)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	constant := map[string]string{}
	for _, kv := range res.Attributes() {
		if c.constant != nil && c.constant(kv) {
			constant[string(kv.Key)] = kv.Value.String()
		}
	}
	e := mustNew(t, Options{Strategy: c.strategy, Namespace: c.namespace, WithoutScopeInfo: c.noScope, WithoutTargetInfo: c.noTarget, ResourceLabels: constant})
	return encode(t, e, Format{}, Input{Resource: res, Scopes: rm.ScopeMetrics})
}

// theirs is the official exporter's page, empty when it is an error. What the SDK adds to a resource by itself is not there.
func (c officialCase) theirs(t *testing.T, res *resource.Resource) string {
	t.Helper()
	registry := prometheus.NewRegistry()
	options := []otelprom.Option{otelprom.WithRegisterer(registry), otelprom.WithTranslationStrategy(c.strategy), otelprom.WithNamespace(c.namespace)}
	if c.noScope {
		options = append(options, otelprom.WithoutScopeInfo())
	}
	if c.noTarget {
		options = append(options, otelprom.WithoutTargetInfo())
	}
	if c.constant != nil {
		options = append(options, otelprom.WithResourceAsConstantLabels(c.constant))
	}
	exporter, err := otelprom.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	c.provide(t, res, exporter)
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", acceptOf[Format{}])
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		return ""
	}
	return answer.Body.String()
}
