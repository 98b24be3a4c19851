package exporter_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/spooldisk"
)

var protocols = []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC}

// bubble is t.Run with a clock of its own: nothing takes time but waiting.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// everyProtocol runs test in a bubble for each protocol, with a backend.
func everyProtocol(t *testing.T, test func(t *testing.T, p exporter.Protocol, b *backend)) {
	t.Helper()
	for _, p := range protocols {
		bubble(t, string(p), func(t *testing.T) { test(t, p, newBackend(t)) })
	}
}

// produce is a producer made of a function.
type produce func(context.Context) ([]metricdata.ScopeMetrics, error)

func (p produce) Produce(ctx context.Context) ([]metricdata.ScopeMetrics, error) { return p(ctx) }

// gauge produces one gauge.
func gauge(name string, value int64) sdkmetric.Producer {
	return produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
		points := []metricdata.DataPoint[int64]{{Time: time.Now(), Value: value}}
		m := metricdata.Metrics{Name: name, Data: metricdata.Gauge[int64]{DataPoints: points}}
		return []metricdata.ScopeMetrics{{Metrics: []metricdata.Metrics{m}}}, nil
	})
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) count(part string) int { return strings.Count(l.String(), part) }

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// newPush starts a push that only pushes when told to, with its spool on the last of disks or else on the operating system's.
func newPush(tb testing.TB, cfg exporter.PushConfig, disks ...spooldisk.Disk) (*exporter.Push, *lines) {
	tb.Helper()
	log := new(lines)
	if cfg.Logger == nil {
		cfg.Logger = log.logger()
	}
	if cfg.Interval == 0 {
		cfg.Interval = 10000 * time.Hour
	}
	if cfg.Producers == nil {
		cfg.Producers = []sdkmetric.Producer{gauge("g", 1)}
	}
	ctx := context.Background()
	for _, disk := range disks {
		ctx = spooldisk.NewContext(ctx, disk)
	}
	p, err := exporter.NewPush(ctx, cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_ = p.Shutdown(ctx)
	})
	return p, log
}
