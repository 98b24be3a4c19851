package dashboards

import (
	"regexp"
	"strings"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/telemetry/contract"
)

// FromContract returns the instruments of a contract as their service's page has them, in the order of the contract. One whose name is
// already that of its family comes from client_golang, or was recorded from a page: it is taken as it is, and the others get
// the service's prefix.
func FromContract(c *contract.Contract, n names.Names) []Metric {
	var out []Metric
	for _, i := range c.Instruments {
		m := Metric{Family: i.Family(), Kind: kindOf[i.Kind], Unit: i.Unit, Description: i.Description}
		if i.Name != m.Family {
			m.Family = n.Of(i.Name, i.Unit, typeOf[m.Kind])
		}
		if i.Deprecated != "" {
			m.Description = strings.TrimSpace(m.Description + " Deprecated: " + i.Deprecated)
		}
		for _, a := range i.Attributes {
			m.Labels = append(m.Labels, a.Label())
		}
		out = append(out, m)
	}
	return out
}

var kindOf = map[contract.Kind]Kind{
	contract.Counter: Counter, contract.UpDownCounter: UpDown, contract.Gauge: Gauge,
	contract.Histogram: Histogram, contract.Exponential: Histogram, contract.Summary: Summary,
}

var typeOf = map[Kind]names.Kind{
	Counter: names.Counter, UpDown: names.UpDown, Gauge: names.Gauge, Histogram: names.Histogram, Summary: names.Histogram,
}

// selector is the beginning of a selector of what is chosen, as every query of the catalogue has it.
var selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\{job=~`)

// notShown returns those of the metrics that none of the pages has a question about.
func notShown(metrics []Metric, pages []page) []Metric {
	shown := map[string]bool{}
	for _, p := range pages {
		for _, r := range p.rows {
			for _, c := range r.panels {
				for _, q := range c.queries {
					for _, found := range selector.FindAllStringSubmatch(q.expr, -1) {
						shown[family(found[1])] = true
					}
				}
			}
		}
	}
	var out []Metric
	for _, m := range metrics {
		if !shown[m.Family] {
			out = append(out, m)
		}
	}
	return out
}

// family is that of one of a histogram's or a summary's series, and every other name as it is.
func family(series string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		series = strings.TrimSuffix(series, suffix)
	}
	return series
}
