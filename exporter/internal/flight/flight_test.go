package flight_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/exporter/internal/flight"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate is a run that says when it starts and ends when told to.
type gate struct {
	started chan int
	proceed chan struct{}
	runs    atomic.Int64
}

func newGate() *gate { return &gate{started: make(chan int, 16), proceed: make(chan struct{})} }

func (g *gate) run(context.Context) (int, error) {
	n := int(g.runs.Add(1))
	g.started <- n
	<-g.proceed
	return n, nil
}

type result struct {
	value int
	err   error
}

func do(ctx context.Context, g *flight.Group[int], fresh bool) <-chan result {
	out := make(chan result, 1)
	go func() {
		v, release, err := g.Do(ctx, fresh)
		release()
		out <- result{v, err}
	}()
	return out
}

func TestCallersShareOneRun(t *testing.T) {
	gate := newGate()
	g := flight.New(gate.run, nil, time.Minute)
	first := do(t.Context(), g, false)
	<-gate.started
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, release, err := g.Do(ctx, false); !errors.Is(err, context.Canceled) {
		t.Fatalf("a caller whose context is over got %v, want context.Canceled", err)
	} else {
		release()
	}
	close(gate.proceed)
	if r := <-first; r.value != 1 || r.err != nil {
		t.Fatalf("first caller got %+v, want 1", r)
	}
	if n := gate.runs.Load(); n != 1 {
		t.Fatalf("%d runs, want 1", n)
	}
}

func TestFreshDoesNotJoin(t *testing.T) {
	gate := newGate()
	g := flight.New(gate.run, nil, time.Minute)
	first := do(t.Context(), g, false)
	<-gate.started
	second := do(t.Context(), g, true)
	gate.proceed <- struct{}{}
	if r := <-first; r.value != 1 {
		t.Fatalf("first caller got %+v, want run 1", r)
	}
	<-gate.started
	gate.proceed <- struct{}{}
	if r := <-second; r.value != 2 {
		t.Fatalf("the fresh caller got %+v, want run 2", r)
	}
}

func TestHangingRunHoldsOneGoroutine(t *testing.T) { synctest.Test(t, hang) }

func hang(t *testing.T) {
	gate := newGate()
	g := flight.New(gate.run, nil, time.Minute)
	before := runtime.NumGoroutine()
	for range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		_, release, err := g.Do(ctx, false)
		release()
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the deadline", err)
		}
	}
	if n := gate.runs.Load(); n != 1 {
		t.Fatalf("%d runs for 20 calls, want 1", n)
	}
	// One for the run; the runtime may have a few of its own under way.
	if n := runtime.NumGoroutine() - before; n > 5 {
		t.Fatalf("%d goroutines are left of 20 calls", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Close returned %v while the run hangs, want the deadline", err)
	}
	close(gate.proceed)
	if err := g.Close(t.Context()); err != nil {
		t.Fatalf("Close returned %v after the run ended", err)
	}
	if _, _, err := g.Do(t.Context(), false); !errors.Is(err, flight.ErrClosed) {
		t.Fatalf("Do after Close returned %v, want ErrClosed", err)
	}
}

func TestRunThatDoesNotReturn(t *testing.T) {
	cases := map[string]struct {
		run  func(context.Context) (int, error)
		want string
	}{
		"panic":  {func(context.Context) (int, error) { panic("boom") }, "panic: boom"},
		"Goexit": {func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }, "ended without a result"},
		"error":  {func(context.Context) (int, error) { return 0, errors.New("no") }, "no"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			g := flight.New(c.run, func(int) { t.Error("a failed result was recycled") }, time.Minute)
			_, release, err := g.Do(t.Context(), false)
			release()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestRunGetsTheFirstCallersDeadline(t *testing.T) {
	var got time.Time
	g := flight.New(func(ctx context.Context) (int, error) {
		got, _ = ctx.Deadline()
		return 0, ctx.Err()
	}, nil, time.Minute)
	want := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(t.Context(), want)
	defer cancel()
	if _, _, err := g.Do(ctx, false); err != nil || !got.Equal(want) {
		t.Fatalf("run had deadline %v (%v), want %v", got, err, want)
	}
}

// TestRecycleConcurrentSafe checks that memory is reused only when nobody can read it any more.
func TestRecycleConcurrentSafe(t *testing.T) {
	type buffer struct{ n int }
	var mu sync.Mutex
	var spare []*buffer
	runs := 0
	g := flight.New(func(context.Context) (*buffer, error) {
		mu.Lock()
		defer mu.Unlock()
		b := &buffer{}
		if len(spare) > 0 {
			b, spare = spare[0], spare[1:]
		}
		runs++
		b.n = runs // the race detector fails the test when somebody still reads b
		return b, nil
	}, func(b *buffer) {
		mu.Lock()
		defer mu.Unlock()
		spare = append(spare, b)
	}, time.Minute)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				b, release, err := g.Do(t.Context(), i%2 == 0)
				if err != nil || b.n == 0 {
					t.Errorf("got %+v, %v", b, err)
				}
				release()
			}
		})
	}
	wg.Wait()
	if len(spare) == 0 || len(spare) > 8 {
		t.Fatalf("%d buffers were made for %d runs, want between 1 and 8", len(spare), runs)
	}
}
