package dashboards

import "strings"

// Query is one that a panel asks.
type Query struct {
	// File and Dashboard say where the panel is.
	File, Dashboard string
	// Panel is the panel's id, and Title what it is called.
	Panel uint32
	Title string
	// RefID tells it from the panel's other queries.
	RefID string
	// Expr is the PromQL, with Grafana's variables in it.
	Expr string
	// Instant says that it is asked for one moment and not for a range of time.
	Instant bool
	// Alerts are those that fire on what is seen in the panel.
	Alerts []string
}

// Queries returns the queries of all panels of the dashboards, in their order.
func Queries(of []Dashboard) []Query {
	var out []Query
	for _, d := range of {
		out = append(out, d.Queries...)
	}
	return out
}

// Concrete returns the query as Grafana sends it to Prometheus when all jobs and instances are chosen and a rate's window is
// rate, such as "1m". What is in chosen takes the place of a variable: {"job": "shop"}.
func (q Query) Concrete(rate string, chosen map[string]string) string {
	return concrete(q.Expr, rate, chosen)
}

func concrete(expr, rate string, chosen map[string]string) string {
	expr = strings.ReplaceAll(expr, window, rate)
	for _, name := range []string{"job", "instance", "slo"} {
		value := chosen[name]
		if value == "" {
			value = ".+"
		}
		expr = strings.ReplaceAll(expr, `"$`+name+`"`, `"`+value+`"`)
	}
	return expr
}

// asked are the panel's queries, for whom a JSON is too much.
func (c panel) asked(in Dashboard) []Query {
	var out []Query
	for i, q := range c.queries {
		out = append(out, Query{
			File: in.File, Dashboard: in.Title, Panel: c.id, Title: c.title, RefID: refID(i), Expr: q.expr, Instant: c.draw == bars, Alerts: c.alerts,
		})
	}
	return out
}
