package oracletest_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

const (
	exponentialStem = "spread"
	longExemplars   = "long"
)

var negativeZero = math.Copysign(0, -1)

// What valid data is made of. Stems keep the kinds apart, so that names meet but types never clash.
var (
	nameEnds = []string{"", ".a", "/a", "_a", ".a.b", ".1", ".ünïcode.x", ".seconds", ".seconds_minutes", ".total", ".bytes", ":rule", "._x_"}
	units    = []string{"", "1", "s", "ms", "min", "By", "By/s", "1/s", "%", "Cel", "{item}", "{item}/s"}
	keys     = []string{
		"http.route", "http_route", "http/route", "1st", "_private", "ключ.private", "a:b", "UPPER", "trace_id", "job", "instance", "a..b",
	}
	scopeKeys = []string{"shard.id", "shard_id", "name", "version", "schema.url", "short_name", "1st"}
	values    = []string{"", "v", "é世界", "line\nbreak\"quote\\back", ";", "a;b", `\n`, " spaced ", "{}", "# EOF", "\ttab\r"}
	helps     = []string{"Plain.", "Says \"a\" \\ b\nand c.", `\n is no line break`, " spaced ", "世界"}
	floats    = []float64{
		0, negativeZero, 1, -1.5, 1e6, 123456789, 1e21, 1e-7, 5e-324, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1),
	}
	integers = []int64{0, 1, -1, 1<<53 + 1, math.MaxInt64, math.MinInt64, 1e15}
	bounds   = [][]float64{
		nil, {0}, {-1, 0, 0.005, 1, 1e6}, {1, 2, math.Inf(1)}, {5e-324, 1, 1e300}, {-1, negativeZero, 1}, {0.1, 0.25, 2.5e-7 + 1, 1e21}, {math.Inf(-1), 0},
	}
)

// generator makes valid data of every kind. word comes into it here and there.
type generator struct {
	*rand.Rand
	word  string
	began time.Time
}

func newGenerator(seed uint64, word string) generator {
	word = strings.ReplaceAll(strings.ToValidUTF8(word, ""), "\x00", "") // theirs does not parse with NUL in an exemplar
	if runes := []rune(word); len(runes) > 20 {
		word = string(runes[:20]) // so that exemplars stay below their limit
	}
	return generator{rand.New(rand.NewPCG(seed, 7)), word, time.Unix(1_700_000_000, 250_000_000)}
}

func pick[V any](g generator, from []V) V { return from[g.IntN(len(from))] }

func (g generator) text(from []string) string {
	if g.IntN(len(from)+1) == 0 {
		return g.word
	}
	return pick(g, from)
}

func (g generator) setup() setup {
	with := setup{resource: resource.NewSchemaless(g.pairs(keys)...), namespace: pick(g, []string{"", "shop", "my.shop"})}
	if g.IntN(2) == 0 {
		with.labels = map[string]string{"cluster": g.text(values)}
	}
	return with
}

// scopes are in the order in which ours settles whose help a shared family has; theirs takes the first.
func (g generator) scopes() []metricdata.ScopeMetrics {
	scopes := make([]metricdata.ScopeMetrics, g.IntN(5))
	for i := range scopes {
		scopes[i].Scope = instrumentation.Scope{
			Name: "lib/" + g.text(values), Version: fmt.Sprint(i), SchemaURL: pick(g, []string{"", "https://opentelemetry.io/schemas/1.2.3"}),
		}
		if g.IntN(2) == 0 {
			scopes[i].Scope.Attributes = attribute.NewSet(g.pairs(scopeKeys)...)
		}
		for k := range g.IntN(12) {
			scopes[i].Metrics = append(scopes[i].Metrics, g.metric(k))
		}
		slices.SortStableFunc(scopes[i].Metrics, func(a, b metricdata.Metrics) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Unit, b.Unit), cmp.Compare(order(a), order(b)), strings.Compare(a.Description, b.Description))
		})
	}
	slices.SortFunc(scopes, func(a, b metricdata.ScopeMetrics) int {
		return cmp.Or(strings.Compare(a.Scope.Name, b.Scope.Name), strings.Compare(a.Scope.Version, b.Scope.Version))
	})
	return scopes
}

// order is that of a gauge and a sum that goes up and down, which share a family.
func order(m metricdata.Metrics) int {
	switch m.Data.(type) {
	case metricdata.Sum[int64], metricdata.Sum[float64]:
		return 1
	}
	return 0
}

// metric is the k-th of its scope, which keeps the series of all others of its family apart.
func (g generator) metric(k int) metricdata.Metrics {
	stem, data, n := g.data(k)
	end := pick(g, nameEnds)
	if g.IntN(8) == 0 {
		end = "." + g.word + "x" // whatever it is, it is not _sum, _count or _bucket
	}
	if n == 0 {
		end = ".idle" // theirs would take the family's help from it
	}
	return metricdata.Metrics{Name: stem + end, Unit: pick(g, units), Description: g.help(end), Data: data}
}

// help differs between the metrics of a family, but is empty in all of them or in none: theirs answers 500
// where the first has none and another has.
func (g generator) help(end string) string {
	if slices.Contains([]string{".a", "/a", "_a"}, end) {
		return ""
	}
	return cmp.Or(g.text(helps), helps[0])
}

// data is that of some kind of metric, and how many points it has.
func (g generator) data(k int) (stem string, data metricdata.Aggregation, n int) {
	if g.IntN(2) == 0 {
		return dataOf(g, k, func() int64 { return pick(g, integers) })
	}
	return dataOf(g, k, func() float64 { return pick(g, floats) })
}

func dataOf[N int64 | float64](g generator, k int, value func() N) (stem string, data metricdata.Aggregation, n int) {
	const cumulative = metricdata.CumulativeTemporality
	switch g.IntN(5) {
	case 0:
		dps := points(g, k, value)
		return "requests", metricdata.Sum[N]{IsMonotonic: true, Temporality: cumulative, DataPoints: dps}, len(dps)
	case 1:
		dps := points(g, k, value)
		return "depth", metricdata.Sum[N]{Temporality: cumulative, DataPoints: dps}, len(dps)
	case 2:
		dps := points(g, k, value)
		return "depth", metricdata.Gauge[N]{DataPoints: dps}, len(dps)
	case 3:
		dps := histograms(g, k, value)
		return "took", metricdata.Histogram[N]{Temporality: cumulative, DataPoints: dps}, len(dps)
	}
	dps := exponentials(g, k, value)
	return exponentialStem, metricdata.ExponentialHistogram[N]{Temporality: cumulative, DataPoints: dps}, len(dps)
}

// pairs are attributes whose names are all valid, though some are the same once they are sanitised.
func (g generator) pairs(from []string) []attribute.KeyValue {
	var kvs []attribute.KeyValue
	for range g.IntN(5) {
		key := pick(g, from)
		if g.IntN(8) == 0 {
			key = "w." + g.word
		}
		kvs = append(kvs, g.pair(key))
	}
	return kvs
}

func (g generator) pair(key string) attribute.KeyValue {
	switch g.IntN(8) {
	case 0:
		return attribute.Int(key, g.IntN(9))
	case 1:
		return attribute.Float64(key, g.NormFloat64())
	case 2:
		return attribute.Bool(key, true)
	case 3:
		return attribute.StringSlice(key, []string{g.text(values), g.text(values)})
	}
	return attribute.String(key, g.text(values))
}
