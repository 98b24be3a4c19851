package telemetry_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

// pushCode is what only a push exit runs. All that pushes, connects or waits for the next push begins in
// one of these functions, and cannot do so without allocating.
var pushCode = []string{
	"exporter.NewPush",
	"exporter.NewBridge",
	"exporter/internal/otlptransport.",
	"sdk/metric.NewPeriodicReader",
	"contrib/instrumentation/runtime.Start",
	"net.(*Dialer).DialContext",
}

// TestNoPushNoCost is the second half of the promise: without an endpoint nothing of push exists, no
// allocation, no goroutine and no connection. The heap profile of a process of its own has every allocation.
func TestNoPushNoCost(t *testing.T) {
	backend := telemetrytest.NewBackend(t)
	for endpoint, want := range map[string][]string{"": nil, backend.HTTPEndpoint(): pushCode} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestIdle$")
		cmd.Env = append(os.Environ(), "DUOTEL_TEST_IDLE=yes", "DUOTEL_TEST_ENDPOINT="+endpoint)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, code := range pushCode {
			if got := strings.Contains(string(out), "allocates "+code+"\n"); got != slices.Contains(want, code) {
				t.Errorf("endpoint %q: something is allocated under %s: %t", endpoint, code, got)
			}
		}
		if got := strings.Contains(string(out), "runs PeriodicReader\n"); got != (endpoint != "") {
			t.Errorf("endpoint %q: a goroutine of push runs: %t", endpoint, got)
		}
	}
	if n := len(backend.Requests()); n == 0 {
		t.Error("with push on nothing arrives, so the checks above see nothing")
	}
}

// TestIdle is the process that TestNoPushNoCost starts. It uses everything that is there without a push
// exit, and says what it finds of one.
func TestIdle(t *testing.T) {
	if os.Getenv("DUOTEL_TEST_IDLE") == "" {
		return
	}
	runtime.MemProfileRate = 1
	sdk, err := telemetry.New(t.Context(), telemetry.Config{
		ServiceName: "shop", Push: telemetry.PushConfig{Endpoint: os.Getenv("DUOTEL_TEST_ENDPOINT"), Interval: never},
	}, telemetry.WithLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	if err != nil {
		t.Fatal(err)
	}
	must(sdk.MeterProvider().Meter("app").Int64Counter("jobs")).Add(t.Context(), 1)
	scrape(sdk.MetricsHandler())
	if err := sdk.ForceFlush(t.Context()); err != nil {
		t.Error(err)
	}
	buf := make([]byte, 1<<20)
	if strings.Contains(string(buf[:runtime.Stack(buf, true)]), "PeriodicReader") {
		fmt.Println("runs PeriodicReader")
	}
	if st := sdk.Status(); (st.Push != nil) != (os.Getenv("DUOTEL_TEST_ENDPOINT") != "") {
		t.Errorf("Status has the push exit %+v", st.Push)
	}
	if err := sdk.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for _, function := range allocating() {
		for _, code := range pushCode {
			if strings.Contains(function, code) {
				fmt.Println("allocates " + code)
			}
		}
	}
}

// allocating returns the functions under which anything was allocated since the profile's rate was set.
func allocating() []string {
	runtime.GC() // the profile is as of the last collection but one
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 0)
	for n, ok := runtime.MemProfile(nil, true); !ok; {
		records = make([]runtime.MemProfileRecord, n+cmp.Or(n/2, 100))
		if n, ok = runtime.MemProfile(records, true); ok {
			records = records[:n]
		}
	}
	var functions []string
	for _, r := range records {
		frames := runtime.CallersFrames(r.Stack())
		for more := true; more; {
			var frame runtime.Frame
			frame, more = frames.Next()
			functions = append(functions, frame.Function)
		}
	}
	slices.Sort(functions)
	return slices.Compact(functions)
}
