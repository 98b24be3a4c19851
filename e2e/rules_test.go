package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/duotel/duotel/e2e/servers"
)

// kits are where rule files are: those that are shipped, and for native histograms and the simulated month those of the tests.
var kits = []string{"ops/*/rules", "ops/chart/files/rules", "examples/*/ops/rules", "cmd/duotel/internal/*/testdata/classic-native", "cmd/duotel/internal/slo/testdata/month"}

// ruleFiles returns the rule files of all kits, or those of their unit tests. No kit may be without rules.
func ruleFiles(t *testing.T, pattern string) (files []string) {
	t.Helper()
	for _, kit := range kits {
		found, err := filepath.Glob(filepath.Join(servers.Root(), filepath.FromSlash(kit), pattern))
		if err != nil || (len(found) == 0 && pattern == "*.yaml") {
			t.Fatalf("%s has no %s (%v)", kit, pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

// promtool runs promtool and returns what it wrote. A status other than 0 fails the test.
func promtool(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), servers.Promtool(t), args...).CombinedOutput()
	if err != nil {
		t.Errorf("promtool %s: %v\n%s", args[0], err, out)
	}
	return out
}

// TestRulesLoad lets promtool check every rule file of the kit, as Prometheus does when it loads one.
func TestRulesLoad(t *testing.T) {
	files := ruleFiles(t, "*.yaml")
	promtool(t, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, files...)...)
	add(row{duotel, "promtool", servers.PromtoolTool.Version, "check rules", len(files), differencesOf(0)})
}

// TestRulesFireAndStaySilent lets promtool run the unit test of every alert, and the month in which each pair of windows tells of something.
func TestRulesFireAndStaySilent(t *testing.T) {
	files := ruleFiles(t, filepath.Join("tests", "*.yaml"))
	out := promtool(t, append([]string{"test", "rules"}, files...)...)
	passed := bytes.Count(out, []byte("SUCCESS"))
	if passed != len(files) {
		t.Errorf("%d of %d unit tests passed", passed, len(files))
	}
	add(row{duotel, "promtool", servers.PromtoolTool.Version, "test rules", len(files), differencesOf(len(files) - passed)})
}
