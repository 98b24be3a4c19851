package exporter_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/exporter/internal/spool"
)

// A push that Shutdown cuts off to have time for the last one says so; what it owed goes out with that.
func TestPushCanceledReason(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.set(hanging)
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{}))
		go func() { _ = p.ForceFlush(context.Background()) }()
		synctest.Wait()
		time.AfterFunc(time.Second, func() { b.set(up) })
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		s := p.Stats()
		if s.Failures["canceled"] != 1 || s.AmbiguousRequests != 1 || s.PointsSent != 1 || s.PointsLost != 0 {
			t.Errorf("%+v", s)
		}
		if log.count("push: failing") != 1 || log.count("reason=canceled") != 1 || log.count("push: working again") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// A request in the spool whose checksum is right and whose content is not: gRPC has to read it, finds out
// and gives it up; over HTTP it is the backend who does.
func TestPushEncodeReason(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		dir := t.TempDir()
		foreign, err := spool.Open(spool.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := foreign.Put(spool.Request{Body: []byte("<html>"), Points: 3}); err != nil {
			t.Fatal(err)
		}
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{SpoolDir: dir}))
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Error("the loss was not reported")
		}
		reason := map[exporter.Protocol]string{exporter.ProtocolGRPC: "encode", exporter.ProtocolHTTPProtobuf: "bad_request"}[protocol]
		if s := p.Stats(); s.Failures[reason] != 1 || s.PointsLost != 3 || s.PointsSent != 1 || s.SpoolRequests != 0 {
			t.Errorf("%+v", s)
		}
		if log.count("push: failing") != 1 || log.count("reason="+reason) != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}
