package oracletest_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

const poisonedRounds = 300

// poisoned are the names and values the official exporter answers with 500, or nobody could tell apart.
var poisoned = []string{
	"", "a", "a.b", "a_b", "é", "___", "__name__", "le", "quantile", "otel.scope.name", "x\xff\xfe", "a:b", "1st", "total", "a_total", "job",
	"a_bucket", "a_sum", "a_count", "a_created", "target.info", "line\nbreak", `quo"te`, `back\slash`, "} ", "# EOF", "世界", "a\x00b", "\r",
}

// Whatever is collected, the answer parses and has what is good in it.
func TestPoisonedTextParses(t *testing.T) {
	for seed := range uint64(poisonedRounds) {
		checkPoisoned(t, seed, "\xc3")
	}
}

func FuzzPoisoned(f *testing.F) {
	f.Add(uint64(0), "a\x00b")
	f.Fuzz(checkPoisoned)
}

func checkPoisoned(t *testing.T, seed uint64, word string) {
	g := generator{rand.New(rand.NewPCG(seed, 9)), word, time.Unix(1_700_000_000, 0)}
	s := &sides{}
	ours := s.pull(t, setup{resource: resource.NewSchemaless(g.poisonedPairs()...), labels: map[string]string{"cluster": "c"}})
	for range scrapes {
		s.data = append(g.poisonedScopes(), metricdata.ScopeMetrics{Scope: instrumentation.Scope{Name: "canary"}, Metrics: []metricdata.Metrics{
			{Name: "the.canary", Data: metricdata.Gauge[int64]{DataPoints: []metricdata.DataPoint[int64]{{Value: 7}}}},
		}})
		for _, accept := range accepts {
			alive := false
			for _, sample := range scrape(t, ours, accept).samples {
				alive = alive || strings.HasSuffix(sample.name(), "canary") && sample.value == 7
			}
			if !alive {
				t.Fatalf("seed %d: the canary is gone from the answer to %q", seed, accept)
			}
		}
	}
}

func (g generator) poisonedPairs() []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, g.IntN(4))
	for i := range kvs {
		kvs[i] = attribute.String(g.text(poisoned), g.text(poisoned))
	}
	return kvs
}

// poisonedScopes is valid data, then broken: names that clash, series that are there twice, points out of order.
func (g generator) poisonedScopes() []metricdata.ScopeMetrics {
	scopes := g.scopes()
	for i := range scopes {
		scope := &scopes[i].Scope
		scope.Name, scope.Version, scope.SchemaURL = g.text(poisoned), g.text(poisoned), g.text(poisoned)
		scope.Attributes = attribute.NewSet(g.poisonedPairs()...)
		for j := range scopes[i].Metrics {
			m := &scopes[i].Metrics[j]
			m.Name, m.Unit, m.Description = g.text(poisoned), g.text(poisoned), g.text(poisoned)
			g.spoil(m)
		}
	}
	return scopes
}

func (g generator) spoil(m *metricdata.Metrics) {
	switch d := m.Data.(type) {
	case metricdata.Sum[int64]:
		spoilPoints(g, d.DataPoints)
	case metricdata.Gauge[float64]:
		spoilPoints(g, d.DataPoints)
	case metricdata.Histogram[float64]:
		for i := range d.DataPoints {
			dp := &d.DataPoints[i]
			dp.Attributes, dp.Count = attribute.NewSet(g.poisonedPairs()...), g.Uint64()
			if n := len(dp.Bounds); n > 0 && g.IntN(2) == 0 {
				dp.Bounds = append([]float64{math.NaN()}, dp.Bounds[1:]...)
				dp.BucketCounts = dp.BucketCounts[:g.IntN(n)]
			}
			spoilExemplars(g, dp.Exemplars)
		}
	case metricdata.ExponentialHistogram[int64]:
		for i := range d.DataPoints {
			dp := &d.DataPoints[i]
			dp.Attributes, dp.Scale, dp.ZeroThreshold = attribute.NewSet(g.poisonedPairs()...), int32(g.Uint32()), pick(g, floats)
			dp.PositiveBucket.Offset = int32(g.Uint32())
			spoilExemplars(g, dp.Exemplars)
		}
	case metricdata.Histogram[int64]:
		m.Data = metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
			Attributes: attribute.NewSet(g.poisonedPairs()...), Count: g.Uint64(), Sum: pick(g, floats),
			QuantileValues: []metricdata.QuantileValue{{Quantile: pick(g, floats), Value: pick(g, floats)}},
		}}}
	case metricdata.ExponentialHistogram[float64]:
		m.Data = nil
	}
}

func spoilPoints[N int64 | float64](g generator, dps []metricdata.DataPoint[N]) {
	for i := range dps {
		dps[i].Attributes = attribute.NewSet(g.poisonedPairs()...)
		spoilExemplars(g, dps[i].Exemplars)
	}
}

func spoilExemplars[N int64 | float64](g generator, all []metricdata.Exemplar[N]) {
	for i := range all {
		all[i].FilteredAttributes, all[i].Time = g.poisonedPairs(), pick(g, []time.Time{{}, g.began, time.Unix(1e15, 0)})
		all[i].Value = N(pick(g, floats))
	}
}
