package axiom

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// window is that of rates and quantiles over time: five pushes, where nobody has changed OTEL_METRIC_EXPORT_INTERVAL.
const (
	window        = "5m"
	windowSeconds = 300
)

// mpl returns the query of a panel. The grammar is https://github.com/axiomhq/mpl, src/mpl.pest.
func (o Options) mpl(p Panel) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	if p.Unit != "" {
		add("set custom_unit = %s;", text(p.Unit))
	}
	add("%s:%s", name(o.Dataset), name(p.Instrument))
	for _, c := range slices.Concat([]Condition{{"service.name", "==", o.Service}}, p.Where) {
		add("| where %s %s %s", name(c.Attribute), c.Op, c.value())
	}
	to := " to " + window
	if p.Draw == Statistic {
		to = "" // the language takes the whole range of time then, and makes one value of it
	}
	switch p.Ask {
	case Count:
		add("| bucket%s%s using %s", by(p.By), to, o.histogram(p, "count"))
		if o.Temporality == "delta" && p.Draw == TimeSeries {
			add("| map / %d", windowSeconds)
		}
	case Quantiles:
		var specs []string
		for _, q := range p.Quantiles {
			specs = append(specs, strconv.FormatFloat(q, 'f', -1, 64))
		}
		add("| bucket%s%s using %s", by(p.By), to, o.histogram(p, specs...))
	case Rate:
		if o.Temporality == "delta" {
			add("| align%s using sum", to) // the increase in a window
			add("| group%s using sum", by(p.By))
			add("| map / %d", windowSeconds)
		} else {
			add("| align%s using prom::rate", to)
			add("| group%s using sum", by(p.By))
		}
	case Value:
		add("| align%s using last", to)
		add("| group%s using %s", by(p.By), cmp.Or(p.Over, "sum"))
	}
	return strings.Join(lines, "\n")
}

// histogram returns the function that makes specs of a histogram's buckets. Its count is per second over time, and of the
// whole range in a number.
func (o Options) histogram(p Panel, specs ...string) string {
	if o.Temporality == "delta" {
		return "interpolate_delta_histogram(" + strings.Join(specs, ", ") + ")"
	}
	mode := "rate"
	if p.Draw == Statistic {
		mode = "increase"
	}
	return "interpolate_cumulative_histogram(" + mode + ", " + strings.Join(specs, ", ") + ")"
}

func by(attributes []string) string {
	if len(attributes) == 0 {
		return ""
	}
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = name(a)
	}
	return " by " + strings.Join(names, ", ")
}

// name writes an identifier, which may have any character between its backticks.
func name(s string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`", "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + "`"
}

// text writes a string. ${ would begin an expression in it.
func text(s string) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string has an encoding
	return strings.ReplaceAll(strings.TrimSpace(out.String()), "${", `\${`)
}

func (c Condition) value() string {
	switch value := c.Value.(type) {
	case int:
		return strconv.Itoa(value)
	case string:
		if c.Op == "is" {
			return value
		}
		return text(value)
	}
	return "" // Condition.validate lets nothing else through
}
