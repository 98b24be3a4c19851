package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestScrapesUnderLoadConcurrentSafe scrapes 200 times at once, in every format, while 8 goroutines record
// and make series: every answer parses, and no counter ever goes down.
func TestScrapesUnderLoadConcurrentSafe(t *testing.T) {
	r := newPull(t, func(c *exporter.PullConfig) { c.MaxInFlight = 200; c.Timeout = 5 * time.Minute })
	requests := must(r.meter.Int64Counter("requests"))
	took := must(r.meter.Float64Histogram("took"))
	stop := make(chan struct{})
	var recorders sync.WaitGroup
	for worker := range 8 {
		recorders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				opt := metric.WithAttributes(attribute.Int("worker", worker), attribute.Int("i", min(i/200, 4)))
				requests.Add(t.Context(), 1, opt)
				took.Record(t.Context(), 0.1, opt)
				runtime.Gosched() // on two cores eight busy loops would leave the scrapes nothing
			}
		})
	}
	formats := []string{acceptText, acceptOpenMetrics, acceptProtobuf}
	var scrapers sync.WaitGroup
	for scraper := range 200 {
		scrapers.Go(func() {
			last := map[string]float64{}
			for round := range 2 {
				// The second round continues in another format: they show the same numbers.
				for series, v := range counters(t, r, formats[(scraper+round)%len(formats)]) {
					if v < last[series] {
						t.Errorf("%s went from %v to %v", series, last[series], v)
					}
					last[series] = v
				}
			}
		})
	}
	scrapers.Wait()
	close(stop)
	recorders.Wait()
}

// counters scrapes and returns the value of every counter, and of every histogram its count and its buckets.
func counters(t *testing.T, r *pullRig, accept string) map[string]float64 {
	w := r.get(http.MethodGet, "Accept", accept)
	if w.Code != http.StatusOK {
		t.Errorf("%s is answered %d: %s", accept, w.Code, w.Body)
		return nil
	}
	families, err := parsed(accept, w.Body.String())
	if err != nil {
		t.Errorf("the answer to %s does not parse: %v", accept, err)
		return nil
	}
	values := map[string]float64{}
	for name, mf := range families {
		if strings.HasSuffix(name, "_created") {
			continue // a time, and of OpenMetrics alone
		}
		for _, m := range mf.Metric {
			key := name
			for _, l := range m.Label {
				key += "," + l.GetName() + strconv.Quote(l.GetValue())
			}
			values[key] = m.GetCounter().GetValue() + m.GetUntyped().GetValue() + float64(m.GetHistogram().GetSampleCount())
			for _, b := range m.GetHistogram().GetBucket() {
				values[fmt.Sprint(key, " to ", b.GetUpperBound())] = float64(b.GetCumulativeCount())
			}
		}
	}
	if len(values) < 1 {
		t.Errorf("%s is answered without a series: %s", accept, w.Body)
	}
	return values
}

// parsed reads a page. Of OpenMetrics, a page without exemplars is text 0.0.4 whose counters have no type,
// and an end.
func parsed(accept, page string) (map[string]*dto.MetricFamily, error) {
	families := map[string]*dto.MetricFamily{}
	switch accept {
	case acceptProtobuf:
		decoder := expfmt.NewDecoder(strings.NewReader(page), expfmt.NewFormat(expfmt.TypeProtoDelim))
		for {
			mf := new(dto.MetricFamily)
			err := decoder.Decode(mf)
			if err == io.EOF {
				return families, nil
			}
			if err != nil || families[mf.GetName()] != nil {
				return nil, fmt.Errorf("after %d families, at %q: %w", len(families), mf.GetName(), err)
			}
			families[mf.GetName()] = mf
		}
	case acceptOpenMetrics:
		if !strings.HasSuffix("\n"+page, "\n# EOF\n") {
			return nil, errors.New("there is no end")
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(strings.NewReader(page))
}

// TestScrapesShareOneCollection has six scrapes at once, and one run of the callback and of the collector.
func TestScrapesShareOneCollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const scrapes = 6
		var called, gathered atomic.Int64
		callback, collector := make(chan struct{}), make(chan struct{})
		reg := prometheus.NewRegistry()
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "disk", Help: "h"}, func() float64 {
			gathered.Add(1)
			<-collector
			return 0
		}))
		r := newPull(t, func(c *exporter.PullConfig) { c.Gatherers = []prometheus.Gatherer{reg} })
		must(r.meter.Int64ObservableGauge("queue", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			called.Add(1)
			<-callback
			o.Observe(1)
			return nil
		})))
		var scrapers sync.WaitGroup
		for range scrapes {
			scrapers.Go(func() {
				if w := r.get(http.MethodGet); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "queue{") || !strings.Contains(w.Body.String(), "disk 0") {
					t.Errorf("answered %d: %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait() // all of them wait for the collector, since registries are gathered first
		close(collector)
		synctest.Wait() // and then for the callback
		close(callback)
		scrapers.Wait()
		if c, g := called.Load(), gathered.Load(); c != 1 || g != 1 {
			t.Errorf("%d scrapes at once called the callback %d times and the collector %d times, want once each", scrapes, c, g)
		}
	})
}
