package exporter_test

import (
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/exporter"
)

// TestScrapesUnderLoadConcurrentSafe scrapes 200 times at once while 8 goroutines record and make
// series: every answer parses, and no counter ever goes down.
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
	var scrapers sync.WaitGroup
	for scraper := range 200 {
		scrapers.Go(func() {
			last := map[string]float64{}
			for range 2 {
				for series, v := range counters(t, r, scraper) {
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

// counters scrapes and returns the value of every counter and the count of every histogram.
func counters(t *testing.T, r *pullRig, scraper int) map[string]float64 {
	w := r.get(http.MethodGet)
	if w.Code != http.StatusOK {
		t.Errorf("scraper %d is answered %d: %s", scraper, w.Code, w.Body)
		return nil
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Errorf("the answer does not parse: %v", err)
	}
	values := map[string]float64{}
	for name, mf := range families {
		for _, m := range mf.Metric {
			key := name
			for _, l := range m.Label {
				key += "," + strconv.Quote(l.GetValue())
			}
			values[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}
