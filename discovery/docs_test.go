package discovery_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryRowOfTheDocumentIsATest wants each line of the tables of docs/discovery.md about what breaks to name a test that is there.
func TestEveryRowOfTheDocumentIsATest(t *testing.T) {
	text, err := os.ReadFile("../docs/discovery.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, pattern := range []string{"*_test.go", "etcd/*_test.go", "../internal/etcdtest/*_test.go", "../telemetry/*_test.go", "../e2e/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(source), -1) {
				tests[m[1]] = true
			}
		}
	}
	rows, inTable := 0, false
	for line := range strings.Lines(string(text)) {
		switch {
		case strings.HasPrefix(line, "| what breaks |"):
			inTable = true
		case !strings.HasPrefix(line, "|"):
			inTable = false
		case inTable && !strings.HasPrefix(line, "|---"):
			rows++
			cells := strings.Split(strings.TrimSuffix(strings.TrimSpace(line), "|"), "|")
			if name := strings.Trim(cells[len(cells)-1], " `"); !tests[name] {
				t.Errorf("%s: there is no test %q", strings.TrimSpace(cells[1]), name)
			}
		}
	}
	if rows < 20 {
		t.Errorf("%d rows were found", rows)
	}
}
