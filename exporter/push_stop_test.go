package exporter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"

	"github.com/duotel/duotel/exporter"
)

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

// F16: the deadline is kept, whatever the backend does, also when a push is under way.
func TestPushShutdownDeadlines(t *testing.T) {
	for _, protocol := range protocols {
		for _, deadline := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 5 * time.Second} {
			for mode := refused; mode < faults; mode++ {
				for _, busy := range []bool{false, true} {
					bubble(t, fmt.Sprint(protocol, deadline, mode, busy), func(t *testing.T) {
						stopAgainst(t, protocol, mode, deadline, busy)
					})
				}
			}
		}
	}
}

func stopAgainst(t *testing.T, protocol exporter.Protocol, mode fault, deadline time.Duration, busy bool) {
	b := newBackend(t)
	b.set(mode)
	p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
	if busy {
		go func() { _ = p.ForceFlush(context.Background()) }()
		synctest.Wait()
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	start := time.Now()
	err := p.Shutdown(ctx)
	if took := time.Since(start); took > deadline+50*time.Millisecond {
		t.Errorf("took %v", took)
	}
	if s := p.Stats(); err == nil || s.PointsLost != 1 || s.PointsSent != 0 || s.State != exporter.PushStopped {
		t.Errorf("%v; %+v", err, s)
	}
}

// F4, F16: a producer that hangs costs its own data, and no time beyond the deadline.
func TestPushShutdownBesideAHangingProducer(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		release := make(chan struct{})
		defer close(release)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Producers: []sdkmetric.Producer{
			produce(func(context.Context) ([]metricdata.ScopeMetrics, error) { <-release; return nil, nil }),
			gauge("g", 1),
		}}))
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := p.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "incomplete: ") {
			t.Errorf("%v, want to be told what the last push lacks", err)
		}
		if took := time.Since(start); took > 150*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if s := p.Stats(); s.State != exporter.PushStopped || s.PointsSent != 1 || s.CollectErrors != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// A collection that Shutdown interrupts does not keep its producer from the last one.
func TestPushShutdownDuringACollection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, inside := newBackend(t), make(chan struct{}, 1)
		slow := produce(func(ctx context.Context) ([]metricdata.ScopeMetrics, error) {
			select {
			case inside <- struct{}{}:
				time.Sleep(10 * time.Millisecond)
			default:
			}
			return gauge("slow", 1).Produce(ctx)
		})
		p, log := newPush(t, b.to("", exporter.PushConfig{Producers: []sdkmetric.Producer{slow}}))
		go func() { _ = p.ForceFlush(context.Background()) }()
		synctest.Wait()
		if err := p.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if b.metric("slow") == nil || strings.Contains(log.String(), "has not returned") {
			t.Errorf("the last push lacks a producer's data; log:\n%s", log)
		}
	})
}

// Canceling Shutdown cancels what it does, and it says what is lost.
func TestPushShutdownEndsWithItsContext(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.set(hanging)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		err := p.Shutdown(ctx)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		if s := p.Stats(); err == nil || !strings.Contains(err.Error(), "1 points of the last push lost") || s.PointsLost != 1 {
			t.Errorf("%v; %+v", err, s)
		}
	})
}

// A dialer that does not look at its context is left behind.
func TestPushShutdownBesideAStubbornDialer(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, _ *backend) {
		release := make(chan struct{})
		defer close(release)
		p, _ := newPush(t, exporter.PushConfig{Endpoint: "http://backend", Protocol: protocol, Dial: func(context.Context, string, string) (net.Conn, error) {
			<-release
			return nil, net.ErrClosed
		}})
		for _, shut := range []func(context.Context) error{p.Preflight, p.Shutdown} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start := time.Now()
			if err := shut(ctx); err == nil {
				t.Error("there is no connection, and no error")
			}
			if took := time.Since(start); took > 300*time.Millisecond {
				t.Errorf("took %v", took)
			}
		}
		if s := p.Stats(); s.PointsLost != 1 || s.AmbiguousRequests != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// stuck is a log that nobody reads.
type stuck struct{ release chan struct{} }

func (s stuck) Write(p []byte) (int, error) { <-s.release; return len(p), nil }

func TestPushShutdownBesideABlockedLog(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		log := stuck{make(chan struct{})}
		defer close(log.release)
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Logger: slog.New(slog.NewTextHandler(log, nil))}))
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		start := time.Now()
		if err := p.Shutdown(ctx); err == nil {
			t.Error("Shutdown was not done, and does not say so")
		}
		if took := time.Since(start); took > 350*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

func TestPushShutdownPushesOnceMore(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
		if err := p.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := len(b.all()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		if err := p.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if err := p.ForceFlush(t.Context()); !errors.Is(err, exporter.ErrShutdown) {
			t.Errorf("ForceFlush after Shutdown: %v", err)
		}
	})
}

// A request under way when Shutdown is called may finish: canceling it would leave open whether the
// backend has its data.
func TestPushShutdownLetsARequestFinish(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		slow := make(chan struct{})
		b.script(func(http.ResponseWriter, *http.Request) { <-slow },
			func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
				<-slow
				return &colmetricpb.ExportMetricsServiceResponse{}, nil
			})
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
		flushed := make(chan error, 1)
		go func() { flushed <- p.ForceFlush(context.Background()) }()
		synctest.Wait()
		time.AfterFunc(time.Second, func() { close(slow) })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-flushed; err != nil {
			t.Errorf("the push under way: %v", err)
		}
		if s := p.Stats(); len(b.all()) != 2 || s.PointsSent != 2 || s.AmbiguousRequests != 0 {
			t.Errorf("%d requests; %+v", len(b.all()), s)
		}
	})
}

// clogged is a connection that takes nothing more once it is told so: the buffers towards a link that is dead are full.
type clogged struct {
	net.Conn
	now    *atomic.Bool
	closed chan struct{}
	once   sync.Once
}

func (s *clogged) Write(p []byte) (int, error) {
	if s.now.Load() {
		<-s.closed
		return 0, net.ErrClosed
	}
	return s.Conn.Write(p)
}

func (s *clogged) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.Conn.Close()
}

// F33: what the last push could not send is counted in time also where the connection cannot even be said goodbye to, which gRPC
// tries for five seconds.
func TestPushShutdownOverAStuckConnection(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		var now atomic.Bool
		cfg := b.to(protocol, exporter.PushConfig{Temporality: exporter.TemporalityDelta, Producers: gauges(3)})
		dial := cfg.Dial
		cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			return &clogged{Conn: c, now: &now, closed: make(chan struct{})}, err
		}
		p, _ := newPush(t, cfg)
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		now.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := p.Shutdown(ctx)
		if took := time.Since(start); took > 3*time.Second+50*time.Millisecond {
			t.Errorf("Shutdown took %v", took)
		}
		if s := p.Stats(); err == nil || !strings.Contains(err.Error(), "3 points of the last push lost") || s.PointsLost != 3 {
			t.Errorf("%v, %+v", err, s)
		}
		time.Sleep(10 * time.Second)
	})
}
