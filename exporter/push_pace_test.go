package exporter_test

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/duotel/duotel/exporter"
)

// F20: replicas that start together do not push together, and every one keeps its interval.
func TestPushJitter(t *testing.T) {
	firsts := map[time.Duration]bool{}
	for range 5 {
		everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
			start, pushes := time.Now(), make(chan time.Duration, 100)
			b.judgeBy(func(arrival) (httpAnswer, grpcReply) {
				pushes <- time.Since(start)
				return nil, nil
			})
			newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Minute}))
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
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.script(respond(401, "", ""), refuse(codes.Unauthenticated, ""))
		p, log := newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Minute}))
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		requests := len(b.all())
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
	for _, protocol := range protocols {
		t.Run(string(protocol), func(t *testing.T) {
			b := newLoopback(t)
			under := make(chan struct{}, 1)
			served := func() {
				select {
				case under <- struct{}{}:
				default:
					t.Error("two requests at once")
				}
				<-under
			}
			b.script(func(http.ResponseWriter, *http.Request) { served() },
				func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) {
					served()
					return &colmetricpb.ExportMetricsServiceResponse{}, nil
				})
			p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Millisecond}))
			var busy sync.WaitGroup
			for i := range 6 {
				busy.Go(func() { pester(p, i%2 == 0) })
			}
			busy.Wait()
		})
	}
}

func pester(p *exporter.Push, preflight bool) {
	for range 20 {
		if preflight {
			_ = p.Preflight(context.Background())
		} else {
			_ = p.ForceFlush(context.Background())
		}
		_ = p.Stats()
	}
}

// F20: Retry-After is waited for when there is time.
func TestPushWaitsAsLongAsItIsAsked(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.script(throttle(t, 7*time.Second))
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{}))
		time.AfterFunc(time.Second, func() { b.script(nil, nil) })
		start := time.Now()
		if err := p.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 7*time.Second || len(b.all()) != 2 {
			t.Errorf("%d requests in %v", len(b.all()), took)
		}
	})
}

// F20: Retry-After is kept to by later pushes when there is no time to wait for it.
func TestPushHonoursRetryAfter(t *testing.T) {
	everyProtocol(t, func(t *testing.T, protocol exporter.Protocol, b *backend) {
		b.script(throttle(t, time.Hour))
		p, _ := newPush(t, b.to(protocol, exporter.PushConfig{Interval: time.Minute}))
		time.Sleep(9 * time.Minute)
		if got := len(b.all()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		if err := p.ForceFlush(t.Context()); err == nil {
			t.Error("ForceFlush succeeded")
		}
		if got := len(b.all()); got != 2 {
			t.Errorf("%d requests after ForceFlush, want 2", got)
		}
		time.Sleep(11*time.Minute + time.Second) // nobody is waited for longer than ten minutes
		if got := len(b.all()); got != 3 {
			t.Errorf("%d requests at the end, want 3", got)
		}
	})
}

// throttle answers that the backend wants to be left alone for a time.
func throttle(tb testing.TB, pause time.Duration) (httpAnswer, grpcReply) {
	later, err := status.New(codes.Unavailable, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(pause)})
	if err != nil {
		tb.Fatal(err)
	}
	answer := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
		w.WriteHeader(http.StatusTooManyRequests)
	}
	reply := func(context.Context) (*colmetricpb.ExportMetricsServiceResponse, error) { return nil, later.Err() }
	return answer, reply
}
