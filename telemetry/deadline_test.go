package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/exporter"
)

// wires are the ways a connection to a dead backend can end, in memory, so that a bubble's clock rules.
var wires = map[string]func(context.Context, string, string) (net.Conn, error){
	"refused": func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	},
	"blackholed": func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Err: context.Cause(ctx)}
	},
	"hanging": func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, server) }() // reads every request and never answers
		return client, nil
	},
}

// onWire is an SDK with both exits and the console, whose push exit has wire for a network.
func onWire(t *testing.T, wire func(context.Context, string, string) (net.Conn, error), console io.Writer) *SDK {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s, err := New(t.Context(), Config{
		ServiceName: "shop", Exporters: []ExporterName{ExporterPrometheus, ExporterConsole},
	}, WithLogger(quiet), WithConsole(console))
	if err != nil {
		t.Fatal(err)
	}
	s.push, err = exporter.NewPush(t.Context(), exporter.PushConfig{
		Endpoint: "http://backend/v1/metrics", Dial: wire, Interval: 1000 * time.Hour, Producers: s.producers(), Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pipeline is a console that blocks until it is released.
type pipeline chan struct{}

func (p pipeline) Write(b []byte) (int, error) { <-p; return len(b), nil }

// graceAfterDeadline is what counting a canceled push may take. What runs takes no time in a bubble.
const graceAfterDeadline = 20 * time.Millisecond

// TestShutdownReturnsOnTime measures the whole SDK's Shutdown by a clock that only waiting moves.
func TestShutdownReturnsOnTime(t *testing.T) {
	for name, wire := range wires {
		for _, deadline := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 5 * time.Second} {
			for _, busy := range []bool{false, true} {
				t.Run(fmt.Sprint(name, " ", deadline, " busy=", busy), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { stopOnTime(t, wire, deadline, busy) })
				})
			}
		}
	}
}

// stopOnTime shuts an SDK down whose backend is dead and whose console blocks, with a push under way if busy.
func stopOnTime(t *testing.T, wire func(context.Context, string, string) (net.Conn, error), deadline time.Duration, busy bool) {
	console := make(pipeline)
	defer close(console)
	s := onWire(t, wire, console)
	if busy {
		go func() { _ = s.ForceFlush(context.Background()) }()
		synctest.Wait()
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	begin := time.Now()
	err := s.Shutdown(ctx)
	if took := time.Since(begin); took > deadline+graceAfterDeadline {
		t.Errorf("Shutdown took %v", took)
	}
	if err == nil || s.Status().Push.PointsLost == 0 {
		t.Errorf("Shutdown says nothing of what was lost: %v, %+v", err, s.Status().Push)
	}
}

// TestShutdownHasADefaultDeadline is a Shutdown whose context has none.
func TestShutdownHasADefaultDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onWire(t, wires["hanging"], io.Discard)
		begin := time.Now()
		err := s.Shutdown(context.Background())
		if took := time.Since(begin); err == nil || took < DefaultShutdownTimeout || took > DefaultShutdownTimeout+graceAfterDeadline {
			t.Errorf("Shutdown took %v and returned %v", took, err)
		}
	})
}
