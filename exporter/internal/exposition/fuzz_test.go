package exposition

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

// vocabulary is what generated names and values are made of, good and bad.
var vocabulary = []string{
	"", "a", "a.b", "a_b", "a/b", "é", "___", "__name__", "le", "quantile", "otel.scope.name", "x\xff\xfe", "a:b", "1st", "total", "a_total",
	"a_bucket", "a_sum", "a_count", "a_created", "target.info", "line\nbreak", `quo"te`, `back\slash`, "} ", "# EOF", "世界", "\x00",
}

// poisoner makes data of every kind with everything wrong with it. word comes into it here and there.
type poisoner struct {
	*rand.Rand
	word string
}

func (p poisoner) text() string {
	if p.IntN(6) == 0 {
		return p.word
	}
	return vocabulary[p.IntN(len(vocabulary))]
}

func (p poisoner) float() float64 {
	return [...]float64{0, 1, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 5e-324, p.NormFloat64()}[p.IntN(9)]
}

func (p poisoner) count() uint64 { return p.Uint64() >> p.IntN(64) }

func (p poisoner) time() time.Time {
	return [...]time.Time{{}, began, time.Unix(math.MaxInt32*1e6, 0), time.Unix(-1, 0)}[p.IntN(4)]
}

func (p poisoner) set() attribute.Set {
	var kvs []attribute.KeyValue
	for range p.IntN(4) {
		kvs = append(kvs, attribute.String(p.text(), p.text()))
	}
	return attribute.NewSet(kvs...)
}

func poisonedExemplars[N int64 | float64](p poisoner) []metricdata.Exemplar[N] {
	exemplars := make([]metricdata.Exemplar[N], p.IntN(3))
	for i := range exemplars {
		exemplars[i] = metricdata.Exemplar[N]{Value: N(p.IntN(9)), Time: p.time(), TraceID: traceID[:p.IntN(16)]}
		exemplars[i].FilteredAttributes = append(exemplars[i].FilteredAttributes, attribute.String(p.text(), strings.Repeat(p.text(), p.IntN(40))))
	}
	return exemplars
}

func poisonedPoints[N int64 | float64](p poisoner, value func() N) []metricdata.DataPoint[N] {
	points := make([]metricdata.DataPoint[N], p.IntN(5))
	for i := range points {
		points[i] = metricdata.DataPoint[N]{Attributes: p.set(), StartTime: p.time(), Value: value(), Exemplars: poisonedExemplars[N](p)}
	}
	return points
}

func (p poisoner) histogramPoints() []metricdata.HistogramDataPoint[float64] {
	points := make([]metricdata.HistogramDataPoint[float64], p.IntN(5))
	for i := range points {
		points[i] = metricdata.HistogramDataPoint[float64]{
			Attributes: p.set(), StartTime: p.time(), Count: p.count(), Sum: p.float(),
			Exemplars: poisonedExemplars[float64](p),
		}
		for b := range p.IntN(4) {
			points[i].Bounds = append(points[i].Bounds, [...]float64{float64(b), p.float()}[p.IntN(8)/7])
		}
		for range p.IntN(6) {
			points[i].BucketCounts = append(points[i].BucketCounts, p.count())
		}
	}
	return points
}

func (p poisoner) exponentialPoints() []metricdata.ExponentialHistogramDataPoint[int64] {
	points := make([]metricdata.ExponentialHistogramDataPoint[int64], p.IntN(5))
	for i := range points {
		points[i] = metricdata.ExponentialHistogramDataPoint[int64]{
			Attributes: p.set(), StartTime: p.time(), Count: p.count(), Sum: p.Int64(),
			Scale: int32(p.Uint32()) >> p.IntN(32), ZeroCount: p.count(), ZeroThreshold: p.float(),
			PositiveBucket: p.bucket(), NegativeBucket: p.bucket(), Exemplars: poisonedExemplars[int64](p),
		}
		if p.IntN(3) > 0 { // else it contradicts itself
			points[i].ZeroCount = p.Uint64N(9)
			points[i].Count = points[i].ZeroCount
			for _, n := range slices.Concat(points[i].PositiveBucket.Counts, points[i].NegativeBucket.Counts) {
				points[i].Count += n
			}
		}
	}
	return points
}

func (p poisoner) bucket() metricdata.ExponentialBucket {
	b := metricdata.ExponentialBucket{Offset: int32(p.Uint32()) >> p.IntN(32), Counts: make([]uint64, p.IntN(200))}
	for i := range b.Counts {
		b.Counts[i] = p.Uint64N(4)
	}
	return b
}

func (p poisoner) metric() metricdata.Metrics {
	m := metricdata.Metrics{Name: p.text(), Description: p.text(), Unit: p.text()}
	switch p.IntN(8) {
	case 0:
		m.Data = metricdata.Sum[int64]{IsMonotonic: p.IntN(2) == 0, DataPoints: poisonedPoints(p, p.Int64)}
	case 1:
		m.Data = metricdata.Sum[float64]{IsMonotonic: p.IntN(2) == 0, DataPoints: poisonedPoints(p, p.float)}
	case 2:
		m.Data = metricdata.Gauge[int64]{DataPoints: poisonedPoints(p, p.Int64)}
	case 3:
		m.Data = metricdata.Gauge[float64]{DataPoints: poisonedPoints(p, p.float)}
	case 4:
		m.Data = metricdata.Histogram[float64]{DataPoints: p.histogramPoints()}
	case 5:
		m.Data = metricdata.ExponentialHistogram[int64]{DataPoints: p.exponentialPoints()}
	case 6:
		m.Data = metricdata.Summary{DataPoints: []metricdata.SummaryDataPoint{{
			Attributes: p.set(), Count: p.count(), Sum: p.float(),
			StartTime: p.time(), QuantileValues: []metricdata.QuantileValue{{Quantile: 0.5, Value: p.float()}},
		}}}
	}
	return m
}

func (p poisoner) input() Input {
	set := p.set()
	in := Input{Resource: resource.NewSchemaless(set.ToSlice()...)}
	for range p.IntN(4) {
		sm := scope(p.text())
		sm.Scope.Version, sm.Scope.SchemaURL, sm.Scope.Attributes = p.text(), p.text(), p.set()
		for range p.IntN(8) {
			sm.Metrics = append(sm.Metrics, p.metric())
		}
		in.Scopes = append(in.Scopes, sm)
	}
	for range p.IntN(4) {
		in.Families = append(in.Families, registryGauge(p.text(), p.float(), p.text(), p.text()))
	}
	return in
}

func (p poisoner) options() Options {
	opts := Options{WithoutScopeInfo: p.IntN(3) == 0, WithUnits: p.IntN(2) == 0, Strategy: [...]otlptranslator.TranslationStrategyOption{
		"", otlptranslator.UnderscoreEscapingWithoutSuffixes, otlptranslator.NoUTF8EscapingWithSuffixes, otlptranslator.NoTranslation,
	}[p.IntN(4)]}
	if p.IntN(3) == 0 {
		opts.Labels = map[string]string{"a": p.text()}
	}
	return opts
}

// checkPoisoned encodes generated data, three times with the same caches, in all three formats. What is shown and what is
// left out is the same in all.
func checkPoisoned(t *testing.T, seed uint64, word string) {
	p := poisoner{Rand: rand.New(rand.NewPCG(seed, 1)), word: word}
	e := mustNew(t, p.options())
	for range 3 {
		in := p.input()
		scheme := model.EscapingScheme(p.IntN(4))
		var answers []string
		for _, f := range []Format{{Escaping: scheme}, {OpenMetrics: true, Created: true, Escaping: scheme}, {Protobuf: true, Escaping: scheme}} {
			shown := 0
			var series []string
			in.Series = func(family string, l Labels) bool {
				labels := family
				for name, value := range l.All() {
					if name == "" {
						t.Errorf("a label of %s has no name", family)
					}
					labels += fmt.Sprintf(",%q=%q", name, value)
				}
				series = append(series, labels)
				shown++
				return true
			}
			var text string
			var r Result
			if f.Protobuf {
				var families []*dto.MetricFamily
				families, r = decode(t, e, f, in)
				text = fmt.Sprint(families)
			} else {
				text, r = encode(t, e, f, in)
			}
			slices.Sort(series)
			slices.SortFunc(r.Dropped, func(a, b Dropped) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			answers = append(answers, fmt.Sprintf("%d series, %d repaired, dropped %+v, asked about %q", r.Series, r.Repaired, r.Dropped, series))
			if r.Series > shown || in.points() != r.Series+r.dropped() {
				t.Fatalf("%d points: %d series shown, %d asked about, %+v dropped\n%s", in.points(), r.Series, shown, r.Dropped, text)
			}
		}
		if answers[0] != answers[1] || answers[0] != answers[2] {
			t.Fatalf("three answers:\ntext:        %s\nOpenMetrics: %s\nprotobuf:    %s", answers[0], answers[1], answers[2])
		}
	}
}

// points is how many series there would be if all was well.
func (in *Input) points() int {
	n := len(in.Families) + 1
	for i := range in.Scopes {
		for _, m := range in.Scopes[i].Metrics {
			if p, _ := pointsOf(m.Data); p != nil {
				n += p.len()
			}
		}
	}
	return n
}

func (r *Result) dropped() int {
	n := 0
	for _, d := range r.Dropped {
		n += d.Series
	}
	return n
}

// Every point is either in the answer or in the list of what is not.
func TestNothingPoisonsTheAnswer(t *testing.T) {
	for seed := range uint64(60) {
		checkPoisoned(t, seed, "word")
	}
}

func FuzzEncode(f *testing.F) {
	for i, word := range vocabulary {
		f.Add(uint64(i), word)
	}
	f.Fuzz(checkPoisoned)
}

func TestFamiliesOfARegistryAreOneEach(t *testing.T) {
	in := Input{Families: []*dto.MetricFamily{registryGauge("b", 1), registryGauge("a", 1), registryGauge("b", 2)}}
	text, r := encode(t, mustNew(t, Options{}), Format{}, in)
	if strings.Index(text, "TYPE a ") > strings.Index(text, "TYPE b ") || r.Series != 2 || r.dropped() != 1 {
		t.Errorf("%+v\n%s", r, text)
	}
}
