package exposition

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	quoted  = `"(?:[^"\\\n]|\\[\\"n])*"`
	nameRE  = `(?:[a-zA-Z_:][a-zA-Z0-9_:]*)`
	labelRE = `(?:[a-zA-Z_][a-zA-Z0-9_]*|` + quoted + `)=` + quoted
	setRE   = `\{(?:` + labelRE + `(?:,` + labelRE + `)*)?\}`
	floatRE = `(?:[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-][0-9]+)?|NaN|[+-]Inf)`
)

var (
	commentLine = regexp.MustCompile(`^# (HELP|TYPE|UNIT) (` + nameRE + `|` + quoted + `) (.*)$`)
	sampleLine  = regexp.MustCompile(`^(?:(` + nameRE + `)(` + setRE + `)?|\{(` + quoted + `)((?:,` + labelRE + `)*)\}) (` +
		floatRE + `)( # ` + setRE + ` ` + floatRE + `( ` + floatRE + `)?)?$`)
)

// parseText parses text 0.0.4 with Prometheus's own library.
func parseText(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return families
}

// checkLines holds text against a strict grammar of lines: no family twice, no sample twice, samples only
// under their own family's TYPE, exemplars only where OpenMetrics has them, and EOF at its end.
func checkLines(text string, openMetrics bool) error {
	body, hasEOF := strings.CutSuffix(text, "# EOF\n")
	if hasEOF != openMetrics {
		return fmt.Errorf("EOF is %v", hasEOF)
	}
	if body != "" && !strings.HasSuffix(body, "\n") {
		return fmt.Errorf("no newline at the end")
	}
	c := lineChecker{openMetrics: openMetrics, types: map[string]bool{}, samples: map[string]bool{}}
	for line := range strings.Lines(body) {
		if err := c.check(strings.TrimSuffix(line, "\n")); err != nil {
			return fmt.Errorf("%w: %q", err, line)
		}
	}
	return nil
}

type lineChecker struct {
	openMetrics    bool
	family, typ    string
	types, samples map[string]bool
}

func (c *lineChecker) check(line string) error {
	if m := commentLine.FindStringSubmatch(line); m != nil {
		if m[1] == "TYPE" {
			if key := m[2] + " " + m[3]; c.types[key] {
				return fmt.Errorf("family twice")
			} else {
				c.types[key] = true
			}
			c.family, c.typ = strings.Trim(m[2], `"`), m[3]
		}
		return nil
	}
	m := sampleLine.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("not in the grammar")
	}
	name := m[1] + strings.Trim(m[3], `"`)
	if !strings.HasPrefix(name, c.family) {
		return fmt.Errorf("sample outside its family %q", c.family)
	}
	if m[6] != "" && !c.exemplarAllowed(name) {
		return fmt.Errorf("exemplar on a %s", c.typ)
	}
	identity, _, _ := strings.Cut(line, " # ")
	identity = strings.TrimSuffix(identity, m[5])
	if c.samples[identity] {
		return fmt.Errorf("sample twice")
	}
	c.samples[identity] = true
	return nil
}

func (c *lineChecker) exemplarAllowed(name string) bool {
	return c.openMetrics && (c.typ == "counter" && strings.HasSuffix(name, "_total") ||
		c.typ == "histogram" && strings.HasSuffix(name, "_bucket"))
}

func TestGrammarRefusesWhatIsWrong(t *testing.T) {
	for name, text := range map[string]string{
		"family twice":   "# TYPE a gauge\na 1\n# TYPE a gauge\n",
		"sample twice":   "# TYPE a gauge\na{b=\"c\"} 1\na{b=\"c\"} 2\n",
		"name":           "# TYPE a gauge\na-b 1\n",
		"raw newline":    "# TYPE a gauge\na{b=\"c\nd\"} 1\n",
		"colon label":    "# TYPE a gauge\na{b:c=\"d\"} 1\n",
		"other's sample": "# TYPE a gauge\nb 1\n",
		"exemplar":       "# TYPE a gauge\na 1 # {b=\"c\"} 1\n",
		"end":            "# TYPE a gauge\na 1",
	} {
		if checkLines(text, false) == nil {
			t.Errorf("%s: accepted %q", name, text)
		}
	}
}
