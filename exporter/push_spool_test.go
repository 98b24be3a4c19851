package exporter_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/spooldisk"
)

// process is one life of a service with a spool.
type process struct {
	*exporter.Push
	load *load
}

func newProcess(t *testing.T, cfg exporter.PushConfig, seed uint64, disks ...spooldisk.Disk) *process {
	source, meter := newSource(t)
	cfg.Temporality = exporter.TemporalityDelta
	cfg.Producers = []sdkmetric.Producer{source.Producer(nil)}
	p, _ := newPush(t, cfg, disks...)
	return &process{p, newLoad(t, seed, meter)}
}

// A process that stops during an outage leaves what it owes to the next one. Every point arrives
// once.
func TestKillDrillWithSpool(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		cfg := b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir(), MaxExportBatchSize: 50})
		want := map[cell]uint64{}
		for life := range uint64(5) {
			for c, n := range dieInAnOutage(t, b, cfg, life) {
				want[c] += n
			}
		}
		if got := len(b.all()); got != 0 {
			t.Fatalf("%d requests arrived during the outage", got)
		}
		b.set(up)
		last := newProcess(t, cfg, 9)
		if err := last.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t); !maps.Equal(got, want) {
			t.Errorf("received %d, recorded %d", total(got), total(want))
		}
		if s := last.Stats(); s.PointsReplayed == 0 || s.SpoolRequests != 0 || s.PointsLost != 0 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func dieInAnOutage(t *testing.T, b *backend, cfg exporter.PushConfig, seed uint64) map[cell]uint64 {
	p := newProcess(t, cfg, seed)
	for range 3 {
		b.set(fault(1 + p.load.rng.IntN(int(faults)-1)))
		p.load.run(t.Context(), 200)
		_ = p.ForceFlush(t.Context())
	}
	p.load.run(t.Context(), 200)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if err := p.Shutdown(ctx); err == nil {
		t.Error("Shutdown does not say that the backend is down")
	}
	if s := p.Stats(); s.PointsLost != 0 || s.PointsSpooled == 0 || s.SpoolRequests == 0 || s.SpoolBytes == 0 {
		t.Errorf("life %d: %+v", seed, s)
	}
	return p.load.sums
}

// What was spooled keeps its own times and order, and goes out before what is newer; nothing secret
// is on the disk.
func TestPushSpoolKeepsTimesAndOrder(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.set(unavailable)
		dir, at := t.TempDir(), time.Unix(1000, 0)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{
			SpoolDir: dir, Compression: exporter.CompressionGzip, Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer hunter2"}),
			Producers: []sdkmetric.Producer{produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
				at = at.Add(time.Minute)
				points := []metricdata.DataPoint[int64]{{Time: at, Value: at.Unix()}}
				return []metricdata.ScopeMetrics{{Scope: instrumentation.Scope{Name: "s"}, Metrics: []metricdata.Metrics{
					{Name: "g", Data: metricdata.Gauge[int64]{DataPoints: points}},
				}}}, nil
			})},
		}))
		for range 3 {
			if err := p.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "in the spool") {
				t.Fatalf("ForceFlush: %v", err)
			}
		}
		checkNoSecret(t, dir)
		b.set(up)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := minutes(t, b); fmt.Sprint(got) != "[1 2 3 4]" {
			t.Errorf("arrived in the order %v", got)
		}
	})
}

// minutes is the values that arrived, which are also the points' times.
func minutes(t *testing.T, b *backend) (got []int64) {
	for _, a := range b.all() {
		point := a.request.GetResourceMetrics()[0].GetScopeMetrics()[0].GetMetrics()[0].GetGauge().GetDataPoints()[0]
		if point.GetTimeUnixNano() != uint64(point.GetAsInt())*1e9 {
			t.Errorf("the time of %d is %d", point.GetAsInt(), point.GetTimeUnixNano())
		}
		if a.header.Get("Authorization") != "Bearer hunter2" {
			t.Error("a replay went out without headers")
		}
		got = append(got, (point.GetAsInt()-1000)/60)
	}
	return got
}

func checkNoSecret(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.otlp"))
	if err != nil || len(files) != 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(content), "hunter2") {
			t.Errorf("%s: %v, or it has a header in it", name, err)
		}
	}
}

// A request in the spool that the backend will never take does not hold up what is new, and does not stay for ever.
func TestPushSpoolGivesUpWhatIsRefused(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()}))
		b.set(unavailable)
		for range 2 {
			_ = p.ForceFlush(t.Context())
		}
		b.set(up)
		var never uint64 // the time of the oldest point
		b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
			at := a.metrics()[0].GetGauge().GetDataPoints()[0].GetTimeUnixNano()
			if never == 0 {
				never = at
			}
			if at != never {
				return nil, nil
			}
			return respond(400, "", ""), refuse(codes.InvalidArgument, "")
		})
		for i := range 3 {
			if err := p.ForceFlush(t.Context()); (err == nil) != (i == 2) {
				t.Errorf("push %d: %v", i, err)
			}
			if s := p.Stats(); s.PointsSent-s.PointsReplayed != int64(i+1) {
				t.Errorf("push %d: what is new did not arrive: %+v", i, s)
			}
		}
		if s := p.Stats(); s.PointsReplayed != 1 || s.PointsLost != 1 || s.PointsSetAside != 1 || s.SpoolRequests != 0 || s.PointsSent != 4 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// What a partial success refuses out of the spool is not taken for a part of the push that follows.
func TestPushSpoolCountsRejectionsApart(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()}))
		b.set(unavailable)
		_ = p.ForceFlush(t.Context())
		b.set(up)
		b.judgeBy(func(arrival) (httpAnswer, grpcReply) {
			if len(b.arrivals) > 0 {
				return respond(503, "", ""), refuse(codes.Unavailable, "")
			}
			return partial(t, 1)
		})
		if err := p.Shutdown(t.Context()); err == nil {
			t.Error("the backend went away, and there is no error")
		}
		if s := p.Stats(); s.PointsRejected != 1 || s.PointsSpooled != 2 || s.PointsLost != 0 || s.SpoolRequests != 1 {
			t.Errorf("stats: %+v", s)
		}
	})
}

func TestNewPushNeedsASpoolItCanWriteTo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := exporter.NewPush(t.Context(), exporter.PushConfig{Endpoint: "http://127.0.0.1:4318/v1/metrics", SpoolDir: file})
	if err == nil || !strings.Contains(err.Error(), "SpoolDir") || !strings.Contains(err.Error(), file) {
		t.Errorf("NewPush: %v", err)
	}
}
