// Package rules is the catalogue of recording and alert rules for a service that links Duotel: what is wrong, how
// it is asked, how bad it is, and a test of each that it fires and stays silent. Rendering them is in render.go and promtool.go.
//
// What an alert promises here:
//   - Its ratio is 0 while nothing has failed yet, and absent, rather than NaN, while nothing happens.
//   - A handful of failures at night does not fire: a ratio fires with a number of failures beside it.
//   - Nothing fires on a quantile, which is an estimate. "The 99th percentile is over 1 s" is asked as "more than 1 %
//     took longer than the bucket bound 1 s", which is the same and exact.
package rules

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// Severity is what an alert asks of people.
type Severity string

// The severities.
const (
	Page   Severity = "page"   // somebody has to act now, because users are hurt
	Ticket Severity = "ticket" // somebody has to act in working hours
)

// DefaultRunbooks is where the runbooks of this catalogue are read.
const DefaultRunbooks = "https://github.com/duotel/duotel/blob/main/docs/runbooks.md"

// Options say for which service the rules are.
type Options struct {
	// Names are the service's names. The zero value is not allowed: it comes from [names.New].
	Names names.Names
	// Job is the service's job label in Prometheus. Required.
	Job string
	// Runbooks is the address of the runbooks; an alert's anchor is added to it. Default: DefaultRunbooks.
	Runbooks string
	// ScrapeTimeout is that of Prometheus for this job. A scrape that takes half of it is slow. Default: 10 s, as Prometheus has it.
	ScrapeTimeout time.Duration
}

// Group is a group of rules, which Prometheus evaluates in order.
type Group struct {
	Name string
	// Interval is 0 for Prometheus's own evaluation interval.
	Interval time.Duration
	// Records come before Alerts.
	Records []Record
	Alerts  []Alert
}

// Record is a recording rule.
type Record struct {
	Name, Expr string
	Labels     map[string]string
}

// Alert is an alert rule, with all that is written about it.
type Alert struct {
	// Name is also that of its section in the runbooks.
	Name string
	Expr string
	// For is how long Expr has to hold before the alert fires.
	For time.Duration
	// KeepFiring is how long the alert goes on after that, so that a series with gaps does not resolve and fire again.
	KeepFiring time.Duration
	Severity   Severity
	// Labels are further labels of the alert.
	Labels map[string]string
	// Summary is one line and Description what else is known. Both may use Prometheus's $labels and $value.
	Summary, Description string
	// Firing and Silent are the two cases of its unit test.
	Firing, Silent Case
}

// Anchor returns the anchor of the alert's section in the runbooks: GitHub makes it of the heading.
func (a Alert) Anchor() string { return strings.ToLower(a.Name) }

// service is what the rules of one service are made from.
type service struct {
	Options
	http names.HTTP
}

// Groups returns every group for one service, in a fixed order.
func Groups(o Options) ([]Group, error) {
	if o.Job == "" {
		return nil, errors.New(`rules: job="": no job; the service's job label in Prometheus, such as "checkout"`)
	}
	if o.Runbooks == "" {
		o.Runbooks = DefaultRunbooks
	}
	if o.ScrapeTimeout == 0 {
		o.ScrapeTimeout = 10 * time.Second
	}
	s := service{Options: o}
	s.http = o.Names.HTTPServer().Where(s.job())
	return []Group{s.requestGroup(), s.pushGroup(), s.telemetryGroup(), s.targetGroup(), s.processGroup()}, nil
}

// job is the matcher that every selector of the service has.
func (s service) job() string { return "job=" + strconv.Quote(s.Job) }

// own selects one of Duotel's series about itself.
func (s service) own(instrument, unit string, kind names.Kind, matchers ...string) names.Series {
	return names.Series{Name: s.Names.Own(instrument, unit, kind)}.Where(s.job()).Where(matchers...)
}

// plain selects a series that does not come from an OpenTelemetry instrument: Prometheus's own, or a collector's.
func (s service) plain(name string, matchers ...string) names.Series {
	return names.Series{Name: name}.Where(s.job()).Where(matchers...)
}

// recorded selects what a recording rule of the service has written.
func (s service) recorded(name string) string { return s.plain(name).String() }
