package telemetrytest

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry/contract"
)

// UpdateVariable is the environment variable that makes [AssertContract] write the contract instead of holding the service to it.
const UpdateVariable = "UPDATE_CONTRACT"

// AssertContract holds a service to its contract: it scrapes, and fails the test where an instrument, a unit, an attribute, a value or a
// bound is not what the file promises, with what that does to dashboards, alerts and the number of series. The test
// has to have used every instrument before. Not everything that is promised has to occur: of an attribute's values one is enough.
//
// With UPDATE_CONTRACT=1 in the environment, or -update where the test binary has such a flag, it writes the file instead, and keeps what people wrote into
// it. It defines no flag itself, because a test that has one of that name could not start any more. Duotel's own metrics, and those of
// the Go runtime and the process, are not the service's, and are left out.
func AssertContract(tb testing.TB, kit *Kit, file string) {
	tb.Helper()
	observed := contract.Record(kit.Scrape(tb), contract.Options{})
	promised := &contract.Contract{}
	data, err := os.ReadFile(file)
	switch {
	case err == nil:
		if promised, err = contract.Parse(file, data); err != nil {
			tb.Fatal(err)
		}
	case !errors.Is(err, fs.ErrNotExist) || !updating():
		tb.Fatalf("contract: %v; %s=1 writes it", err, UpdateVariable)
	}
	if !updating() {
		changes := promised.Check(observed)
		for _, c := range changes {
			tb.Errorf("contract: %s: %s", file, c)
		}
		if len(changes) > 0 {
			tb.Logf("contract: if this is meant, run the test with %s=1 and commit %s", UpdateVariable, file)
		}
		return
	}
	out, err := promised.Update(observed).Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	if err := os.WriteFile(file, out, 0o644); err != nil {
		tb.Fatal(err)
	}
}

func updating() bool {
	return os.Getenv(UpdateVariable) == "1" || slices.ContainsFunc(os.Args[1:], func(arg string) bool {
		return strings.TrimLeft(arg, "-") == "update" || strings.TrimLeft(arg, "-") == "update=true"
	})
}
