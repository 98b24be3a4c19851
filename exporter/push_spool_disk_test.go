package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/exporter/internal/spool/spooltest"
)

// F48: a directory that lost its w bit. What can be read and not removed is sent once, and everybody can see it.
func TestPushSendsWhatCannotBeRemovedOnce(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		disk := spooltest.New(t.TempDir())
		p := owing(t, b, b.to(protocol, exporter.PushConfig{SpoolDir: "set"}), disk)
		disk.Fail(fs.ErrPermission, spooltest.Create, spooltest.Rename, spooltest.Remove)
		for range 10 {
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := b.received(t); !maps.Equal(got, p.load.sums) {
			t.Errorf("received %d, recorded %d", total(got), total(p.load.sums))
		}
		s := p.Stats()
		if s.AmbiguousRequests != 1 || s.SpoolRequests != 0 || s.PointsReplayed != 2*drillSeries || s.PointsLost != 0 {
			t.Errorf("%+v", s)
		}
		if s.SpoolFailures != 10 || !strings.Contains(s.SpoolError, "cannot be removed") || !strings.Contains(s.SpoolError, "permission denied") {
			t.Errorf("%+v", s)
		}
		disk.Fail(nil, spooltest.Create, spooltest.Rename, spooltest.Remove)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.SpoolError != "" || s.SpoolFailures != 10 || s.AmbiguousRequests != 1 {
			t.Errorf("mended: %+v", s)
		}
	})
}

// The same for a part: the rest of a request that was halved cannot be written, because the disk is full.
func TestPushSendsWhatCannotBeReplacedOnce(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		disk := spooltest.New(t.TempDir())
		p := owing(t, b, b.to(protocol, exporter.PushConfig{SpoolDir: "set"}), disk)
		disk.Fail(errFull, spooltest.Write)
		accepted := 0
		b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
			switch {
			case a.points() > 30:
				return tooLarge()
			case accepted == 5:
				return respond(503, "", ""), refuse(codes.Unavailable, "")
			}
			accepted++
			return nil, nil
		})
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Error("the backend went away, and there is no error")
		}
		b.limit(1000)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t); !maps.Equal(got, p.load.sums) {
			t.Errorf("received %d, recorded %d", total(got), total(p.load.sums))
		}
		if s := p.Stats(); s.AmbiguousRequests != 1 || s.PointsReplayed != 2*drillSeries || s.PointsLost != 0 || s.SpoolRequests != 0 {
			t.Errorf("%+v", s)
		}
	})
}

var errFull = errors.New("no space left on device")

// F48: with the directory gone and the backend down there is one line when it begins and one when it ends, and
// whatever else fails is still told.
func TestPushSaysOnceThatTheSpoolFails(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		dir := filepath.Join(t.TempDir(), "spool")
		fails := &failing{}
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{
			SpoolDir: dir, Producers: []sdkmetric.Producer{gauge("g", 1), fails},
		}))
		b.set(unavailable)
		for _, pushes := range []int{260, 3} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			for range pushes {
				_ = p.ForceFlush(t.Context())
			}
			if s := p.Stats(); !strings.Contains(s.SpoolError, "no such file") || s.CollectErrors != 0 {
				t.Fatalf("%+v", s)
			}
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			_ = p.ForceFlush(t.Context())
		}
		fails.err = errors.New("something else")
		_ = p.ForceFlush(t.Context())
		if log.count("the spool is failing") != 2 || log.count("the spool is working again") != 2 || log.count("something else") != 1 {
			t.Errorf("log:\n%s", log)
		}
		if n := log.count("\n"); n > 6 {
			t.Errorf("%d lines:\n%s", n, log)
		}
		if s := p.Stats(); s.SpoolError != "" || s.SpoolFailures != 263 || s.PointsSpooled != 3 || s.CollectErrors != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A disk that is full, one that is read-only and one that cannot be locked are the same to the log.
func TestPushSaysWhatIsTheMatterWithTheSpool(t *testing.T) {
	for _, tt := range []struct {
		err error
		ops []spooltest.Operation
	}{
		{errFull, []spooltest.Operation{spooltest.Write}},
		{errors.New("read-only file system"), []spooltest.Operation{spooltest.Create, spooltest.Remove, spooltest.Rename, spooltest.Lock}},
		{errors.New("input/output error"), []spooltest.Operation{spooltest.List}},
		{errors.New("input/output error"), []spooltest.Operation{spooltest.Sync}},
	} {
		bubble(t, fmt.Sprint(tt.err, tt.ops), func(t *testing.T) {
			b, disk := newBackend(t), spooltest.New(t.TempDir())
			p, log := newPush(t, b.to("", exporter.PushConfig{SpoolDir: "set"}), disk)
			b.set(unavailable)
			_ = p.ForceFlush(t.Context())
			disk.Fail(tt.err, tt.ops...)
			for range 5 {
				_ = p.ForceFlush(t.Context())
			}
			if s := p.Stats(); !strings.Contains(s.SpoolError, tt.err.Error()) || s.SpoolFailures != 5 || s.State != exporter.PushFailing {
				t.Errorf("%+v", s)
			}
			disk.Fail(nil, tt.ops...)
			b.set(up)
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
			if s := p.Stats(); s.SpoolError != "" || s.SpoolRequests != 0 || s.PointsLost != 0 {
				t.Errorf("%+v", s)
			}
			if log.count("the spool is failing") != 1 || log.count("the spool is working again") != 1 {
				t.Errorf("log:\n%s", log)
			}
		})
	}
}

// F48: reading the numbers asks the disk nothing, and a push lists the directory once, in however many requests.
func TestPushListsTheSpoolOnce(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		disk := spooltest.New(t.TempDir())
		p := newProcess(t, b.to(protocol, exporter.PushConfig{SpoolDir: "set", MaxExportBatchSize: 10}), 1, disk)
		p.load.run(t.Context(), 2000)
		b.set(unavailable)
		disk.Count(spooltest.List)
		_ = p.ForceFlush(t.Context())
		if n, s := disk.Count(spooltest.List), p.Stats(); n != 1 || s.SpoolRequests != 2*drillSeries/10 || s.SpoolBytes == 0 {
			t.Errorf("a push that spools lists %d times; %+v", n, s)
		}
		for range 100 {
			p.Stats()
		}
		if n := disk.Count(spooltest.List); n != 0 {
			t.Errorf("Stats lists %d times", n)
		}
		b.set(up)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, s := disk.Count(spooltest.List), p.Stats(); n != 1 || s.SpoolRequests != 0 || s.SpoolBytes != 0 {
			t.Errorf("a push that empties the spool lists %d times; %+v", n, s)
		}
	})
}

// What is larger than the largest request that a spool keeps is kept in halves.
func TestPushSpoolsInHalves(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		const points = 65
		name := strings.Repeat("x", 1<<20)
		p, _ := newPush(t, exporter.PushConfig{
			Endpoint: "http://backend/v1/metrics", Dial: refuseDial, SpoolDir: t.TempDir(), SpoolMaxBytes: 1 << 30, MaxExportBatchSize: points,
			Producers: []sdkmetric.Producer{produce(func(context.Context) ([]metricdata.ScopeMetrics, error) {
				var all []metricdata.Metrics
				for range points {
					all = append(all, metricdata.Metrics{Name: "m", Description: name, Data: metricdata.Gauge[int64]{DataPoints: make([]metricdata.DataPoint[int64], 1)}})
				}
				return []metricdata.ScopeMetrics{{Metrics: all}}, nil
			})},
		})
		_ = p.ForceFlush(t.Context())
		if s := p.Stats(); s.SpoolRequests != 2 || s.PointsSpooled != points || s.SpoolError != "" {
			t.Errorf("%+v", s)
		}
	})
}

// failing produces nothing, and fails with err once it is set.
type failing struct{ err error }

func (f *failing) Produce(context.Context) ([]metricdata.ScopeMetrics, error) { return nil, f.err }
