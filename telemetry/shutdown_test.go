package telemetry_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// patience is more than any machine needs, and is waited for only by a test that fails.
const patience = 20 * time.Second

// slack is what a machine under load may add to a deadline, and less than anything that Shutdown waits
// for without being asked to. In a bubble nothing is added: see TestShutdownReturnsOnTime.
const slack = 3 * time.Second

// shutdownBy returns what Shutdown returns, which it must soon after the deadline.
func shutdownBy(t *testing.T, sdk *telemetry.SDK, deadline time.Duration) error {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- sdk.Shutdown(ctx) }()
	select {
	case err := <-returned:
		if took := time.Since(begin); took > deadline+slack {
			t.Errorf("Shutdown took %v; its deadline was %v", took, deadline)
		}
		return err
	case <-time.After(patience):
		t.Fatalf("Shutdown is still blocked %v after a deadline of %v", patience, deadline)
		return nil
	}
}

func TestShutdownKeepsItsDeadline(t *testing.T) {
	answers := map[string]telemetrytest.Answer{
		"hang": telemetrytest.Hang(), "reset": telemetrytest.Reset(), "503": telemetrytest.Status(http.StatusServiceUnavailable),
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			backend := telemetrytest.NewBackend(t)
			backend.Default(telemetrytest.Status(http.StatusInternalServerError))
			sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint()}})
			must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 3)
			if err := sdk.ForceFlush(t.Context()); err == nil {
				t.Error("ForceFlush says nothing of the backend's answer")
			}
			backend.Default(answer)
			if err := shutdownBy(t, sdk, 200*time.Millisecond); err == nil {
				t.Error("Shutdown says nothing of what was lost")
			}
			if st := sdk.Status().Push; st.PointsLost == 0 {
				t.Errorf("F16: no point is counted as lost: %+v", st)
			}
		})
	}
}

// blocked is a writer like a full pipe.
type blocked struct{ released chan struct{} }

func (b blocked) Write(p []byte) (int, error) { <-b.released; return len(p), nil }

// The clock is a bubble's: what waits, waits to the moment.
func TestShutdownKeepsItsDeadlineOnABlockedConsole(t *testing.T) { synctest.Test(t, shutDownBlocked) }

func shutDownBlocked(t *testing.T) {
	w := blocked{make(chan struct{})}
	t.Cleanup(func() { close(w.released) })
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Exporters: []telemetry.ExporterName{telemetry.ExporterConsole}}, telemetry.WithConsole(w))
	begin, first := time.Now(), make(chan error, 1)
	go func() { first <- sdk.Shutdown(context.Background()) }()
	synctest.Wait()
	must(sdk.MeterProvider().Meter("app").Int64Counter("c")).Add(t.Context(), 1)
	const deadline = 100 * time.Millisecond
	if err := shutdownBy(t, sdk, deadline); err == nil || time.Since(begin) != deadline {
		t.Errorf("the second caller waited %v and got %v", time.Since(begin), err)
	}
	if err := <-first; err == nil || time.Since(begin) != telemetry.DefaultShutdownTimeout {
		t.Errorf("the first caller waited %v and got %v", time.Since(begin), err)
	}
}

// awaited is closed by the first write that has what is looked for.
type awaited struct {
	text  string
	once  sync.Once
	found chan struct{}
}

func (w *awaited) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(w.text)) {
		w.once.Do(func() { close(w.found) })
	}
	return len(p), nil
}

// soon fails the test when c has not given anything for longer than any machine needs.
func soon[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("%s did not happen within %v", what, patience)
	}
	return v
}

// TestShutdownWithAHangingBackendEndsTheOtherExits has a scrape and a backend that hang when Shutdown begins.
// While the push waits, the console must get its last export, the scrape be let go and answered, and the
// listener close. Then the backend is well again, and nothing was lost.
func TestShutdownWithAHangingBackendEndsTheOtherExits(t *testing.T) {
	backend, console := telemetrytest.NewBackend(t), &awaited{text: "jobs", found: make(chan struct{})}
	backend.Default(telemetrytest.Hang())
	sdk, _ := newSDK(t, telemetry.Config{
		ServiceName: "shop",
		Exporters:   []telemetry.ExporterName{telemetry.ExporterPrometheus, telemetry.ExporterOTLP, telemetry.ExporterConsole},
		Push:        telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Timeout: time.Second},
		Listener:    telemetry.ListenerConfig{Host: "127.0.0.1", Port: -1},
	}, telemetry.WithConsole(console))
	must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 3)
	entered, leave := stall(sdk.Registerer())
	t.Cleanup(leave)
	url, answered := "http://"+sdk.ListenerAddr()+"/metrics", make(chan int, 1)
	go func() { answered <- statusOf(url) }()
	soon(t, entered, "the scrape")

	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	returned := make(chan error, 1)
	go func() { returned <- sdk.Shutdown(ctx) }()
	soon(t, console.found, "the console's last export")
	leave()
	if got := soon(t, answered, "the answer to the scrape"); got != http.StatusOK {
		t.Errorf("the scrape under way was answered %d, want 200", got)
	}
	for deadline := time.Now().Add(patience); statusOf(url) != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the listener is open while the push hangs")
		}
	}
	backend.Default(telemetrytest.Accept())
	if err := soon(t, returned, "Shutdown"); err != nil || backend.Sum("jobs", nil) != 3 {
		t.Errorf("Shutdown returned %v, and jobs arrived as %v, want 3", err, backend.Sum("jobs", nil))
	}
}

// stall registers a collector whose first collection takes until leave is called.
func stall(r prometheus.Registerer) (entered <-chan struct{}, leave func()) {
	var taken atomic.Bool
	inside, left := make(chan struct{}), make(chan struct{})
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "slow", Help: "h"}, func() float64 {
		if taken.CompareAndSwap(false, true) {
			close(inside)
			<-left
		}
		return 1
	}))
	return inside, sync.OnceFunc(func() { close(left) })
}

// statusOf is the status of a GET over a connection of its own, 0 without an answer.
func statusOf(url string) int {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	return res.StatusCode
}

// F33: the context that a signal has canceled is what people have at hand, and what was measured goes out all the same.
func TestShutdownWithTheContextOfASignal(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Interval: time.Hour}})
	must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 3)
	signaled, stop := context.WithCancel(t.Context())
	stop()
	if err := sdk.Shutdown(signaled); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
	if got := backend.Sum("jobs", nil); got != 3 {
		t.Errorf("%v counts arrived, want 3", got)
	}
}

// F33: a callback that hangs costs its own instrument. The last push has the counters, and says what it lacks.
func TestShutdownWhileACallbackHangs(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: backend.HTTPEndpoint(), Interval: time.Hour}})
	meter := sdk.MeterProvider().Meter("app")
	must(meter.Int64Counter("jobs")).Add(t.Context(), 3)
	hang := make(chan struct{})
	must(meter.Int64ObservableGauge("stuck", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error { <-hang; return nil })))
	t.Cleanup(func() { close(hang) })
	if err := shutdownBy(t, sdk, 2*time.Second); err == nil || !strings.Contains(err.Error(), "incomplete") {
		t.Errorf("Shutdown = %v; want to be told what is missing", err)
	}
	if got := backend.Sum("jobs", nil); got != 3 {
		t.Errorf("%v counts arrived, want 3", got)
	}
	if s := sdk.Status().Push; s.LastReason != "incomplete" || !s.LastSuccess.IsZero() && s.PointsSent == 0 {
		t.Errorf("%+v", s)
	}
}
