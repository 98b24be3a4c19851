package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel"
	metricnoop "go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// TestRun checks the last push of each ending, in a process of its own.
func TestRun(t *testing.T) {
	cases := map[string]struct {
		status int // -1 when a signal has ended the process
		output string
		jobs   float64
	}{
		"return":    {0, "returned <nil>", 1},
		"error":     {0, "returned no such job", 1},
		"panic":     {2, "panic: job bug", 1},
		"signal":    {0, "returned context canceled", 1},
		"interrupt": {0, "returned context canceled", 1},
		"twice":     {-1, "stopping", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			backend := telemetrytest.NewBackend(t)
			cmd := exec.Command(os.Args[0], "-test.run=^TestRunJob$", "-test.v")
			cmd.Env = append(os.Environ(), "DUOTEL_TEST_JOB="+name, "OTEL_SERVICE_NAME=job", "OTEL_METRIC_EXPORT_INTERVAL=2147483647", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="+backend.HTTPEndpoint())
			out, err := cmd.CombinedOutput()
			if status := cmd.ProcessState.ExitCode(); status != c.status {
				t.Errorf("exit status %d (%v), want %d", status, err, c.status)
			}
			if !strings.Contains(string(out), c.output) {
				t.Errorf("no %q in the output:\n%s", c.output, out)
			}
			if got := backend.Sum("jobs", nil); got != c.jobs {
				t.Errorf("jobs arrived as %v, want %v", got, c.jobs)
			}
			if n := len(pushes(backend)); n != int(c.jobs) {
				t.Errorf("%d pushes, want %v", n, c.jobs)
			}
		})
	}
}

// jobs are what the process of TestRun runs, by name.
var jobs = map[string]func(context.Context) error{
	"return":    func(context.Context) error { return nil },
	"error":     func(context.Context) error { return errors.New("no such job") },
	"panic":     func(context.Context) error { panic("job bug") },
	"signal":    func(ctx context.Context) error { return signaled(ctx, syscall.SIGTERM) },
	"interrupt": func(ctx context.Context) error { return signaled(ctx, syscall.SIGINT) },
	"twice": func(ctx context.Context) error {
		if err := signaled(ctx, syscall.SIGINT); !errors.Is(err, context.Canceled) {
			return err
		}
		fmt.Println("stopping")
		for end := time.Now().Add(patience); time.Now().Before(end); runtime.Gosched() { // until signals end the process again
			if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
				return err
			}
		}
		return nil
	},
}

// signaled sends a signal to this process and waits until it has ended ctx.
func signaled(ctx context.Context, sig syscall.Signal) error {
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestRunJob is the process that TestRun starts.
func TestRunJob(t *testing.T) {
	job := os.Getenv("DUOTEL_TEST_JOB")
	if job == "" {
		t.Cleanup(func() { otel.SetMeterProvider(metricnoop.NewMeterProvider()) })
		err := telemetry.Run(t.Context(), func(context.Context) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	err := telemetry.Run(t.Context(), func(ctx context.Context) error {
		must(otel.Meter("app").Int64Counter("jobs")).Add(ctx, 1)
		return jobs[job](ctx)
	})
	fmt.Println("returned", err)
}

// TestRunPushesForAJobThatDoesNotStop ends the context of a job that takes no notice: the last export comes
// five seconds later, by a bubble's clock, and the job goes on.
func TestRunPushesForAJobThatDoesNotStop(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "console")
	t.Cleanup(func() { otel.SetMeterProvider(metricnoop.NewMeterProvider()) })
	outside := make(chan os.Signal, 1)
	signal.Notify(outside, syscall.SIGTERM) // starts the runtime's signal goroutine outside of the bubble, for good
	signal.Stop(outside)
	synctest.Test(t, func(t *testing.T) {
		console := &awaited{text: `"jobs"`, found: make(chan struct{})}
		ctx, cancel := context.WithCancel(t.Context())
		err := telemetry.Run(ctx, func(ctx context.Context) error {
			must(otel.Meter("app").Int64Counter("jobs")).Add(ctx, 1)
			cancel()
			begin := time.Now()
			<-console.found
			if took := time.Since(begin); took != 5*time.Second {
				t.Errorf("the last export came %v after the context had ended", took)
			}
			return errors.New("late")
		}, telemetry.WithConsole(console), telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
		if err == nil || err.Error() != "late" {
			t.Errorf("Run returned %v, want the job's error", err)
		}
	})
}
