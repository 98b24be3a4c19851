package gen

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/rulestest"
)

// TestObjectivesOverTheSameRequests: a slow request is bad for each of these objectives, and still the unit test of one
// hears of that one only.
func TestObjectivesOverTheSameRequests(t *testing.T) {
	o := options{dir: t.TempDir(), service: "shop", vocabulary: "semconv", histograms: "classic", period: "30d", bounds: "300ms", targets: "h:1"}
	o.slos = texts{"availability=99.9%", "latency=99% < 300ms", "latency=99% < 1s", "latency(/checkout)=99.5% < 1s"}
	s, err := o.read(nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(o.dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests, err := filepath.Glob(filepath.Join(o.dir, "rules", "tests", "slo-*.yaml"))
	if err != nil || len(tests) != 2*len(o.slos) {
		t.Fatalf("%d tests, error %v; want two for each objective", len(tests), err)
	}
	for _, test := range tests {
		if err := rulestest.Run(test); err != nil {
			t.Error(err)
		}
	}
}
