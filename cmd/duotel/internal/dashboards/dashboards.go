// Package dashboards is the catalogue of what people look at: which questions a dashboard answers, how each is
// asked of Prometheus, in which unit, where the objective is, and which alert and runbook belong to it. From it come Grafana dashboards
// in the v1 schema.
//
// The catalogue says what it wants to know, and package names turns that into PromQL for one vocabulary, prefix and
// kind of histogram. So a dashboard for classic names and one for native histograms are two outputs of one
// catalogue, and neither has a switch in it that chooses while somebody waits.
//
// Every query has the matchers job=~"$job" and instance=~"$instance", and every rate the window $__rate_interval, which
// is never shorter than two scrapes. What the recording rules of objectives write is the exception: it has no instance,
// because an objective is promised for the service and not for one of its instances.
package dashboards

import (
	"fmt"
	"strings"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// DefaultRunbooks is where the runbooks of the kit's alerts are read.
const DefaultRunbooks = "https://github.com/duotel/duotel/blob/main/docs/runbooks.md"

// Options say for which service the dashboards are.
type Options struct {
	// Names are the service's names. The zero value is not allowed: it comes from [names.New].
	Names names.Names
	// Job is the service's job label in Prometheus; it is chosen when a dashboard is opened, and part of its title and uid.
	// Default: every job, and dashboards that all services share.
	Job string
	// Runbooks is the address of the runbooks; an alert's anchor is added to it. Default: DefaultRunbooks.
	Runbooks string
	// Objectives are what the service promises; they are the thresholds. Default: those of the kit's
	// own alerts, 1 % of failed requests and a 99th percentile of 1 s.
	Objectives []Objective
	// Burn are the windows in which the budget's use is watched. Default: DefaultBurn.
	Burn []Burn
	// Own are the service's own metrics, in the order in which they are shown; [FromContract] makes them. Those that another dashboard shows already
	// are left out. Default: none, and no dashboard of them.
	Own []Metric
}

// Objective is one promise about the HTTP server's requests.
type Objective struct {
	// Route is the only one it is about. Default: all.
	Route string
	// Target is the share of good requests: 0.999.
	Target float64
	// Within is how long a good request takes at most, and has to be one of the histogram's bounds. Default: 0, which makes
	// it an objective of availability: a good request is one that did not fail.
	Within time.Duration
}

// Burn is a pair of windows and how many times faster than allowed the budget is used when its alert fires.
type Burn struct {
	// Long and Short are windows as Prometheus writes them: 1h, 5m.
	Long, Short string
	Factor      float64
	// Alert is the one that fires while both windows burn faster than Factor. Default: either of the two there are.
	Alert string
}

// The alerts of objectives.
const (
	burnsFast = "ErrorBudgetBurnsFast"
	burnsSlow = "ErrorBudgetBurns"
)

// DefaultBurn returns the windows for a period of 30 days, which are those of the Site Reliability Workbook, chapter 5.
func DefaultBurn() []Burn {
	return []Burn{{"1h", "5m", 14.4, burnsFast}, {"6h", "30m", 6, burnsFast}, {"1d", "2h", 3, burnsSlow}, {"3d", "6h", 1, burnsSlow}}
}

// Dashboard is a dashboard as Grafana imports it.
type Dashboard struct {
	// File is a name for the file, without a folder: service.json.
	File string
	// UID is what Grafana knows the dashboard by, and Title what people do.
	UID, Title string
	// JSON is the dashboard in Grafana's v1 schema. It is the same for the same options, byte for byte, and ends with a line feed.
	JSON []byte
	// Queries are those of all panels, in the order of the panels.
	Queries []Query
}

// Dashboards returns every dashboard for one service, in a fixed order.
func Dashboards(o Options) ([]Dashboard, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	var out []Dashboard
	for _, p := range newMaker(o).pages() {
		d, err := p.render(o)
		if err != nil {
			return nil, fmt.Errorf("dashboards: %s: %w", p.key, err)
		}
		out = append(out, d)
	}
	return out, nil
}

// withDefaults returns the options with their defaults filled in, or what is wrong with them.
func (o Options) withDefaults() (Options, error) {
	if o.Names.Options().HTTP == "" {
		return o, fmt.Errorf("dashboards: names: no names; they come from names.New")
	}
	if o.Runbooks == "" {
		o.Runbooks = DefaultRunbooks
	}
	if len(o.Burn) == 0 {
		o.Burn = DefaultBurn()
	}
	for _, objective := range o.Objectives {
		if objective.Target <= 0 || objective.Target >= 1 {
			return o, fmt.Errorf("dashboards: objective target=%v: not a share of requests; allowed is what lies between 0 and 1, such as 0.999", objective.Target)
		}
		if objective.Within < 0 {
			return o, fmt.Errorf("dashboards: objective within=%v: not a duration of a request; allowed are 0 and more", objective.Within)
		}
	}
	for _, m := range o.Own {
		if err := m.validate(); err != nil {
			return o, err
		}
	}
	return o, nil
}

// pages returns the catalogue.
func (m maker) pages() []page {
	pages := []page{m.service(), m.dependencies(), m.grpc(), m.process(), m.slo(), m.telemetry()}
	if own := notShown(m.Own, pages); len(own) > 0 {
		pages = append(pages, m.own(own))
	}
	return pages
}

// title is what people find the dashboard by.
func (o Options) title(name string) string {
	if o.Job == "" {
		return "Duotel / " + name
	}
	return o.Job + " / " + name
}

// maxUID is the longest uid that Grafana takes.
const maxUID = 40

// uid returns the dashboard's uid. What does not fit or may not be in one is left out, and told apart by a hash.
func (o Options) uid(key string) string {
	if o.Job == "" {
		return "duotel-" + key
	}
	clean := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, o.Job)
	uid := clean + "-" + key
	if clean == o.Job && len(uid) <= maxUID {
		return uid
	}
	mark := fmt.Sprintf("-%08x", stableID(o.Job))
	return clean[:min(len(clean), maxUID-len(key)-1-len(mark))] + mark + "-" + key
}
