package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
)

// broken is a collector whose metric is an error.
type broken struct{ prometheus.Collector }

func (broken) Describe(chan<- *prometheus.Desc) {}
func (broken) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.NewInvalidMetric(prometheus.NewDesc("broken", "h", nil, nil), errors.New("collector error"))
}

// heard is an error handler that remembers.
type heard struct {
	mu     sync.Mutex
	errors []string
}

func (h *heard) handle(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.errors = append(h.errors, err.Error())
}

func (h *heard) about(part string) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range h.errors {
		if strings.Contains(err, part) {
			n++
		}
	}
	return n
}

// badGatherers are the ways to fail, each with what the error says and what still comes of the gatherer.
func badGatherers() map[string]struct {
	gatherer  prometheus.Gatherer
	says      string
	remainder string
} {
	return map[string]struct {
		gatherer  prometheus.Gatherer
		says      string
		remainder string
	}{
		"collector fails":  {registry([]string{"beside"}, broken{}), "collector error", "beside"},
		"collector panics": {registry([]string{"beside"}, panicking{}), "collector bug", ""},
		"gatherer fails":   {prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return nil, errors.New("gatherer error") }), "gatherer error", ""},
		"gatherer panics":  {prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { panic("gatherer bug") }), "gatherer bug", ""},
	}
}

// TestF5BadGathererAtThePushExit has one beside a good registry: it alone is missing from each push, counted
// every time and named once, by the bridge's handler or, without one, in the log.
func TestF5BadGathererAtThePushExit(t *testing.T) {
	for name, bad := range badGatherers() {
		for _, handled := range []bool{true, false} {
			bubble(t, name+"/"+strconv.FormatBool(handled), func(t *testing.T) {
				b, h := newBackend(t), new(heard)
				handle := h.handle
				if !handled {
					handle = nil
				}
				p, log := newPush(t, b.to("", exporter.PushConfig{Producers: []sdkmetric.Producer{
					exporter.NewBridge([]prometheus.Gatherer{registry([]string{"before"}), bad.gatherer, registry([]string{"after"})}, nil, handle),
					gauge("g", 1),
				}}))
				for range 3 {
					if err := p.ForceFlush(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				for _, want := range []string{"before", "after", "g", bad.remainder} {
					if n := b.acceptedNames()[want]; want != "" && n != 3 {
						t.Errorf("%q arrived %d times, want 3", want, n)
					}
				}
				if s := p.Stats(); s.CollectErrors != 3 || s.State != exporter.PushHealthy {
					t.Errorf("%d errors counted, want one for each push: %+v", s.CollectErrors, s)
				}
				told, logged := h.about("push: left out of the push: "), log.count(bad.says)
				if told+logged != 1 || (told == 1) != handled || handled && h.about(bad.says) != 1 {
					t.Errorf("the handler has it %d times and the log %d times: %q\n%s", told, logged, h.errors, log)
				}
			})
		}
	}
}

// TestF5EveryBadGathererCounts has two in one gathering.
func TestF5EveryBadGathererCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h, bad := newBackend(t), new(heard), badGatherers()
		p, _ := newPush(t, b.to("", exporter.PushConfig{Producers: []sdkmetric.Producer{
			exporter.NewBridge([]prometheus.Gatherer{bad["gatherer fails"].gatherer, bad["gatherer panics"].gatherer}, nil, h.handle),
		}}))
		for i := range int64(2) {
			_ = p.ForceFlush(t.Context())
			if s := p.Stats(); s.CollectErrors != 2*(i+1) || h.about("gatherer error") != 1 || h.about("gatherer bug") != 1 {
				t.Errorf("push %d: %d errors counted, want two for each push, and told of once: %q", i, s.CollectErrors, h.errors)
			}
		}
	})
}

// TestF5HangingCollectorAtThePushExit costs its bridge, and of each push a part of the time.
func TestF5HangingCollectorAtThePushExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, hang := newBackend(t), make(chan struct{})
		stuck := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "stuck", Help: "h"}, func() float64 { <-hang; return 7 })
		p, log := newPush(t, b.to("", exporter.PushConfig{ExportTimeout: 20 * time.Second, Producers: []sdkmetric.Producer{
			exporter.NewBridge([]prometheus.Gatherer{registry([]string{"disk"}, stuck)}, nil, nil), gauge("g", 1),
		}}))
		for i := range 3 {
			begin := time.Now()
			if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "incomplete") {
				t.Errorf("%v, want to be told that the push lacks the registry's metrics", err)
			}
			// Half of the push's time goes to a producer, and half of that to its gathering.
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("push %d took %v, want 5 s", i, took)
			}
		}
		if s := p.Stats(); s.CollectErrors != 3 || b.acceptedNames()["g"] != 3 || log.count("level=WARN") != 2 || s.State != exporter.PushFailing {
			t.Errorf("%v arrived, want the others: %+v\n%s", b.acceptedNames(), s, log)
		}
		close(hang)
		synctest.Wait()
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.acceptedNames(); got["stuck"] != 1 || got["disk"] != 1 {
			t.Errorf("%v arrived; the collector works again", got)
		}
	})
}

// TestF5FailingGathererKeepsItsBaselines has a gatherer that fails for a while: what it counted before is not
// sent again when it is back, as it would be if its series were taken for gone.
func TestF5FailingGathererKeepsItsBaselines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const series = 4000 // more than are remembered of those that are gone
		b, reg, fails := newBackend(t), prometheus.NewRegistry(), false
		jobs := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "jobs_total", Help: "h"}, []string{"id"})
		reg.MustRegister(jobs)
		gatherer := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			if fails {
				return nil, errors.New("gatherer error")
			}
			return reg.Gather()
		})
		p, _ := newPush(t, b.to("", exporter.PushConfig{
			Temporality: exporter.TemporalityDelta, Producers: []sdkmetric.Producer{exporter.NewBridge([]prometheus.Gatherer{gatherer}, nil, nil)},
		}))
		for _, fails = range []bool{false, true, true, true, true, true, false} {
			for i := range series {
				jobs.WithLabelValues(strconv.Itoa(i)).Inc()
			}
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sent := 0.0
		for _, a := range b.all() {
			for _, m := range a.metrics() {
				for _, point := range m.GetSum().GetDataPoints() {
					sent += point.GetAsDouble()
				}
			}
		}
		if sent != 7*series {
			t.Errorf("%v were sent, want the %d that there were", sent, 7*series)
		}
	})
}

func TestBridgeFilters(t *testing.T) {
	admit := func(scope, name string) bool { return scope == "" && strings.HasPrefix(name, "keep") }
	reg := registry([]string{"keep_disk", "drop_disk"})
	scopes, err := exporter.NewBridge([]prometheus.Gatherer{reg}, admit, nil).Produce(t.Context())
	if err != nil || len(scopes) != 1 || len(scopes[0].Metrics) != 1 || scopes[0].Metrics[0].Name != "keep_disk" {
		t.Errorf("got %+v, %v; want keep_disk alone", scopes, err)
	}
}

// TestBridgeSaysWhatItLacks is for whoever asks it directly: all that could be had, and one error for the rest.
func TestBridgeSaysWhatItLacks(t *testing.T) {
	bad := badGatherers()
	bridge := exporter.NewBridge([]prometheus.Gatherer{bad["collector fails"].gatherer, bad["gatherer panics"].gatherer}, nil, nil)
	scopes, err := bridge.Produce(t.Context())
	if len(scopes) != 1 || len(scopes[0].Metrics) != 1 || scopes[0].Metrics[0].Name != "beside" {
		t.Errorf("got %+v, want what the failing collector has beside it", scopes)
	}
	for _, want := range []string{"collector error", "gatherer bug"} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("the error %v does not say %q once", err, want)
		}
	}
}

// TestF5BadGathererAtTheConsole is in the console's documents without what failed, and named once.
func TestF5BadGathererAtTheConsole(t *testing.T) {
	h := new(heard)
	for _, handle := range []func(error){h.handle, nil} {
		var out bytes.Buffer
		bridge := exporter.NewBridge([]prometheus.Gatherer{registry([]string{"good_disk"}, broken{})}, nil, handle)
		c := must(exporter.NewConsole(&out, nil, []sdkmetric.Producer{bridge}, time.Hour, 0, handle))
		for range 2 {
			if err := c.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := c.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(out.String(), `"good_disk"`); n != 3 {
			t.Errorf("the good gauge is written %d times, want 3", n)
		}
	}
	if n := h.about("collector error"); n != 1 || len(h.errors) != 1 {
		t.Errorf("told %q, want the failure once", h.errors)
	}
}
