package e2e

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
	"github.com/duotel/duotel/e2e/service"
	"github.com/duotel/duotel/exporter"
)

const (
	// shortSoak is how long the soak takes unless DURATION says otherwise.
	shortSoak = 30 * time.Second
	// scrapeDeadline is a tenth of what Prometheus allows by default, with the margin of a busy machine.
	scrapeDeadline = time.Second
	// heapGrowth and goroutineGrowth are what the last third of the soak may have above the first third after
	// the warm-up.
	heapGrowth      = 8 << 20
	goroutineGrowth = 12
	// away is how long the Collector is gone.
	away = 3 * time.Second
)

// soak is a service under load and what was seen of it.
type soak struct {
	service   *service.Service
	collector *servers.Collector
	churn     *prometheus.GaugeVec
	beats     int
	bounces   int
	back      time.Duration // when the Collector that is away comes back
	slowest   time.Duration
	heap      []uint64
	goroutine []int
}

// TestSoak is a day in minutes: load, a scrape every second, deltas every two, series that come and go, and a Collector that
// goes away every so often. Nothing grows, no scrape is late and no count is lost.
func TestSoak(t *testing.T) {
	duration := soakDuration(t)
	s := startSoak(t)
	started := time.Now()
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for time.Since(started) < duration {
		<-beat.C
		s.beat(t, time.Since(started), duration)
	}
	if s.collector.Stopped() {
		s.collector.Start()
	}
	settle(t, s.service)
	if err := s.service.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.check(t, duration)
}

func soakDuration(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("DURATION")
	if text == "" {
		return shortSoak
	}
	duration, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("soak: DURATION=%q: not a duration; such as 5m", text)
	}
	return duration
}

func startSoak(t *testing.T) *soak {
	t.Helper()
	s := &soak{collector: servers.StartCollector(t, servers.CollectorConfig{})}
	cfg := base(s.collector.HTTP)
	cfg.Push.Temporality, cfg.Push.Interval, cfg.Push.ExportTimeout = exporter.TemporalityDelta, 2*time.Second, time.Second
	s.service = service.Start(t, cfg)
	s.churn = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "e2e_churn", Help: "Series that come and go."}, []string{"beat"})
	s.service.SDK.Registerer().MustRegister(s.churn)
	return s
}

// beat is one second of it. What it does is a second's work on a slow machine, so that the load is steady.
func (s *soak) beat(t *testing.T, at, duration time.Duration) {
	s.beats++
	s.service.Record(t.Context(), 200)
	s.service.Round(t.Context())
	for n := range 20 {
		s.churn.WithLabelValues(fmt.Sprint(s.beats, "-", n)).Set(1)
		s.churn.DeleteLabelValues(fmt.Sprint(s.beats-5, "-", n))
	}
	start := time.Now()
	body(t, s.service.Metrics, []string{"text/plain", acceptOpenMetrics}[s.beats%2])
	s.slowest = max(s.slowest, time.Since(start))
	s.bounce(at, duration)
	s.sample()
}

// bounce takes the Collector away for three seconds at a third and at two thirds of the time.
func (s *soak) bounce(at, duration time.Duration) {
	switch {
	case s.collector.Stopped():
		if at >= s.back {
			s.collector.Start()
		}
	case s.bounces < 2 && at >= time.Duration(s.bounces+1)*duration/3:
		s.collector.Stop()
		s.bounces++
		s.back = at + away
	}
}

func (s *soak) sample() {
	http.DefaultClient.CloseIdleConnections()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s.heap = append(s.heap, m.HeapAlloc)
	s.goroutine = append(s.goroutine, runtime.NumGoroutine())
}

// check compares the last third with the first third after a warm-up of a fifth, at most a minute.
func (s *soak) check(t *testing.T, duration time.Duration) {
	warm := min(len(s.heap)/5, 60)
	third := (len(s.heap) - warm) / 3
	heapBefore, heapAfter := median(s.heap[warm:warm+third]), median(s.heap[len(s.heap)-third:])
	before, after := median(s.goroutine[warm:warm+third]), median(s.goroutine[len(s.goroutine)-third:])
	t.Logf("heap %d then %d KiB, goroutines %d then %d, slowest scrape %v", heapBefore>>10, heapAfter>>10, before, after, s.slowest)
	if heapAfter > heapBefore+heapGrowth {
		t.Errorf("the heap grew from %d to %d bytes", heapBefore, heapAfter)
	}
	if after > before+goroutineGrowth {
		t.Errorf("goroutines grew from %d to %d", before, after)
	}
	if s.slowest > scrapeDeadline {
		t.Errorf("the slowest scrape took %v", s.slowest)
	}
	status := s.service.SDK.Status().Push
	if status.PointsLost+status.SeriesLost > 0 || status.Failures["refused"] == 0 {
		t.Errorf("status: %d points and %d series lost, failures %v; want none, and some for refused connections", status.PointsLost, status.SeriesLost, status.Failures)
	}
	left, right := totals(t, s.service, s.collector, exporter.TemporalityDelta)
	expectNoneLost(t, left, right, status.AmbiguousRequests)
	result := compare.Diff(left, right, compare.Moving)
	if status.AmbiguousRequests == 0 {
		expectEqual(t, result)
	}
	s.report(duration, result, before, after, heapBefore, heapAfter)
}

func (s *soak) report(duration time.Duration, result compare.Result, before, after int, heapBefore, heapAfter uint64) {
	path := fmt.Sprintf("soak of %v: counts, %d requests, heap %d to %d KiB, goroutines %d to %d, slowest scrape %v",
		duration, s.service.Sent(), heapBefore>>10, heapAfter>>10, before, after, s.slowest.Round(time.Millisecond))
	add(row{duotel, "collector", servers.CollectorTool.Version, path, result.Compared, differences(result)})
}

func median[T int | uint64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
