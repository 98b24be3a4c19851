package slo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/duotel/duotel/cmd/duotel/internal/rules"
)

// text is a duration as PromQL has it.
func text(d time.Duration) string { return model.Duration(d).String() }

// labels identify an objective, with Sloth's names for them.
func (o Options) labels(s SLO) map[string]string {
	return map[string]string{"sloth_id": o.service() + "-" + s.Name, "sloth_slo": s.Name, "sloth_service": o.service(), "job": o.Job}
}

// with returns the labels of an objective and others.
func (o Options) with(s SLO, more map[string]string) map[string]string {
	out := o.labels(s)
	maps.Copy(out, more)
	return out
}

// filter selects what is recorded of an objective.
func (o Options) filter(s SLO) string {
	l := o.labels(s)
	return fmt.Sprintf(`{sloth_id=%q, sloth_service=%q, sloth_slo=%q}`, l["sloth_id"], l["sloth_service"], l["sloth_slo"])
}

// ratioIn is the share of bad events in a window, as Sloth calls it.
func ratioIn(w time.Duration) string { return "slo:sli_error:ratio_rate" + text(w) }

// ratios records the share of bad events in every window.
func (o Options) ratios(s SLO) []rules.Record {
	var windows []time.Duration
	for _, w := range Windows(o.Period) {
		windows = append(windows, w.Short, w.Long)
	}
	slices.Sort(windows)
	var out []rules.Record
	for _, w := range slices.Compact(windows) {
		out = append(out, rules.Record{
			Name: ratioIn(w), Labels: o.with(s, map[string]string{"sloth_window": text(w)}),
			Expr: fmt.Sprintf("(%s)\n/\n((%s) > 0)", s.Bad(text(w)), s.Total(text(w))),
		})
	}
	return out
}

// budget records the share of bad events in the period, and what dashboards want to know of an objective.
func (o Options) budget(s SLO) []rules.Record {
	const budget = "slo:error_budget:ratio"
	burn := func(w time.Duration) string {
		return fmt.Sprintf("%s%s\n/ on(sloth_id, sloth_slo, sloth_service) group_left\n%s%s", ratioIn(w), o.filter(s), budget, o.filter(s))
	}
	info := map[string]string{"sloth_objective": strconv.FormatFloat(s.Target, 'f', -1, 64), "sloth_spec": "prometheus/v1"}
	return []rules.Record{
		{Name: ratioIn(o.Period), Expr: o.ratioOfPeriod(s), Labels: o.with(s, map[string]string{"sloth_window": text(o.Period)})},
		{Name: "slo:objective:ratio", Expr: fmt.Sprintf("vector(%g)", s.Target/100), Labels: o.labels(s)},
		{Name: budget, Expr: fmt.Sprintf("vector(1-%g)", s.Target/100), Labels: o.labels(s)},
		{Name: "slo:time_period:days", Expr: fmt.Sprintf("vector(%g)", o.Period.Hours()/24), Labels: o.labels(s)},
		{Name: "slo:current_burn_rate:ratio", Expr: burn(Windows(o.Period)[0].Short), Labels: o.labels(s)},
		{Name: "slo:period_burn_rate:ratio", Expr: burn(o.Period), Labels: o.labels(s)},
		{Name: "slo:period_error_budget_remaining:ratio", Expr: "1 - slo:period_burn_rate:ratio" + o.filter(s), Labels: o.labels(s)},
		{Name: "sloth_slo_info", Expr: "vector(1)", Labels: o.with(s, info)},
	}
}

// burns is the condition of a page or a ticket: in one of its two pairs of windows, the budget burns too fast in both.
func (o Options) burns(s SLO, severity rules.Severity) string {
	var pairs []string
	for _, w := range Windows(o.Period) {
		if w.Severity != severity {
			continue
		}
		over := func(d time.Duration) string {
			return fmt.Sprintf("max(%s%s > (%v * %v)) without (sloth_window)", ratioIn(d), o.filter(s), w.Factor, (100-s.Target)/100)
		}
		pairs = append(pairs, fmt.Sprintf("(%s and %s)", over(w.Short), over(w.Long)))
	}
	return strings.Join(pairs, "\nor\n")
}
