package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/e2e/servers"
)

// expression is a PromQL expression in a document.
type expression struct {
	file, text string
	// alert says that it returns something only when something is wrong.
	alert bool
}

// alertMark is the comment in front of an expression that returns nothing in a healthy system. Every other expression has
// to return data.
const alertMark = "# alert"

// jobMatcher is what a reader fills in.
var jobMatcher = regexp.MustCompile(`job=~?"[^"]*"`)

// expressions reads all blocks marked promql in the documents. An expression is a line, and the lines after it as long as
// one begins with an operator or a bracket is open. A comment with the mark is for all expressions up to the next empty line.
func expressions(t *testing.T) []expression {
	t.Helper()
	var out []expression
	for file, content := range documents(t) {
		out = append(out, parse(file, content)...)
	}
	slices.SortStableFunc(out, func(a, b expression) int { return strings.Compare(a.file, b.file) })
	return out
}

// documents are all that a user reads, by the file's name.
func documents(t *testing.T) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md"} {
		files, err := filepath.Glob(filepath.Join(servers.Root(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if out[filepath.Base(file)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// unmarked finds what looks like an expression outside of the blocks that are run: a function of a range, or in a block without
// a language a comparison of metrics.
var unmarked = regexp.MustCompile(`\b(rate|increase|resets|changes|delta|quantile|histogram_quantile|absent)\([^)]|^\w+(\{.*\})? *(>|<|>=|<=|==|!=) *\w`)

// stray returns the lines of a document that should be in a block marked promql.
func stray(content []byte) (out []string) {
	inside := false
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		switch {
		case text == "```promql", text == "```go":
			inside = true
		case strings.HasPrefix(text, "```"):
			inside = false
		case !inside && unmarked.MatchString(text):
			out = append(out, text)
		}
	}
	return out
}

// operator begins a line that goes on with the expression before it.
var operator = regexp.MustCompile(`^([-+*/%^><=!)]|(and|or|unless|on|ignoring|group_left|by|without|offset)\b)`)

func parse(file string, content []byte) (out []expression) {
	inside, alert := false, false
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, "```"):
			inside, alert = text == "```promql", false
		case !inside:
		case text == "":
			alert = false
		case strings.HasPrefix(text, "#"):
			alert = alert || strings.HasPrefix(text, alertMark)
		case len(out) > 0 && out[len(out)-1].goesOn(text):
			out[len(out)-1].text += "\n" + text
		default:
			out = append(out, expression{file, text, alert})
		}
	}
	return out
}

// goesOn says whether line is a part of e.
func (e expression) goesOn(line string) bool {
	return operator.MatchString(line) || strings.Count(e.text, "(") > strings.Count(e.text, ")")
}

func TestExpressionsAreFound(t *testing.T) {
	const document = "Text.\n\n```\nnot_promql\n```\n\n```promql\nsum(a)\nsum(b)\n  / sum(c)\nsum by (\n  d\n) (e)\n```\n\n" +
		"```promql\n# alert: something is wrong\nf > 1\ng > 1\n\nh\n```\n"
	want := []expression{
		{"x.md", "sum(a)", false},
		{"x.md", "sum(b)\n/ sum(c)", false},
		{"x.md", "sum by (\nd\n) (e)", false},
		{"x.md", "f > 1", true},
		{"x.md", "g > 1", true},
		{"x.md", "h", false},
	}
	if got := parse("x.md", []byte(document)); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestStrayExpressionsAreFound(t *testing.T) {
	const document = "`rate()` handles it.\n\n```promql\nrate(a[5m])\n```\n\n```\nb_total > 3\nhttps://x\n```\n\nUse `increase(c[5m])`.\n\n" +
		"```go\nif d > 1 {\n```\n\n```yaml\nexpr: rate(e[5m]) > 0\n```\n"
	want := []string{"b_total > 3", "Use `increase(c[5m])`.", "expr: rate(e[5m]) > 0"}
	if got := stray([]byte(document)); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestEveryExpressionIsRun: none is where it would not be found.
func TestEveryExpressionIsRun(t *testing.T) {
	for file, content := range documents(t) {
		for _, line := range stray(content) {
			t.Errorf("%s: an expression outside of a block marked promql: %s", file, line)
		}
	}
}
