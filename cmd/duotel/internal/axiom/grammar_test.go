package axiom_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// grammar reads MPL as far as the package writes it: https://github.com/axiomhq/mpl, src/mpl.pest, says what follows what, and
// https://axiom.co/docs/mpl/introduction which functions there are.
type grammar struct {
	tokens []string
	metric string // of the source
	names  []string
}

var token = regexp.MustCompile("^(`(?:[^`\\\\]|\\\\.)*`" + `|"(?:[^"\\$]|\\.|\$[^{])*"|[0-9]+[smhd]\b|[0-9]+(?:\.[0-9]+)?|[A-Za-z_][A-Za-z0-9_]*|::|==|!=|>=|<=|[-|:;=(),<>/*+])`)

func parseMPL(source string) (g *grammar, err error) {
	g = &grammar{}
	for rest := strings.TrimSpace(source); rest != ""; rest = strings.TrimSpace(rest) {
		t := token.FindString(rest)
		if t == "" {
			return nil, fmt.Errorf("no token: %q", rest)
		}
		g.tokens, rest = append(g.tokens, t), rest[len(t):]
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v, before %q", r, strings.Join(g.tokens, " "))
		}
	}()
	if g.peek() == "set" {
		g.want("set", "custom_unit", "=")
		g.match(`^".*"$`)
		g.want(";")
	}
	g.name()
	g.want(":")
	g.metric = g.name()
	for len(g.tokens) > 0 && g.tokens[1] == "where" {
		g.want("|", "where")
		g.condition()
	}
	for len(g.tokens) > 0 {
		g.want("|")
		g.pipe()
	}
	return g, nil
}

func (g *grammar) peek() string {
	if len(g.tokens) == 0 {
		return ""
	}
	return g.tokens[0]
}

func (g *grammar) next() string {
	t := g.peek()
	if t != "" {
		g.tokens = g.tokens[1:]
	}
	return t
}

func (g *grammar) want(all ...string) {
	for _, t := range all {
		if got := g.next(); got != t {
			panic(fmt.Sprintf("%q and not %q", got, t))
		}
	}
}

func (g *grammar) match(pattern string) string {
	t := g.next()
	if !regexp.MustCompile(pattern).MatchString(t) {
		panic(fmt.Sprintf("%q is not %s", t, pattern))
	}
	return t
}

func (g *grammar) one(of ...string) string {
	t := g.next()
	if !slices.Contains(of, t) {
		panic(fmt.Sprintf("%q is none of %q", t, of))
	}
	return t
}

func (g *grammar) name() string {
	n := strings.Trim(g.match("^`.+`$"), "`")
	g.names = append(g.names, n)
	return n
}

func (g *grammar) condition() {
	g.name()
	if g.one("==", "!=", "<", ">=", "is") == "is" {
		g.one("string", "int", "float", "bool")
		return
	}
	g.match(`^(".*"|[0-9]+)$`)
}

func (g *grammar) by() {
	if g.peek() != "by" {
		return
	}
	g.want("by")
	g.name()
	for g.peek() == "," {
		g.want(",")
		g.name()
	}
}

func (g *grammar) to() {
	if g.peek() == "to" {
		g.want("to")
		g.match(`^[0-9]+[smhd]$`)
	}
}

func (g *grammar) pipe() {
	switch g.one("align", "group", "bucket", "map") {
	case "align":
		g.to()
		g.want("using")
		if g.one("avg", "count", "max", "min", "sum", "last", "prom") == "prom" {
			g.want("::", "rate")
		}
	case "group":
		g.by()
		g.want("using")
		g.one("avg", "sum", "min", "max", "count")
	case "map":
		g.one("+", "-", "*", "/")
		g.match(`^[0-9.]+$`)
	case "bucket":
		g.by()
		g.to()
		g.want("using")
		g.bucket()
	}
}

func (g *grammar) bucket() {
	if g.one("interpolate_delta_histogram", "interpolate_cumulative_histogram") == "interpolate_delta_histogram" {
		g.want("(")
	} else {
		g.want("(")
		g.one("rate", "increase")
		g.want(",")
	}
	for {
		g.match(`^(count|avg|sum|[01](\.[0-9]+)?)$`)
		if g.peek() == ")" {
			g.want(")")
			return
		}
		g.want(",")
	}
}
