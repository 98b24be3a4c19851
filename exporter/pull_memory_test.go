package exporter_test

import (
	"context"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// stalled is a client that takes the header, and of the body nothing until told to.
type stalled struct {
	header  http.Header
	once    sync.Once
	reached chan struct{}
	resume  chan struct{}
}

func (s *stalled) Header() http.Header { return s.header }
func (s *stalled) WriteHeader(int)     {}
func (s *stalled) Write(b []byte) (int, error) {
	s.once.Do(func() {
		close(s.reached)
		<-s.resume
	})
	return len(b), nil
}

// stall begins a scrape that stands still in its body. resume ends it.
func (r *pullRig) stall(headers ...string) (resume func()) {
	s := &stalled{header: http.Header{}, reached: make(chan struct{}), resume: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "/metrics", nil)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		r.ServeHTTP(s, req)
	}()
	<-s.reached
	return func() {
		close(s.resume)
		<-done
	}
}

func heapInUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools let go of what they have at the second
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestStalledClientHoldsNoLock measures what a scrape holds beyond the series, in units of its answer's size
// before compression. What streams holds a chunk or two, of an answer of any size; protobuf holds its largest family, which is
// most of this answer, because a family's length stands before it (ADR 0013).
func TestStalledClientHoldsNoLock(t *testing.T) {
	for name, tt := range map[string]struct {
		accept, encoding string
		most             float64
	}{
		"text":              {acceptText, "", 0.6},
		"text, gzip":        {acceptText, "gzip", 0.6},
		"text, zstd":        {acceptText, "zstd", 0.6},
		"OpenMetrics":       {acceptOpenMetrics, "", 0.6},
		"OpenMetrics, gzip": {acceptOpenMetrics, "gzip", 0.6},
		"protobuf":          {acceptProtobuf, "", 1.6},
		"protobuf, gzip":    {acceptProtobuf, "gzip", 1.6},
	} {
		t.Run(name, func(t *testing.T) {
			r := newPull(t, nil)
			r.fill(t)
			r.answerIn(t, tt.accept) // caches are the series', not the scrape's
			before, written := heapInUse(), r.Stats().Bytes
			resume := r.stall("Accept", tt.accept, "Accept-Encoding", tt.encoding)
			defer resume()
			held := heapInUse() - before
			r.answerIn(t, tt.accept)
			answer := r.Stats().Bytes - written
			if got := float64(held) / float64(answer); got > tt.most {
				t.Errorf("a scrape that stands still holds %d bytes, its answer has %d: %.1f times, want at most %v", held, answer, got, tt.most)
			}
			must(r.meter.Int64Counter("jobs")).Add(t.Context(), 1, metric.WithAttributes(attribute.String("id", "late")))
			if text := r.answerIn(t, tt.accept); !strings.Contains(text, `id="late"`) {
				t.Error("another scrape does not see what was recorded meanwhile")
			}
		})
	}
}

// fill makes series for many chunks of the encoder's.
func (r *pullRig) fill(t *testing.T) {
	c, h := must(r.meter.Int64Counter("jobs")), must(r.meter.Float64Histogram("took"))
	for i := range 1800 {
		at := metric.WithAttributes(attribute.String("id", strconv.Itoa(i)+strings.Repeat("x", 40)))
		c.Add(t.Context(), int64(i), at)
		if i%4 == 0 {
			h.Record(t.Context(), float64(i), at)
		}
	}
}
