package slo

import (
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/rules"
)

// Window is one of the four conditions of an objective: over the long window and the short one, the budget burns Factor
// times as fast as it may. The long one says that it matters, the short one that it still goes on.
type Window struct {
	Severity    rules.Severity
	Long, Short time.Duration
	// Factor is the burn rate: at 1 the budget is empty at the period's end.
	Factor float64
}

// Share is the part of the period's budget that is gone when the condition becomes true: 0.02 is 2 %.
func (w Window) Share(period time.Duration) float64 {
	return w.Factor * w.Long.Hours() / period.Hours()
}

// table is for 30 days: table 5-8 of the Site Reliability Workbook, https://sre.google/workbook/alerting-on-slos/.
var table = []Window{
	{rules.Page, time.Hour, 5 * time.Minute, 14.4},
	{rules.Page, 6 * time.Hour, 30 * time.Minute, 6},
	{rules.Ticket, 24 * time.Hour, 2 * time.Hour, 3},
	{rules.Ticket, 72 * time.Hour, 6 * time.Hour, 1},
}

// tablePeriod is the period that the table is for.
const tablePeriod = 30 * 24 * time.Hour

// leastFactor is the burn rate below which an objective is met with so much to spare that nobody should be told. It is
// not 1, so that 28 days are what the workbook and Sloth have for them, with 0.93.
const leastFactor = 0.9

// Windows returns the four conditions for a period. The windows are those of the table, because how soon people should know does not depend
// on the period. Factors are in proportion to it: then the share of the budget that is gone (2, 5, 10 and 10 %) is the same, and so is the
// time that is left, such as 50 hours at 14.4 of 30 days. Where that would be less than 1 it is 1.
func Windows(period time.Duration) []Window {
	var out []Window
	for _, w := range table {
		w.Factor *= period.Hours() / tablePeriod.Hours()
		if w.Factor < leastFactor {
			w.Factor = 1
		}
		out = append(out, w)
	}
	return out
}
