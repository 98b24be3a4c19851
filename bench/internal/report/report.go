// Package report writes what was measured as Markdown: tables as they are ready, and at the end every
// target with what it was and whether it was met.
package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/duotel/duotel/bench/internal/round"
)

// Report is written to from one goroutine.
type Report struct {
	w       io.Writer
	targets [][]string
}

// New returns a report that writes to w.
func New(w io.Writer) *Report { return &Report{w: w} }

// Section begins a part of the report.
func (r *Report) Section(title, note string) {
	fmt.Fprintf(r.w, "\n## %s\n\n%s\n", title, note)
}

// Table writes rows under header. The first column is text, the others are numbers.
func (r *Report) Table(title string, header []string, rows [][]string) {
	if title != "" {
		fmt.Fprintf(r.w, "\n**%s**\n", title)
	}
	line := func(cells []string) { fmt.Fprintf(r.w, "| %s |\n", strings.Join(cells, " | ")) }
	fmt.Fprintln(r.w)
	line(header)
	fmt.Fprintf(r.w, "|---|%s\n", strings.Repeat("---:|", len(header)-1))
	for _, row := range rows {
		line(row)
	}
}

// Target keeps the judgement on what should be at most limit.
func (r *Report) Target(what string, limit float64, got round.Spread) {
	verdict := "met"
	if !(got.Median <= limit) {
		verdict = "**not met**"
	}
	r.targets = append(r.targets, []string{what, "≤ " + number(limit), Ratio(got), verdict})
}

// Unmeasured keeps a target that could not be measured, and why.
func (r *Report) Unmeasured(what, why string) {
	r.targets = append(r.targets, []string{what, "", why, "**not met**"})
}

// Targets writes the judgements.
func (r *Report) Targets() {
	if len(r.targets) == 0 {
		return
	}
	r.Section("Targets", "Median of the rounds, least and greatest in brackets.")
	r.Table("", []string{"target", "limit", "measured", ""}, r.targets)
}

// Ratio is s as a table shows it.
func Ratio(s round.Spread) string {
	if math.IsNaN(s.Median) {
		return "–"
	}
	return fmt.Sprintf("%s [%s … %s]", number(s.Median), number(s.Min), number(s.Max))
}

// Times is a ratio without its spread.
func Times(s round.Spread) string { return number(s.Median) }

// Nanoseconds is a cost in nanoseconds.
func Nanoseconds(ns float64) string {
	switch {
	case math.Abs(ns) < 10:
		return fmt.Sprintf("%.1f ns", ns)
	case math.Abs(ns) < 10_000:
		return fmt.Sprintf("%.0f ns", ns)
	case math.Abs(ns) < 1e7:
		return fmt.Sprintf("%.1f µs", ns/float64(time.Microsecond))
	default:
		return fmt.Sprintf("%.1f ms", ns/float64(time.Millisecond))
	}
}

// Count is a number of things.
func Count(n float64) string {
	if math.Abs(n) < 9.95 && math.Abs(n-math.Round(n)) > 0.04 {
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}

// Size is a number of bytes.
func Size(n float64) string {
	switch {
	case math.Abs(n) < 10_000:
		return fmt.Sprintf("%.0f B", n)
	case math.Abs(n) < 1e6:
		return fmt.Sprintf("%.0f kB", n/1e3)
	default:
		return fmt.Sprintf("%.1f MB", n/1e6)
	}
}

// number has three digits that matter.
func number(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.995:
		return fmt.Sprintf("%.2f", v)
	default:
		return fmt.Sprintf("%.3f", v)
	}
}
