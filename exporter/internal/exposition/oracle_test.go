package exposition

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/protobuf/proto"
)

// replayed gives the official exporter data that nobody recorded, with a producer on its own reader.
type replayed struct{ scopes []metricdata.ScopeMetrics }

func (r replayed) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return r.scopes, nil }

// official is the text that the official exporter and promhttp make of the same data.
func official(t *testing.T, in Input, opts Options, accept string) (string, int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	options := []otelprom.Option{
		otelprom.WithRegisterer(registry), otelprom.WithProducer(replayed{in.Scopes}),
		otelprom.WithTranslationStrategy(opts.Strategy), otelprom.WithNamespace(opts.Namespace),
	}
	if opts.WithoutScopeInfo {
		options = append(options, otelprom.WithoutScopeInfo())
	}
	if opts.WithoutTargetInfo {
		options = append(options, otelprom.WithoutTargetInfo())
	}
	exporter, err := otelprom.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(in.Resource))
	defer provider.Shutdown(context.Background())
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(answer, request)
	return answer.Body.String(), answer.Code
}

var (
	noHelp    = regexp.MustCompile(`^# HELP ("[^"]*"|\S+) \n$`) // which says nothing, and is not written by us
	labelPair = regexp.MustCompile(labelRE)
	emptied   = regexp.MustCompile(`,*\}`) // what is left between braces of labels that are taken out
)

// lines are what the text says, in no order and with the labels of each line in one order: client_golang
// shuffles an exemplar's labels, and sorts those of a series before it escapes them.
func lines(text string) []string {
	got := slices.DeleteFunc(slices.Collect(strings.Lines(text)), func(line string) bool { return noHelp.MatchString(line) })
	for i, line := range got {
		if strings.HasPrefix(line, "#") {
			continue
		}
		labels := labelPair.FindAllString(line, -1)
		labels = slices.DeleteFunc(labels, func(pair string) bool { return strings.HasSuffix(pair, `=""`) }) // the same as none
		slices.Sort(labels)
		got[i] = emptied.ReplaceAllString(labelPair.ReplaceAllString(line, ""), "}") + strings.Join(labels, "|") + "\n"
	}
	slices.Sort(got)
	return got
}

// without is what is in a and not in b.
func without(a, b []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(a), func(line string) bool { return slices.Contains(b, line) }), "")
}

var acceptOf = map[Format]string{
	{Escaping: model.UnderscoreEscaping}: "text/plain;version=0.0.4",
	{}:                                   "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;escaping=allow-utf-8",
	{OpenMetrics: true, Escaping: model.UnderscoreEscaping}: "application/openmetrics-text;version=1.0.0;escaping=underscores",
	{OpenMetrics: true}: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
	{OpenMetrics: true, Escaping: model.DotsEscaping}:          "application/openmetrics-text;version=1.0.0;escaping=dots",
	{OpenMetrics: true, Escaping: model.ValueEncodingEscaping}: "application/openmetrics-text;version=1.0.0;escaping=values",
}

func TestTextIsTheOfficialExporters(t *testing.T) {
	strategies := []otlptranslator.TranslationStrategyOption{
		otlptranslator.UnderscoreEscapingWithSuffixes, otlptranslator.UnderscoreEscapingWithoutSuffixes,
		otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
	}
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 24 {
		opts := Options{
			Strategy: strategies[i%len(strategies)], Namespace: [...]string{"", "shop", "my.shop"}[i%3],
			WithoutTargetInfo: i%5 == 0,
		}
		twin := "http_route"
		if !opts.Strategy.ShouldEscape() {
			twin = "route" // expfmt writes the label twice when a scraper wants http.route with underscores
		}
		in := agreeable(random, twin)
		e := mustNew(t, opts)
		for format, accept := range acceptOf {
			want, status := official(t, in, opts, accept)
			if status != http.StatusOK {
				t.Fatalf("the official exporter answers %d: %s", status, want)
			}
			got, r := encode(t, e, format, in)
			if len(r.Dropped) > 0 {
				t.Errorf("dropped: %+v", r.Dropped)
			}
			if g, w := lines(got), lines(want); !slices.Equal(g, w) {
				t.Fatalf("%+v %+v\nonly ours:\n%s\nonly theirs:\n%s", opts, format, without(g, w), without(w, g))
			}
		}
	}
}

// agreeable is generated data of every kind on which there is nothing to disagree about.
func agreeable(r *rand.Rand, twin string) Input {
	in := Input{Resource: resource.NewSchemaless(
		attribute.String("service.name", fmt.Sprint("shop\n", r.IntN(9))), attribute.Int("host.cpus", r.IntN(9)))}
	for i := range 1 + r.IntN(3) {
		sm := scope(fmt.Sprintf("lib/%d", i))
		sm.Scope.SchemaURL = [...]string{"", "https://opentelemetry.io/schemas/1.2.3"}[r.IntN(2)]
		if r.IntN(2) == 0 {
			sm.Scope.Attributes = attribute.NewSet(attribute.Int("shard.id", i), attribute.String("version", "no"))
		}
		for k := range 6 {
			sm.Metrics = append(sm.Metrics, agreeableMetric(r, twin, k))
		}
		in.Scopes = append(in.Scopes, sm)
	}
	return in
}

func agreeableMetric(r *rand.Rand, twin string, k int) metricdata.Metrics {
	m := metricdata.Metrics{
		Name:        fmt.Sprintf("metric.%c/%d", 'a'+k, k),
		Description: [...]string{"Says \"a\" \\ b\nc.", "", "Plain."}[k%3],
		Unit:        [...]string{"s", "1", "By", "{item}", "By/s", ""}[k],
	}
	value := func() float64 { return [...]float64{0, 1, -1.5, 1e6, 1e21, r.NormFloat64() * 1e9}[r.IntN(6)] }
	switch k {
	case 0, 1:
		m.Data = metricdata.Sum[float64]{IsMonotonic: k == 0, DataPoints: eachSet(r, twin, func(a attribute.Set) metricdata.DataPoint[float64] {
			return metricdata.DataPoint[float64]{Attributes: a, StartTime: began, Value: value()}
		})}
	case 2, 3:
		m.Data = metricdata.Gauge[int64]{DataPoints: eachSet(r, twin, func(a attribute.Set) metricdata.DataPoint[int64] {
			return metricdata.DataPoint[int64]{Attributes: a, Value: r.Int64() >> r.IntN(63)}
		})}
	default:
		m.Data = metricdata.Histogram[float64]{DataPoints: eachSet(r, twin, func(a attribute.Set) metricdata.HistogramDataPoint[float64] {
			return agreeableHistogram(r, a)
		})}
	}
	return m
}

func agreeableHistogram(r *rand.Rand, a attribute.Set) metricdata.HistogramDataPoint[float64] {
	dp := metricdata.HistogramDataPoint[float64]{
		Attributes: a, StartTime: began, Sum: r.Float64() * 100, Bounds: []float64{-1, 0, 0.005, 1, 1e6},
		BucketCounts: make([]uint64, 6),
	}
	for i := range dp.BucketCounts {
		dp.BucketCounts[i] = r.Uint64N(3_000_000)
		dp.Count += dp.BucketCounts[i]
	}
	for range r.IntN(4) {
		dp.Exemplars = append(dp.Exemplars, exemplarOf(r.NormFloat64()*2, attribute.String("user_id", "u\"1")))
	}
	return dp
}

func eachSet[P any](r *rand.Rand, twin string, point func(attribute.Set) P) []P {
	var points []P
	for i := range 1 + r.IntN(4) {
		points = append(points, point(attribute.NewSet(
			attribute.Int("n", i), attribute.String("http.route", "/a/{b}\n\"c\"\\"), attribute.String(twin, "/z"),
			attribute.StringSlice("list", []string{"a", "b"}), attribute.Float64("f", 0.5), attribute.Bool("b", true),
		)))
	}
	return points
}

// What the SDK really records goes the same way.
func TestTextIsTheOfficialExportersForAnSDK(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(otelprom.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithReader(exporter))
	fill(t, provider, 200, false)
	fill(t, provider, 200, true)
	upDown, _ := provider.Meter("other").Int64UpDownCounter("queue.depth", metric.WithUnit("{item}"))
	upDown.Add(t.Context(), -3)
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	got, _ := encode(t, mustNew(t, Options{}), Format{}, Input{Resource: rm.Resource, Scopes: rm.ScopeMetrics})
	if g, w := lines(got), lines(answer.Body.String()); !slices.Equal(g, w) {
		t.Errorf("only ours:\n%s\nonly theirs:\n%s", without(g, w), without(w, g))
	}
}

// TestProtobufIsTheOfficialExporters compares the families themselves, as client_golang has them before it encodes them. Two
// things are more in ours: every counter and histogram has its start time, where the official exporter gives it to native
// histograms only; and a native histogram's exemplars are in order.
func TestProtobufIsTheOfficialExporters(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		in := agreeable(random, "http_route")
		in.Scopes = append(in.Scopes, scope("native", exponential("spread", agreeableExponentials(random)...)))
		registry := prometheus.NewRegistry()
		exporter, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithProducer(replayed{in.Scopes}))
		if err != nil {
			t.Fatal(err)
		}
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(in.Resource))
		theirs, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		ours, _ := decode(t, mustNew(t, Options{}), Format{}, in)
		for _, families := range [][]*dto.MetricFamily{ours, theirs} {
			for _, mf := range families {
				if mf.GetHelp() == "" {
					mf.Help = nil
				}
				slices.SortFunc(mf.Metric, func(a, b *dto.Metric) int { return strings.Compare(fmt.Sprint(a.Label), fmt.Sprint(b.Label)) })
				for _, m := range mf.Metric {
					alike(t, m)
				}
			}
		}
		for i := range max(len(ours), len(theirs)) {
			if i >= len(ours) || i >= len(theirs) || !proto.Equal(ours[i], theirs[i]) {
				t.Fatalf("ours:\n%v\ntheirs:\n%v", ours[i:min(i+1, len(ours))], theirs[i:min(i+1, len(theirs))])
			}
		}
	}
}

// alike takes out what is not there in both, and gives a series the order that has no meaning.
func alike(t *testing.T, m *dto.Metric) {
	t.Helper()
	m.Label = slices.DeleteFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetValue() == "" })
	exemplars := append(m.GetHistogram().GetExemplars(), m.GetCounter().GetExemplar())
	for _, b := range m.GetHistogram().GetBucket() {
		exemplars = append(exemplars, b.GetExemplar())
	}
	for _, e := range exemplars {
		if e != nil {
			e.Label = slices.DeleteFunc(e.Label, func(l *dto.LabelPair) bool { return l.GetValue() == "" })
			slices.SortFunc(e.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
		}
	}
	if m.Counter != nil {
		m.Counter.CreatedTimestamp = nil
	}
	if h := m.Histogram; h != nil {
		if h.Schema == nil {
			h.CreatedTimestamp = nil
		}
		slices.SortFunc(h.Exemplars, func(a, b *dto.Exemplar) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		h.PositiveSpan, h.PositiveDelta = nil, nativeCounts(h.PositiveSpan, h.PositiveDelta)
		h.NegativeSpan, h.NegativeDelta = nil, nativeCounts(h.NegativeSpan, h.NegativeDelta)
	}
}

// nativeCounts are the buckets that are not empty, as their indexes and counts: client_golang writes empty ones as well.
func nativeCounts(spans []*dto.BucketSpan, deltas []int64) (out []int64) {
	index, count := int64(0), int64(0)
	for _, span := range spans {
		index += int64(span.GetOffset())
		for range span.GetLength() {
			if count += deltas[0]; count != 0 {
				out = append(out, index, count)
			}
			deltas = deltas[1:]
			index++
		}
	}
	return out
}

func agreeableExponentials(r *rand.Rand) (points []metricdata.ExponentialHistogramDataPoint[float64]) {
	for i := range 5 {
		dp := metricdata.ExponentialHistogramDataPoint[float64]{
			Attributes: attrs("n", fmt.Sprint(i)), StartTime: began, Sum: r.NormFloat64(), Scale: int32(r.IntN(25)) - 4, ZeroCount: r.Uint64N(3), ZeroThreshold: 1e-9,
		}
		dp.Count = dp.ZeroCount
		for _, side := range []*metricdata.ExponentialBucket{&dp.PositiveBucket, &dp.NegativeBucket} {
			side.Offset = int32(r.IntN(100)) - 50
			for range r.IntN(30) {
				n := r.Uint64N(5) * r.Uint64N(2) // with gaps
				side.Counts = append(side.Counts, n)
				dp.Count += n
			}
		}
		for k := range r.IntN(4) {
			e := exemplarOf(float64(k), attribute.String("user_id", "u"))
			e.Time = e.Time.Add(-time.Duration(r.IntN(9)) * time.Second)
			dp.Exemplars = append(dp.Exemplars, e)
		}
		points = append(points, dp)
	}
	return points
}
