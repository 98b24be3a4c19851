package names

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Series is a family, or one of a histogram's, with the matchers that choose among its series.
type Series struct {
	Name     string
	Matchers []string // `job="shop"`, in PromQL
}

// Where returns s with further matchers. Empty ones are left out.
func (s Series) Where(matchers ...string) Series {
	all := append([]string(nil), s.Matchers...)
	for _, m := range matchers {
		if m != "" {
			all = append(all, m)
		}
	}
	return Series{Name: s.Name, Matchers: all}
}

// String returns the selector.
func (s Series) String() string {
	if len(s.Matchers) == 0 {
		return s.Name
	}
	return s.Name + "{" + strings.Join(s.Matchers, ",") + "}"
}

// Rate returns the counter's increase per second over the window ("5m", "$__rate_interval"), added up by labels.
func (s Series) Rate(window string, by ...string) string { return Sum(s.rate(window), by...) }

// Increase returns the counter's increase over the window, added up by labels.
func (s Series) Increase(window string, by ...string) string {
	return Sum(fmt.Sprintf("increase(%s[%s])", s, window), by...)
}

func (s Series) rate(window string) string { return fmt.Sprintf("rate(%s[%s])", s, window) }

// Sum returns the sum of an expression by labels.
func Sum(expr string, by ...string) string { return Over("sum", expr, by...) }

// Over returns an aggregation of an expression by labels: Over("max", "up", "job") is max by (job) (up).
func Over(op, expr string, by ...string) string {
	if len(by) == 0 {
		return fmt.Sprintf("%s(%s)", op, expr)
	}
	return fmt.Sprintf("%s by (%s) (%s)", op, strings.Join(by, ", "), expr)
}

// Ratio returns part/whole as it has to be for an alert: 0 while nothing has gone wrong yet, and absent, rather than NaN, while
// nothing happens at all. Both are added up by the same labels.
func Ratio(part, whole string, by ...string) string {
	on := "on()"
	if len(by) > 0 {
		on = "on (" + strings.Join(by, ", ") + ")"
	}
	return fmt.Sprintf("((%s) or %s 0 * (%s)) / ((%s) > 0)", part, on, whole, whole)
}

// Hist is a histogram as Prometheus stores it: classic series, or native ones. Its methods ask the same of both.
type Hist struct {
	Series
	// Native is as in Options.
	Native bool
}

// HistogramOf returns a histogram of the service by its OpenTelemetry name and unit.
func (n Names) HistogramOf(instrument, unit string) Hist {
	return Hist{Series{Name: n.Of(instrument, unit, Histogram)}, n.opts.Native}
}

// Where returns h with further matchers.
func (h Hist) Where(matchers ...string) Hist { return Hist{h.Series.Where(matchers...), h.Native} }

// part is one of a classic histogram's series.
func (h Hist) part(suffix string, matchers ...string) Series {
	s := h.Series.Where(matchers...)
	s.Name += suffix
	return s
}

// Count returns the observations per second by labels.
func (h Hist) Count(window string, by ...string) string {
	if h.Native {
		return fmt.Sprintf("histogram_count(%s)", h.Rate(window, by...))
	}
	return h.part("_count").Rate(window, by...)
}

// Sum returns the sum of the observations per second by labels.
func (h Hist) Sum(window string, by ...string) string {
	if h.Native {
		return fmt.Sprintf("histogram_sum(%s)", h.Rate(window, by...))
	}
	return h.part("_sum").Rate(window, by...)
}

// Mean returns the mean observation by labels; absent where there was none.
func (h Hist) Mean(window string, by ...string) string {
	return fmt.Sprintf("%s / (%s > 0)", h.Sum(window, by...), h.Count(window, by...))
}

// Quantile returns an estimate of a quantile by labels. It is for people to look at: what wakes them is [Hist.Within].
func (h Hist) Quantile(q float64, window string, by ...string) string {
	if h.Native {
		return fmt.Sprintf("histogram_quantile(%s, %s)", number(q), h.Rate(window, by...))
	}
	return fmt.Sprintf("histogram_quantile(%s, %s)", number(q), h.part("_bucket").Rate(window, append([]string{"le"}, by...)...))
}

// Buckets returns what a heat map shows: the observations per second by upper bound.
func (h Hist) Buckets(window string) string {
	if h.Native {
		return h.Rate(window)
	}
	return h.part("_bucket").Rate(window, "le")
}

// Within returns the observations per second of at most bound, by labels. It is exact where bound is one of the
// histogram's, and an estimate otherwise.
func (h Hist) Within(bound float64, window string, by ...string) string {
	if h.Native {
		rate := h.Rate(window, by...)
		return fmt.Sprintf("histogram_fraction(0, %s, %s) * histogram_count(%s)", number(bound), rate, rate)
	}
	return h.part("_bucket", LE(bound)).Rate(window, by...)
}

// LE returns the matcher of a classic bucket. Prometheus 3 writes whole bounds as 1.0 and before it as 1.
func LE(bound float64) string {
	if bound == math.Trunc(bound) {
		return fmt.Sprintf(`le=~"%s(\\.0)?"`, number(bound))
	}
	return fmt.Sprintf(`le="%s"`, number(bound))
}

// number writes a number as PromQL and label values have it.
func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
