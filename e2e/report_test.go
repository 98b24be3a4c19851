package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"text/tabwriter"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/e2e/compare"
	"github.com/duotel/duotel/e2e/servers"
)

// row is a line of the table at the end.
type row struct {
	stack, server, version, path string
	compared                     int
	found                        string
}

// report collects the rows of all tests.
var report struct {
	sync.Mutex
	rows []row
}

// The stacks that are compared.
const (
	duotel = "duotel"
	stock  = "stock"
)

func add(r row) {
	report.Lock()
	defer report.Unlock()
	report.rows = append(report.rows, r)
}

// addPrometheus adds a row about the Prometheus that was built.
func addPrometheus(stack, path string, compared int, found string) {
	add(row{stack, "prometheus", servers.PrometheusTool.Version, path, compared, found})
}

// shown is how many differences a failed test and the log of a stock row show.
const shown = 12

// expectEqual fails the test unless nothing differs.
func expectEqual(t *testing.T, r compare.Result) {
	t.Helper()
	if r.Compared == 0 {
		t.Error("nothing was compared")
	}
	logDifferences(t, r)
	if len(r.Differences) > 0 {
		t.Errorf("%d of %d series differ", len(r.Differences), r.Compared)
	}
}

func logDifferences(t *testing.T, r compare.Result) {
	t.Helper()
	for i, d := range r.Differences {
		if i == shown {
			t.Logf("… and %d more", len(r.Differences)-shown)
			return
		}
		t.Log(d)
	}
}

func differences(r compare.Result) string { return differencesOf(len(r.Differences)) }

// TestMain is a replica of the service when it is asked to be one; else it runs the tests and prints the table.
func TestMain(m *testing.M) {
	if os.Getenv(replicaVariable) != "" {
		os.Exit(runReplica())
	}
	code := m.Run()
	printReport()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// printReport prints the table, and writes it to .cache/e2e/report.txt, as go test shows a test's output only when it
// fails.
func printReport() {
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "stack\tserver\tversion\tpath\tcompared\tdifferences")
	for _, r := range report.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", r.stack, r.server, r.version, r.path, r.compared, r.found)
	}
	_ = w.Flush()
	fmt.Printf("\n%s", table.Bytes())
	if err := os.WriteFile(filepath.Join(servers.Cache(), "report.txt"), table.Bytes(), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func differencesOf(n int) string { return fmt.Sprint(n) }
