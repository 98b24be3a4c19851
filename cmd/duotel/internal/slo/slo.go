package slo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/rules"
)

// SLO is an objective in PromQL: so many of all events are not bad.
type SLO struct {
	// Name is unique among a service's objectives: letters, digits, '-', '_' and '.'.
	Name string
	// Target is the share of good events in percent.
	Target float64
	// Description is a sentence.
	Description string
	// Bad and Total return expressions for events per second over a window such as "5m": one series without labels. Bad
	// is 0, and not absent, where nothing was bad and Total is there.
	Bad, Total func(window string) string
	// Series makes what Prometheus stores of such events, for the unit tests of the alerts.
	Series func(...Phase) []rules.Series
}

// Phase is a number of good and of bad events a minute, for some minutes.
type Phase struct {
	Minutes   int
	Good, Bad float64
}

// Options say for which service and over which period the objectives are.
type Options struct {
	rules.Options
	// Period is that of the budget. Default: 30 days. See [ParsePeriod].
	Period time.Duration
	// LeastBad is the number of bad events in the longer window, 6 h for a page and 3 d for a ticket, below which nothing fires:
	// where there is little traffic, one failure is a great share of it. It counts what is bad and not what there is, so that
	// a service that fails every one of its few requests still pages. Default: 10.
	LeastBad int
}

// The alerts of an objective. They are the same for all; the label sloth_slo tells which one it is about.
const (
	BurnFast = "ErrorBudgetBurnsFast"
	BurnSlow = "ErrorBudgetBurns"
)

// Groups returns the rules of objectives, two groups for each: what alerts need, and the budget, which is evaluated more rarely because
// it looks at the whole period.
func Groups(o Options, objectives ...SLO) ([]rules.Group, error) {
	if o.Period == 0 {
		o.Period = tablePeriod
	}
	if o.LeastBad == 0 {
		o.LeastBad = 10
	}
	var out []rules.Group
	seen := map[string]bool{}
	for _, s := range objectives {
		if seen[s.Name] {
			return nil, fmt.Errorf("slo=%q: there are two of this name; allowed is one objective for a route and a threshold", s.Name)
		}
		seen[s.Name] = true
		groups, err := o.groups(s)
		if err != nil {
			return nil, fmt.Errorf("slo=%q: %w", s.Name, err)
		}
		out = append(out, groups...)
	}
	return out, nil
}

// service is the job as Sloth takes it for a name.
func (o Options) service() string {
	if name := plain(o.Job); len(name) > 1 {
		return name
	}
	return "job-" + plain(o.Job)
}

// budgetInterval is how often the budget is evaluated: less than Prometheus's five minutes of looking back, so that there are no gaps.
const budgetInterval = 2 * time.Minute

// groups makes the rules of one objective.
func (o Options) groups(s SLO) ([]rules.Group, error) {
	name := "duotel-slo-" + s.Name
	burn := rules.Group{Name: name, Records: append(o.events(s), o.ratios(s)...)}
	budget := rules.Group{Name: name + "-budget", Interval: budgetInterval, Records: o.budget(s)}
	for _, g := range []rules.Group{burn, budget} {
		for i, r := range g.Records {
			var err error
			if g.Records[i].Expr, err = tidy(r.Expr); err != nil {
				return nil, err
			}
		}
	}
	for _, severity := range []rules.Severity{rules.Page, rules.Ticket} {
		alert, err := o.alert(s, severity)
		if err != nil {
			return nil, err
		}
		burn.Alerts = append(burn.Alerts, alert)
	}
	return []rules.Group{burn, budget}, nil
}

// What is recorded beside Sloth's rules: numbers of events.
const (
	badHour   = "slo:bad_events:rate1h"
	totalHour = "slo:total_events:rate1h"
)

// badIn is the number of bad events in a window.
func badIn(w time.Duration) string { return "slo:bad_events:increase" + text(w) }

// guards are the windows that the guard counts in: the longer ones of page and ticket.
func guards(period time.Duration) map[rules.Severity]time.Duration {
	out := map[rules.Severity]time.Duration{}
	for _, w := range Windows(period) {
		out[w.Severity] = max(out[w.Severity], w.Long)
	}
	return out
}

// events records the numbers of events that the guard and the budget need.
func (o Options) events(s SLO) []rules.Record {
	out := []rules.Record{
		{Name: badHour, Expr: s.Bad("1h"), Labels: o.labels(s)},
		{Name: totalHour, Expr: s.Total("1h"), Labels: o.labels(s)},
	}
	for _, severity := range []rules.Severity{rules.Page, rules.Ticket} {
		w := guards(o.Period)[severity]
		out = append(out, rules.Record{
			Name: badIn(w), Expr: fmt.Sprintf("(%s) * %v", s.Bad(text(w)), w.Seconds()), Labels: o.labels(s),
		})
	}
	return out
}

// ratioOfPeriod is the share of bad events in the period, from hours that are recorded. Sloth's own is the mean of the ratios of five minutes, in which a
// failure at night weighs as much as a thousand at noon; and it reads every one of them each time. Before the first full hour it is that of now, so that a new service's
// dashboard is not empty.
func (o Options) ratioOfPeriod(s SLO) string {
	sum := func(name string) string {
		return fmt.Sprintf("sum_over_time(%s%s[%s:1h])", name, o.filter(s), text(o.Period))
	}
	now := func(name string) string { return name + o.filter(s) }
	return fmt.Sprintf("%s / (%s > 0)\nor %s / (%s > 0)", sum(badHour), sum(totalHour), now(badHour), now(totalHour))
}

// alert is Sloth's expression with the guard, and what people read.
func (o Options) alert(s SLO, severity rules.Severity) (rules.Alert, error) {
	guard := fmt.Sprintf("%s%s >= %d", badIn(guards(o.Period)[severity]), o.filter(s), o.LeastBad)
	expr, err := tidy(fmt.Sprintf("(%s)\nand on (sloth_id) %s", o.burns(s, severity), guard))
	if err != nil {
		return rules.Alert{}, err
	}
	a := rules.Alert{
		Name: BurnFast, Expr: expr, Severity: severity, Labels: map[string]string{"sloth_severity": string(severity), "sloth_slo": s.Name},
		Summary: "The error budget of {{ $labels.job }}'s objective {{ $labels.sloth_slo }} will soon be empty.",
	}
	if severity == rules.Ticket {
		a.Name = BurnSlow
		a.Summary = "The error budget of {{ $labels.job }}'s objective {{ $labels.sloth_slo }} will not last for its period."
	}
	a.Description = fmt.Sprintf("{{ $value | humanizePercentage }} of what happened lately was bad. A whole budget of %s would be empty in %s, or sooner. The objective: %s",
		text(o.Period), left(o.Period, severity), s.Description)
	a.Firing, a.Silent = s.cases(o.labels(s))
	return a, nil
}

// left is how long a full budget lasts at the least burn rate of a severity.
func left(period time.Duration, severity rules.Severity) string {
	longest := time.Duration(0)
	for _, w := range Windows(period) {
		if w.Severity == severity {
			longest = max(longest, time.Duration(period.Hours()/w.Factor*float64(time.Hour)))
		}
	}
	return strconv.FormatFloat(longest.Hours()/24, 'f', -1, 64) + " days"
}

// cases are a service that fails half of what it does from the third hour on, and one that spends half of its budget. Promtool allows ten
// thousand samples in a query, which a few hours of native histograms are.
func (s SLO) cases(labels map[string]string) (firing, silent rules.Case) {
	const hour = 60
	budget := 1 - s.Target/100
	firing = rules.Case{
		Series: s.Series(Phase{Minutes: 2 * hour, Good: 100}, Phase{Minutes: 4 * hour, Good: 50, Bad: 50}),
		At:     5 * time.Hour, Labels: labels, Value: 0.5,
	}
	silent = rules.Case{Series: s.Series(Phase{Minutes: 6 * hour, Good: 1e4, Bad: 1e4 * budget / 2}), At: firing.At, Also: []time.Duration{time.Hour}}
	return firing, silent
}
