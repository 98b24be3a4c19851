package telemetry_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// life is a process that counts and spools during an outage.
type life struct {
	cmd    *exec.Cmd
	stdout *bufio.Scanner
}

// newLife starts the process. It says "spooled N" when N counts are safe on the disk.
func newLife(t *testing.T, endpoint, dir string) *life {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLife$")
	cmd.Env = append(os.Environ(), "DUOTEL_TEST_LIFE="+endpoint, "DUOTEL_TEST_SPOOL="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // for a test that failed before end
	return &life{cmd: cmd, stdout: bufio.NewScanner(out)}
}

// spooled waits until the process says that at least n counts are safe, and returns how many.
func (l *life) spooled(t *testing.T, n int) int {
	t.Helper()
	for l.stdout.Scan() {
		text, ok := strings.CutPrefix(l.stdout.Text(), "spooled ")
		if !ok {
			continue
		}
		if got, err := strconv.Atoi(text); err == nil && got >= n {
			return got
		}
	}
	t.Fatalf("the process ended before it had spooled %d", n)
	return 0
}

// end sends a signal and returns the last number that the process said.
func (l *life) end(t *testing.T, sig syscall.Signal) int {
	t.Helper()
	if err := l.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	last := 0
	for l.stdout.Scan() {
		if text, ok := strings.CutPrefix(l.stdout.Text(), "spooled "); ok {
			last, _ = strconv.Atoi(text)
		}
	}
	_ = l.cmd.Wait()
	return last
}

// TestLife is the process that newLife starts.
func TestLife(t *testing.T) {
	endpoint := os.Getenv("DUOTEL_TEST_LIFE")
	if endpoint == "" {
		return
	}
	sdk, err := telemetry.New(t.Context(), telemetry.Config{ServiceName: "life", Push: telemetry.PushConfig{
		Endpoint: endpoint, SpoolDir: os.Getenv("DUOTEL_TEST_SPOOL"), Temporality: exporter.TemporalityDelta, Interval: never,
	}}, telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		t.Fatal(err)
	}
	// A job that gets SIGTERM: what is in flight is spooled by the shutdown.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	jobs := must(sdk.MeterProvider().Meter("app").Int64Counter("jobs"))
	n := 0
	for ctx.Err() == nil {
		n++
		jobs.Add(ctx, 1, attrs("n", strconv.Itoa(n%7)))
		before := sdk.Status().Push.PointsSpooled
		_ = sdk.ForceFlush(ctx)
		if ctx.Err() == nil && sdk.Status().Push.PointsSpooled > before {
			fmt.Println("spooled", n)
		}
	}
	last, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_ = sdk.Shutdown(last)
	fmt.Println("spooled", n)
}

// arrived is what all lives together delivered, when the outage is over.
func arrived(t *testing.T, backend *telemetrytest.Backend, dir string) float64 {
	t.Helper()
	backend.Default(telemetrytest.Accept())
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "after", Push: telemetry.PushConfig{
		Endpoint: backend.HTTPEndpoint(), SpoolDir: dir, Temporality: exporter.TemporalityDelta,
	}})
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := sdk.Status().Push.SpoolRequests; n != 0 {
		t.Errorf("%d requests still wait in the spool", n)
	}
	return backend.Sum("jobs", nil)
}

// TestSigtermDuringAnOutage ends processes with SIGTERM while the backend is down: every count arrives
// once, after a restart.
func TestSigtermDuringAnOutage(t *testing.T) {
	backend, dir := telemetrytest.NewBackend(t), t.TempDir()
	backend.Default(outage)
	want := 0
	for range 2 {
		l := newLife(t, backend.HTTPEndpoint(), dir)
		l.spooled(t, 3)
		want += l.end(t, syscall.SIGTERM)
	}
	if got := arrived(t, backend, dir); got != float64(want) {
		t.Errorf("%v counts arrived, want %d", got, want)
	}
}

// TestKillDuringASpoolWrite ends processes with SIGKILL while they do nothing but write to the spool:
// everything they had said was safe arrives. One more of each may: that was safe and not yet said.
func TestKillDuringASpoolWrite(t *testing.T) {
	backend, dir := telemetrytest.NewBackend(t), t.TempDir()
	backend.Default(outage)
	const lives = 4
	want := 0
	for i := range lives {
		l := newLife(t, backend.HTTPEndpoint(), dir)
		said := l.spooled(t, 2+i)
		want += max(said, l.end(t, syscall.SIGKILL))
	}
	if got := arrived(t, backend, dir); got < float64(want) || got > float64(want+lives) {
		t.Errorf("%v counts arrived, want %d, or up to %d more", got, want, lives)
	}
}
