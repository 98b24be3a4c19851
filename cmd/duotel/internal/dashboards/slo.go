package dashboards

import (
	"fmt"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// The families that the recording rules of objectives write, as Sloth calls them, and their labels. The kit's rules add
// the job. There is no instance, because an objective is promised for the service.
const (
	sloObjective = "slo:objective:ratio"
	sloBudget    = "slo:error_budget:ratio"
	sloPeriod    = "slo:time_period:days"
	sloBurn      = "slo:current_burn_rate:ratio"
	sloRemaining = "slo:period_error_budget_remaining:ratio"
	sloName      = "sloth_slo"
	sloErrors    = "slo:sli_error:ratio_rate" // with the window
)

// slo answers how much of what was promised is left, and how fast it goes.
func (m maker) slo() page {
	return page{
		key: "slo", title: "SLO", present: "target_info",
		about: "What the service promises: how much of the error budget is left, how fast it is used, and who uses it.",
		variables: []variable{
			{"slo", "SLO", fmt.Sprintf(`label_values(%s{job=~"$job"}, %s)`, sloObjective, sloName)},
		},
		rows: []row{
			{1, "Budget", sloBudgetPanels()},
			{2, "Burn", m.sloBurnPanels()},
			{3, "Who uses the budget", m.sloSpenders()},
		},
	}
}

// recorded selects what a recording rule has written, and keeps the labels that tell one objective from another.
func recorded(name string) string {
	s := names.Series{Name: name}.Where(`job=~"$job"`, sloName+`=~"$slo"`)
	return names.Over("max", s.String(), "job", sloName)
}

func sloBudgetPanels() []panel {
	which := legend("job", sloName)
	left := recorded(sloRemaining)
	empty := fmt.Sprintf("clamp_min(%s, 0) / (%s > 0) * %s * 86400", left, recorded(sloBurn), recorded(sloPeriod))
	return []panel{
		{
			id: 501, title: "Budget left", draw: number, unit: share, width: 8,
			about:   "The share of the period's error budget that is left. Below 0 the promise is broken. The rules count hours: there is no value before the first full one.",
			queries: []query{{expr: left, legend: which}}, limits: []limit{{color: "red"}, {0, "orange"}, {0.25, "green"}}, alerts: []string{burnsFast, burnsSlow},
		},
		{
			id: 502, title: "Time to empty", draw: number, unit: seconds, width: 8,
			about:   "When the budget will be empty if it goes on as now. There is no value while nothing is used.",
			queries: []query{{expr: empty, legend: which}}, limits: []limit{{color: "red"}, {86400, "orange"}, {3 * 86400, "green"}},
		},
		{
			id: 503, title: "Objective", draw: number, unit: share, width: 8,
			about:   "The share of good requests that was promised.",
			queries: []query{{expr: recorded(sloObjective), legend: which}},
		},
		{
			id: 504, title: "Budget left over time", draw: lines, unit: share, width: 24,
			about:   "The share of the period's error budget that was left at each moment, over the period before it.",
			queries: []query{{expr: left, legend: which}}, limits: []limit{{color: "red"}, {0, "green"}},
		},
	}
}

// sloBurnPanels has a panel for each pair of windows, and in it the factor at which the alert fires when both windows are over it.
func (m maker) sloBurnPanels() []panel {
	which := legend("job", sloName)
	out := []panel{{
		id: 511, title: "Burn rate now", draw: lines, unit: none, width: 24,
		about:   "How many times faster than allowed the budget is used. At 1 it is empty when the period ends.",
		queries: []query{{expr: recorded(sloBurn), legend: which}}, limits: below(1), alerts: []string{burnsFast, burnsSlow},
	}}
	for i, b := range m.Burn {
		out = append(out, panel{
			id: 512 + uint32(i), title: fmt.Sprintf("Burn rate over %s and %s", b.Long, b.Short), draw: lines, unit: none,
			about: fmt.Sprintf("The burn rate in a long and in a short window. An alert fires while both are over %g, and ends soon after the fault because of the short one.", b.Factor),
			queries: []query{
				{expr: burn(b.Long), legend: which + " " + b.Long},
				{expr: burn(b.Short), legend: which + " " + b.Short},
			},
			limits: below(b.Factor), alerts: b.alerts(),
		})
	}
	return out
}

// alerts are those that the pair may fire.
func (b Burn) alerts() []string {
	if b.Alert == "" {
		return []string{burnsFast, burnsSlow}
	}
	return []string{b.Alert}
}

// burn is the burn rate in a window.
func burn(window string) string {
	return fmt.Sprintf("%s / %s", recorded(sloErrors+window), recorded(sloBudget))
}

// sloSpenders show where the errors come from, which the recording rules have added up.
func (m maker) sloSpenders() []panel {
	h := m.http
	slow := fmt.Sprintf("(%s) - (%s)", h.Duration.Count(window, h.Route), h.Duration.Within(m.latency(), window, h.Route))
	return []panel{
		{
			id: 521, title: "Failed requests by route", draw: stacked, unit: requestsPerSecond,
			about:   "Requests that use the budget of availability.",
			queries: []query{{expr: h.Failed(window, h.Route), legend: legend(h.Route)}}, alerts: []string{"HTTPErrorRateHigh"},
		},
		{
			id: 522, title: "Failed requests by instance", draw: stacked, unit: requestsPerSecond,
			about:   "One instance that fails and others that do not is a fault of that instance.",
			queries: []query{{expr: h.Failed(window, "instance"), legend: instances}}, alerts: []string{"HTTPErrorRateHigh"},
		},
		{
			id: 523, title: "Slow requests by route", draw: stacked, unit: requestsPerSecond,
			about:   fmt.Sprintf("Requests that took more than %g s, and so use the budget of latency.", m.latency()),
			queries: []query{{expr: slow, legend: legend(h.Route)}}, alerts: []string{"HTTPRequestsSlow"},
		},
	}
}
