package exporter_test

import (
	"maps"
	"net/http"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/internal/spooldisk"
)

// owing is a process that has one request in its spool, of a counter and a histogram in 200 series.
func owing(t *testing.T, b *backend, cfg exporter.PushConfig, disks ...spooldisk.Disk) *process {
	p := newProcess(t, cfg, 1, disks...)
	p.load.run(t.Context(), 2000)
	b.set(unavailable)
	if err := p.ForceFlush(t.Context()); err == nil {
		t.Fatal("the backend is down, and there is no error")
	}
	if s := p.Stats(); s.SpoolRequests != 1 || s.PointsSpooled != 2*drillSeries {
		t.Fatalf("%+v", s)
	}
	b.set(up)
	return p
}

// F19: what is too large is also halved on its way out of the spool, and keeps its times.
func TestPushSplitsWhatIsTooLargeInTheSpool(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p := owing(t, b, b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()}))
		b.limit(30)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t); !maps.Equal(got, p.load.sums) {
			t.Errorf("received %d, recorded %d", total(got), total(p.load.sums))
		}
		if s := p.Stats(); s.PointsReplayed != 2*drillSeries || s.PointsSent != s.PointsReplayed || s.PointsLost != 0 || s.SpoolRequests != 0 {
			t.Errorf("%+v", s)
		}
		for _, a := range b.all() {
			if at := a.request.GetResourceMetrics()[0].GetScopeMetrics()[0].GetScope().GetName(); at != "app" {
				t.Errorf("a piece is of the scope %q", at)
			}
		}
	})
}

// A backend that goes away between two halves gets the rest later, of another process, and nothing
// twice.
func TestPushSpoolKeepsTheRestOfWhatIsTooLarge(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		cfg := b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()})
		p := owing(t, b, cfg)
		accepted := 0
		b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
			switch {
			case a.points() > 30:
				return tooLarge()
			case accepted == 5:
				return respond(http.StatusServiceUnavailable, "", ""), refuse(codes.Unavailable, "")
			}
			accepted++
			return nil, nil
		})
		if err := p.Shutdown(t.Context()); err == nil {
			t.Error("the backend went away, and there is no error")
		}
		if s := p.Stats(); s.PointsReplayed == 0 || s.PointsLost != 0 || s.SpoolRequests != 1 {
			t.Errorf("first life: %+v", s)
		}
		b.limit(1000)
		last := newProcess(t, cfg, 2)
		if err := last.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.received(t); !maps.Equal(got, p.load.sums) {
			t.Errorf("received %d, recorded %d", total(got), total(p.load.sums))
		}
		if a, z := p.Stats().PointsReplayed, last.Stats().PointsReplayed; a+z != 2*drillSeries {
			t.Errorf("%d and %d points were replayed", a, z)
		}
	})
}

// A single point that is too large, or a half that is refused, is given up and counted; the rest goes out.
func TestPushSpoolGivesUpASinglePointThatIsTooLarge(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p := owing(t, b, b.to(protocol, exporter.PushConfig{SpoolDir: t.TempDir()}))
		b.judgeBy(func(a arrival) (httpAnswer, grpcReply) {
			if sums := a.counters(); sums[7] {
				return tooLarge()
			}
			return nil, nil
		})
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Error("the loss was not reported")
		}
		if s := p.Stats(); s.PointsLost != 1 || s.PointsReplayed != 2*drillSeries-1 || s.SpoolRequests != 0 || s.LastReason != "too_large" {
			t.Errorf("%+v", s)
		}
		want := maps.Clone(p.load.sums)
		delete(want, cell{"counter", 7, 0})
		if got := b.received(t); !maps.Equal(got, want) {
			t.Errorf("received %d, recorded %d", total(got), total(want))
		}
	})
}
