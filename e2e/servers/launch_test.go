package servers

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// listenVariable makes the test binary a server that listens where it says.
const listenVariable = "DUOTEL_E2E_LISTEN"

func TestMain(m *testing.M) {
	if address := os.Getenv(listenVariable); address != "" {
		fmt.Fprintln(os.Stderr, http.ListenAndServe(address, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) { os.Exit(code) }))
}

// occupied is an address that somebody listens at, without answering.
func occupied(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// takenFirst picks one address that is taken, and then free ones.
func takenFirst(first string) picker {
	picked := false
	return func(tb testing.TB) string {
		if picked {
			return FreeAddress(tb)
		}
		picked = true
		return first
	}
}

// TestServersMoveFromATakenAddress: each of the real servers says so in the words that are looked for.
func TestServersMoveFromATakenAddress(t *testing.T) {
	starts := map[string]func(t *testing.T, addresses picker) *Process{
		"prometheus": func(t *testing.T, addresses picker) *Process {
			return StartPrometheus(t, PrometheusConfig{addresses: addresses}).Process
		},
		"collector": func(t *testing.T, addresses picker) *Process {
			return StartCollector(t, CollectorConfig{addresses: addresses}).Process
		},
	}
	if program, _ := Victoria(); program != "" {
		starts["victoria-metrics"] = func(t *testing.T, addresses picker) *Process {
			return startVictoria(t, program, "127.0.0.1:1", addresses).Process
		}
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) {
			if start(t, takenFirst(occupied(t))).Stopped() {
				t.Error("it has ended")
			}
		})
	}
}

// TestLaunchGivesUp: after three starts, or at once where something else is wrong.
func TestLaunchGivesUp(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	first := occupied(t)
	cases := []struct {
		name, program, address, want string
		starts                       int
	}{
		{"every address is taken", program, first, "address already in use, 3 times", attempts},
		{"no such address", program, "no.such.host.invalid:1", "ended before it was ready", 1},
		{"no such program", filepath.Join(t.TempDir(), "none"), first, "no such file", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			starts := 0
			_, err := launch(t, "server", c.program, func() Launch {
				starts++
				return Launch{Ready: "http://127.0.0.1:1/", Environment: []string{listenVariable + "=" + c.address}}
			})
			if err == nil || !strings.Contains(err.Error(), c.want) || starts != c.starts {
				t.Errorf("%d starts, %v; want %d, %s", starts, err, c.starts, c.want)
			}
		})
	}
}
