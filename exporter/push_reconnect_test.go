package exporter_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
)

// A backend that is back gets the very next request, whatever the connection went through before.
func TestPushReconnectsAtOnce(t *testing.T) {
	for _, protocol := range protocols {
		for mode := refused; mode < faults; mode++ {
			for _, interrupted := range []bool{false, true} {
				bubble(t, fmt.Sprint(protocol, mode, interrupted), func(t *testing.T) {
					b := newBackend(t)
					b.set(mode)
					p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
					ctx, cancel := context.WithTimeout(t.Context(), patience(interrupted))
					defer cancel()
					if err := p.Preflight(ctx); err == nil {
						t.Fatal("the backend is down, and there is no error")
					}
					b.set(up)
					start := time.Now()
					if err := p.Preflight(t.Context()); err != nil {
						t.Error(err)
					}
					if took := time.Since(start); took > 0 {
						t.Errorf("took %v", took)
					}
				})
			}
		}
	}
}

// patience ends before a request's timeout, or after.
func patience(interrupted bool) time.Duration {
	if interrupted {
		return time.Second
	}
	return time.Hour
}

// Between pushes nobody knocks at the backend's door.
func TestPushDialsOnlyToPush(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, _ *backend) {
		var dials atomic.Int64
		p, _ := newPush(t, exporter.PushConfig{Endpoint: "http://backend", Protocol: protocol, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials.Add(1)
			return refuseDial(ctx, network, address)
		}})
		if err := p.Preflight(t.Context()); err == nil {
			t.Fatal("nothing listens, and there is no error")
		}
		time.Sleep(time.Hour)
		if got := dials.Load(); got != 1 {
			t.Errorf("%d connection attempts for one request", got)
		}
	})
}

// ADR 0006: a request that was taken and not answered is sent again, and counted.
func TestPushSendsAgainWhatGotNoAnswer(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		source, meter := newSource(t)
		l := newLoad(t, 1, meter)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{
			Temporality: exporter.TemporalityDelta, Producers: []sdkmetric.Producer{source.Producer(nil)},
		}))
		l.run(t.Context(), 1000)
		b.set(taken)
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Error("nothing was answered, and there is no error")
		}
		b.set(up)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		s := p.Stats()
		if times := total(b.received(t)) / total(l.sums); s.AmbiguousRequests == 0 || int64(times) != 1+s.AmbiguousRequests {
			t.Errorf("arrived %d times; %+v", times, s)
		}
		if s.LastReason != "" || s.Failures["reset"] != 1 || s.PointsLost != 0 || s.State != exporter.PushHealthy {
			t.Errorf("%+v", s)
		}
	})
}

// A proxy whose backend is gone ends the call and keeps the connection.
func TestPushResetStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(func() fault { return up })
		proxy := &http.Server{
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				panic(http.ErrAbortHandler)
			}),
			Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0),
		}
		proxy.Protocols.SetUnencryptedHTTP2(true)
		served := make(chan struct{})
		go func() { defer close(served); _ = proxy.Serve(w) }()
		t.Cleanup(func() {
			_ = proxy.Close()
			<-served
		})
		p, log := newPush(t, exporter.PushConfig{Endpoint: "http://proxy", Protocol: exporter.ProtocolGRPC, Dial: w.dial})
		checkFailing(t, p, p.ForceFlush, log, "reset", []string{"RST_STREAM"})
		if s := p.Stats(); s.AmbiguousRequests != s.Requests || s.Requests < 4 {
			t.Errorf("%+v", s)
		}
	})
}
