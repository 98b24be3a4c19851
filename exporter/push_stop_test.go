package exporter_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
)

func refuseDial(context.Context, string, string) (net.Conn, error) {
	return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
}

// F16: the deadline is kept, whatever the backend does, also when a push is under way.
func TestPushShutdownDeadlines(t *testing.T) {
	for _, deadline := range []time.Duration{50 * time.Millisecond, 300 * time.Millisecond, 5 * time.Second} {
		for _, mode := range []fault{hanging, resetting, unavailable, refused} {
			for _, busy := range []bool{false, true} {
				t.Run(fmt.Sprint(deadline, mode, busy), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { stopAgainst(t, mode, deadline, busy) })
				})
			}
		}
	}
}

func stopAgainst(t *testing.T, mode fault, deadline time.Duration, busy bool) {
	b := newFlaky(t)
	b.set(mode)
	p, _ := newPush(t, exporter.PushConfig{Endpoint: "http://backend/v1/metrics", Dial: b.dial})
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
	if s := p.Stats(); err == nil || s.PointsLost != 1 || s.State != exporter.PushStopped {
		t.Errorf("%v; %+v", err, s)
	}
}

// A request under way when Shutdown is called may finish: canceling it would leave open whether the
// backend has its data.
func TestPushShutdownLetsARequestFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		var served int
		b := newFlaky(t)
		b.handle = func(http.ResponseWriter, *http.Request) {
			served++
			<-slow
		}
		p, _ := newPush(t, exporter.PushConfig{Endpoint: "http://backend/v1/metrics", Dial: b.dial})
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
		if s := p.Stats(); served != 2 || s.PointsSent != 2 || s.AmbiguousRequests != 0 {
			t.Errorf("%d requests; %+v", served, s)
		}
	})
}

// F20: replicas that start together do not push together, and every one keeps its interval.
func TestPushJitter(t *testing.T) {
	firsts := map[time.Duration]bool{}
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			start, pushes := time.Now(), make(chan time.Duration, 100)
			b := newFlaky(t)
			b.handle = func(http.ResponseWriter, *http.Request) { pushes <- time.Since(start) }
			newPush(t, exporter.PushConfig{Endpoint: "http://backend/v1/metrics", Dial: b.dial, Interval: time.Minute})
			first, second := <-pushes, <-pushes
			if first > time.Minute || second-first != time.Minute {
				t.Errorf("pushes after %v and %v", first, second)
			}
			firsts[first] = true
		})
	}
	if len(firsts) < 9 {
		t.Errorf("first pushes after %v", firsts)
	}
}

// F13: what only a person can change is asked for less and less often.
func TestPushBacksOffFromRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var requests int
		b := newFlaky(t)
		b.handle = func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(http.StatusUnauthorized)
		}
		p, log := newPush(t, exporter.PushConfig{Endpoint: "http://backend/v1/metrics", Dial: b.dial, Interval: time.Minute})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if requests < 140 || requests > 160 { // once in ten minutes, at the end
			t.Errorf("%d requests in a day", requests)
		}
		if log.count("push: failing") != 1 || p.Stats().Failures["unauthenticated"] != int64(requests) {
			t.Errorf("log:\n%s%+v", log, p.Stats())
		}
	})
}

// One request is under way at a time, whoever asks for a push.
func TestPushOneRequestAtATimeConcurrentSafe(t *testing.T) {
	b := newBackend(t)
	under := make(chan struct{}, 1)
	b.script(func(http.ResponseWriter, *http.Request) {
		select {
		case under <- struct{}{}:
		default:
			t.Error("two requests at once")
		}
		<-under
	}, nil)
	p, _ := newPush(t, exporter.PushConfig{
		Endpoint: b.endpoint(""), Interval: time.Millisecond, Producers: []sdkmetric.Producer{gauge("g", 1)},
	})
	done := make(chan struct{})
	for i := range 6 {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 20 {
				if i%2 == 0 {
					_ = p.Preflight(context.Background())
				} else {
					_ = p.ForceFlush(context.Background())
				}
				_ = p.Stats()
			}
		}()
	}
	for range 6 {
		<-done
	}
}
