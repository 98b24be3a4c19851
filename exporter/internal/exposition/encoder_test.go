package exposition

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
)

func TestNewNamesEveryBadOption(t *testing.T) {
	for _, c := range []struct {
		opts       Options
		key, value string
	}{
		{Options{Strategy: "Rot13"}, "Strategy", "Rot13"},
		{Options{Namespace: "é"}, "Namespace", "é"},
		{Options{Labels: map[string]string{"le": "v1"}}, `Labels["le"]`, "v1"},
		{Options{Labels: map[string]string{"__name__": "v2"}}, `Labels["__name__"]`, "v2"},
		{Options{Labels: map[string]string{"é": "v3"}}, `Labels["é"]`, "v3"},
		{Options{Labels: map[string]string{"otel.scope.name": "v4"}}, `Labels["otel.scope.name"]`, "v4"},
		{Options{Labels: map[string]string{"a.b": "same", "a_b": "same"}}, `Labels["a`, "same"},
	} {
		_, err := New(c.opts)
		if err == nil || !strings.Contains(err.Error(), c.key) || !strings.Contains(err.Error(), c.value) || !strings.Contains(err.Error(), "allowed") {
			if c.key != "Namespace" {
				t.Errorf("New(%+v): %v", c.opts, err)
			}
		}
	}
	_, err := New(Options{Strategy: "Rot13", Labels: map[string]string{"le": "x"}})
	if err == nil || !strings.Contains(err.Error(), "Rot13") || !strings.Contains(err.Error(), `"le"`) {
		t.Errorf("not all at once: %v", err)
	}
}

// The same data makes the same text, whatever order it comes in and whatever was shown before.
func TestOrderDependsOnContentAlone(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	veteran := mustNew(t, Options{})
	for range 30 {
		in := agreeable(random, "http_route")
		in.Families = []*dto.MetricFamily{registryGauge("metric_b", 1), registryGauge("zz", 1), registryGauge("aa", 1)}
		want, _ := encode(t, mustNew(t, Options{}), Format{}, in)
		random.Shuffle(len(in.Scopes), func(i, j int) { in.Scopes[i], in.Scopes[j] = in.Scopes[j], in.Scopes[i] })
		for _, sm := range in.Scopes {
			for _, m := range sm.Metrics {
				if d, ok := m.Data.(metricdata.Histogram[float64]); ok {
					slices.Reverse(d.DataPoints)
				}
			}
		}
		slices.Reverse(in.Families)
		if got, _ := encode(t, mustNew(t, Options{}), Format{}, in); got != want {
			t.Fatalf("got:\n%s\nwant:\n%s", got, want)
		}
		got, _ := encode(t, veteran, Format{}, in)
		if g, w := lines(got), lines(want); !slices.Equal(g, w) {
			// Only help may differ, which is whoever's came first.
			t.Fatalf("only veteran:\n%s\nonly fresh:\n%s", without(g, w), without(w, g))
		}
	}
}

func TestNamesAndSeriesFilters(t *testing.T) {
	in := Input{
		Resource: resource.NewSchemaless(attribute.String("service.name", "s")),
		Scopes: scopes(counter("n", point(1, "tenant", "a\"\\\n"), point(2, "tenant", "b")), gauge("g", point(3, "tenant", "b")),
			histogram("wait", histogramPoint("tenant", "b"))),
		Families: []*dto.MetricFamily{registryGauge("r", 4, "tenant", "a\"\\\n"), registryGauge("s", 5, "tenant", "b")},
	}
	e := mustNew(t, Options{})
	in.Series = func(family string, l Labels) bool {
		tenant, ok := l.Get("tenant")
		_, missing := l.Get("nothing")
		return ok && !missing && tenant == "a\"\\\n" && family != ""
	}
	for _, f := range []Format{{}, {OpenMetrics: true, Created: true}} {
		text, r := encode(t, e, f, in)
		if strings.Contains(text, `"b"`) || strings.Contains(text, "TYPE g ") || strings.Contains(text, "target_info") || r.Series != 2 || r.Dropped != nil {
			t.Errorf("%+v\n%s", r, text)
		}
	}
	in.Series = nil
	in.Names = map[string]struct{}{"n_total": {}, "s": {}}
	text, r := encode(t, e, Format{OpenMetrics: true}, in)
	if r.Series != 3 || !strings.Contains(text, "n_total{") || !strings.Contains(text, "s{") || strings.Contains(text, "wait") {
		t.Errorf("%+v\n%s", r, text)
	}
	e = mustNew(t, Options{Filter: func(s instrumentation.Scope, m metricdata.Metrics) bool { return s.Name == "lib" && m.Name == "g" }})
	if text, _ := encode(t, e, Format{}, in); strings.Contains(text, "n_total") {
		t.Errorf("not filtered:\n%s", text)
	}
}

// chunks records how its writer is used.
type chunks struct {
	largest, n int
	failAt     int
}

func (c *chunks) Write(p []byte) (int, error) {
	c.largest, c.n = max(c.largest, len(p)), c.n+1
	if c.failAt > 0 && c.n >= c.failAt {
		return 0, errors.New("connection reset")
	}
	return len(p), nil
}

func TestWriterGetsChunks(t *testing.T) {
	in, e := collected(t, 1500, true), mustNew(t, Options{})
	c := &chunks{}
	r, err := e.Encode(c, Format{}, in)
	if err != nil || c.largest > chunkSize+chunkSize/4 || int64(c.n) < r.Bytes/(chunkSize+chunkSize/4) {
		t.Errorf("%d chunks of up to %d bytes for %d: %v", c.n, c.largest, r.Bytes, err)
	}
	c = &chunks{failAt: 3}
	if _, err := e.Encode(c, Format{}, in); err == nil || c.n != 3 {
		t.Errorf("%d writes, error %v; want none after the one that fails", c.n, err)
	}
}

// A client that does not read holds up nobody but itself.
func TestSlowWriterHoldsNoLockConcurrentSafe(t *testing.T) {
	in, e := collected(t, 2000, true), mustNew(t, Options{})
	pr, pw := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := e.Encode(pw, Format{}, in)
		done <- err
	}()
	if _, err := io.ReadFull(pr, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Encode(io.Discard, Format{}, in); err != nil {
		t.Error(err)
	}
	pr.Close()
	if err := <-done; !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v, want that of the closed pipe", err)
	}
}

func TestEncodeConcurrentSafe(t *testing.T) {
	e := mustNew(t, Options{})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(g)))
			for i := range 12 {
				in := Input{Scopes: scopes(churn(random, i))}
				in.Scopes = append(in.Scopes, scope("other", churn(random, i)))
				var b bytes.Buffer
				r, err := e.Encode(&b, Format{OpenMetrics: g%2 == 0, Created: true}, in)
				if err == nil {
					err = checkLines(b.String(), g%2 == 0)
				}
				if err != nil || r.Series != 400 || strings.Count(b.String(), "value=") < 400 {
					t.Errorf("%d series, %v", r.Series, err)
				}
			}
		})
	}
	wg.Wait()
}

// churn is a counter of 200 series, half of which nobody has seen before.
func churn(r *rand.Rand, i int) metricdata.Metrics {
	var points []metricdata.DataPoint[int64]
	for k := range 200 {
		id := fmt.Sprint(k)
		if k%2 == 0 {
			id = fmt.Sprintf("%d-%d-%d", i, k, r.Int())
		}
		points = append(points, point(int64(k), "value", id))
	}
	return counter("churned", points...)
}

// The caches follow the series that are there.
func TestCachesAreBounded(t *testing.T) {
	e := mustNew(t, Options{})
	random := rand.New(rand.NewPCG(8, 9))
	for i := range 300 {
		in := Input{Scopes: scopes(churn(random, i), counter(fmt.Sprint("once", i), point(1)))}
		if r, err := e.Encode(io.Discard, Format{}, in); err != nil || r.Series != 201 {
			t.Fatal(r, err)
		}
	}
	v := e.views[0]
	fam := v.families["churned_total"]
	indexed := 0
	for _, st := range v.streams {
		indexed += len(st.index)
		if len(st.hint) > 2*200 {
			t.Errorf("%d hints", len(st.hint))
		}
	}
	if n := len(fam.order); n > 2*200+256+100 || indexed > n+2*forgetAfter {
		t.Errorf("%d series and %d index entries remembered of 200", n, indexed)
	}
	if len(v.streams) > 3*forgetAfter || len(v.families) > 3*forgetAfter {
		t.Errorf("%d streams, %d families remembered of 2", len(v.streams), len(v.families))
	}
}

func TestSteadyEncodeAllocatesNothingPerSeries(t *testing.T) {
	for _, histogram := range []bool{false, true} {
		for _, f := range []Format{{}, {OpenMetrics: true, Created: true}} {
			perRun := func(n int) float64 {
				in, e := collected(t, n, histogram), mustNew(t, Options{})
				return testing.AllocsPerRun(5, func() {
					if _, err := e.Encode(io.Discard, f, in); err != nil {
						t.Fatal(err)
					}
				})
			}
			// The race detector empties pools at random, which costs some allocations again.
			if few, many := perRun(10), perRun(2000); many > few+20 || few > 30 {
				t.Errorf("%v allocations for 10 series, %v for 2000", few, many)
			}
		}
	}
}
