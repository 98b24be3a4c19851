package e2e

import (
	"bytes"
	"errors"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// parser reads OpenMetrics strictly and says how many samples it found.
const parser = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
text = sys.stdin.buffer.read().decode("utf-8")
print(sum(len(family.samples) for family in parse(text)))
`

// tolerated is the one family that the strict parser refuses and that is shown all the same
// (docs/adr/0005-exposition-differences.md): OpenMetrics 1.0 wants neither _sum nor _count where a bound is negative.
const tolerated = "e2e_float_histogram_milliseconds"

// complaint is what the strict parser has to say about it, and all it has to say.
const complaint = "ValueError: Cannot have _sum with negative buckets: "

// expectStrict fails the test unless the Python client, which takes the format at its word, reads every sample of a page. Of the
// family that is tolerated, _sum and _count are taken out before; with them it is refused in the words that are known.
func expectStrict(t *testing.T, python, version, name, prefix string, page []byte) {
	t.Helper()
	family := prefix + tolerated
	rest := withoutTolerated(page, family)
	got, err := parseStrictly(python, rest)
	want := samples(rest)
	if err != nil || got != want || want == 0 {
		t.Errorf("%d samples of %d: %v", got, want, err)
	}
	if samples(rest) < samples(page) {
		expectComplaint(t, python, family, page)
	}
	add(row{duotel, "python client", version, "OpenMetrics, " + name, want, differencesOf(want - got)})
}

func expectComplaint(t *testing.T, python, family string, page []byte) {
	t.Helper()
	_, err := parseStrictly(python, only(page, family))
	if err == nil || err.Error() != complaint+family {
		t.Errorf("the parser says %v; the reason to tolerate it was %s", err, complaint+family)
	}
}

// withoutTolerated leaves out _sum and _count of a family: without the one the parser misses it beside the other.
func withoutTolerated(page []byte, family string) []byte {
	return filterLines(page, func(line string) bool {
		name := nameOf(line)
		return name != family+"_sum" && name != family+"_count"
	})
}

// only leaves a page with one histogram on it.
func only(page []byte, family string) []byte {
	return filterLines(page, func(line string) bool {
		suffix, found := strings.CutPrefix(nameOf(line), family)
		return line == "# EOF\n" || found && slices.Contains([]string{"", "_bucket", "_count", "_sum", "_created"}, suffix)
	})
}

func filterLines(page []byte, keep func(line string) bool) (out []byte) {
	for line := range bytes.Lines(page) {
		if keep(string(line)) {
			out = append(out, line...)
		}
	}
	return out
}

// nameOf returns the name that a line is about.
func nameOf(line string) string {
	for _, mark := range []string{"# HELP ", "# TYPE ", "# UNIT "} {
		line = strings.TrimPrefix(line, mark)
	}
	return line[:strings.IndexAny(line+" ", " {\n")]
}

// parseStrictly returns the number of samples, or the parser's last word.
func parseStrictly(python string, page []byte) (int, error) {
	cmd := exec.Command(python, "-c", parser)
	cmd.Stdin = bytes.NewReader(page)
	out, err := cmd.CombinedOutput()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil {
		return 0, errors.New(lines[len(lines)-1])
	}
	return strconv.Atoi(lines[0])
}

// interpreter finds a Python that has the client, and the client's version. The system's Python comes second where there
// is another.
func interpreter() (python, version string) {
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.Command(python, "-c", "import prometheus_client; from importlib.metadata import version; print(version('prometheus_client'))").Output()
		if err == nil {
			return python, strings.TrimSpace(string(out))
		}
	}
	return "", ""
}

// samples counts the lines that are none of the format's own.
func samples(page []byte) (n int) {
	for line := range bytes.Lines(page) {
		if !bytes.HasPrefix(line, []byte("#")) {
			n++
		}
	}
	return n
}
