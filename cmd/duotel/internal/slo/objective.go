// Package slo makes recording and alert rules of service level objectives: burn rates of an error budget over several
// windows, as Sloth makes them and by the same names, with what Sloth leaves open: ratios that hold before the first failure
// and without traffic, a guard against a handful of failures, and a budget that weighs every request the same.
//
// Sloth's library itself, v0.16.0, needs a Prometheus library older than v0.311.0, and what checks these rules is newer, so that
// both cannot be in one program. internal/slothtest in the repository's root, a module of its own, runs it and keeps what it makes in
// testdata/sloth; the tests here hold the rules to that.
package slo

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/duotel/duotel/cmd/duotel/internal/rules"
)

// Objective is what somebody promises about the requests of an HTTP server.
type Objective struct {
	// Route is a route, or "" for all.
	Route string
	// Target is the share of good requests in percent: 99.9.
	Target float64
	// Threshold is how long a good request takes at most. Without it a good request is one that the service did not fail.
	Threshold time.Duration
}

// allowed is the syntax of objectives.
const allowed = `allowed are availability=99.9%, latency=99% < 300ms and, for one route, latency(/checkout)=99.5% < 1s`

var syntax = regexp.MustCompile(`^\s*(\w+)\s*(?:\((.*)\))?\s*=\s*([^<]*?)\s*(?:<\s*(.*?)\s*)?$`)

// Parse reads an objective. Errors say what was found and what is allowed.
func Parse(text string) (Objective, error) {
	refuse := func(format string, args ...any) (Objective, error) {
		return Objective{}, fmt.Errorf("slo=%q: %s; %s", text, fmt.Sprintf(format, args...), allowed)
	}
	parts := syntax.FindStringSubmatch(text)
	if parts == nil {
		return refuse("not an objective")
	}
	kind, route, target, threshold := parts[1], parts[2], parts[3], parts[4]
	o := Objective{Route: route}
	var err error
	switch {
	case kind != "availability" && kind != "latency":
		return refuse("kind %q is not known", kind)
	case strings.Contains(text, "()"), strings.Contains(route, "{{"), strings.ContainsAny(route, "\n"):
		return refuse("route %q is none", route)
	case kind == "availability" && strings.Contains(text, "<"):
		return refuse("availability has no threshold")
	case kind == "latency" && threshold == "":
		return refuse("latency without a threshold")
	}
	if o.Target, err = parseTarget(target); err != nil {
		return refuse("target %q %v", target, err)
	}
	if kind == "latency" {
		if o.Threshold, err = time.ParseDuration(threshold); err != nil || o.Threshold <= 0 {
			return refuse("threshold %q is not a duration such as 300ms", threshold)
		}
	}
	return o, nil
}

// The least and the greatest target. With less, even a service that fails every request does not burn its budget fast enough for
// any page; with more, a month's budget is less than half a minute.
const (
	leastTarget    = 90
	greatestTarget = 99.999
)

func parseTarget(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	target, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	switch {
	case !percent || err != nil:
		return 0, fmt.Errorf("is not a percentage such as 99.9%%")
	case !(target >= leastTarget && target <= greatestTarget):
		return 0, fmt.Errorf("is not from %v%% to %v%%", float64(leastTarget), greatestTarget)
	}
	return target, nil
}

// ParsePeriod reads the period of objectives: whole days, from 7d to 92d. An empty text is 30d.
func ParsePeriod(text string) (time.Duration, error) {
	if text == "" {
		return tablePeriod, nil
	}
	const day = 24 * time.Hour
	d, err := model.ParseDuration(text)
	if period := time.Duration(d); err == nil && period%day == 0 && period >= 7*day && period <= 92*day {
		return period, nil
	}
	return 0, fmt.Errorf("period=%q: not a period of objectives; allowed are whole days or weeks from 7d to 92d, such as 28d or 4w", text)
}

// Name is that of the objective in rules and dashboards: latency-checkout-300ms.
func (o Objective) Name() string {
	parts := []string{"availability"}
	if o.Threshold > 0 {
		parts[0] = "latency"
	}
	if o.Route != "" {
		parts = append(parts, plain(o.Route))
	}
	if o.Threshold > 0 {
		parts = append(parts, plain(o.Threshold.String()))
	}
	return strings.Join(parts, "-")
}

// plain makes a part of a name of any text.
func plain(text string) string {
	return strings.Trim(regexp.MustCompile(`[^A-Za-z0-9.]+`).ReplaceAllString(text, "-"), "-.")
}

// String returns the objective as it is written.
func (o Objective) String() string {
	kind, route, threshold := "availability", "", ""
	if o.Threshold > 0 {
		kind, threshold = "latency", " < "+o.Threshold.String()
	}
	if o.Route != "" {
		route = "(" + o.Route + ")"
	}
	return fmt.Sprintf("%s%s=%v%%%s", kind, route, o.Target, threshold)
}

// SLO returns what the rules of the objective are made from. A threshold that is no bound of the
// histogram's buckets is refused, because what is within it could only be guessed.
func (o Objective) SLO(of rules.Options) (SLO, error) {
	bounds := of.Names.DurationBounds()
	if o.Threshold > 0 && !slices.Contains(bounds, o.Threshold.Seconds()) {
		var known []string
		for _, b := range bounds {
			known = append(known, time.Duration(b*float64(time.Second)).String())
		}
		return SLO{}, fmt.Errorf("slo=%q: %s is no bound of the request duration's buckets, so that the requests within it cannot be counted; "+
			"allowed are %s, or set METRICS_HTTP_DURATION_BOUNDS=%s for the service and name the same bounds here",
			o, o.Threshold, strings.Join(known, ", "), o.Threshold)
	}
	h := of.Names.HTTPServer().Where("job=" + strconv.Quote(of.Job))
	if o.Route != "" {
		h = h.Where(h.Route + "=" + strconv.Quote(o.Route))
	}
	load := rules.Load{Options: of, Route: o.Route, Threshold: o.Threshold.Seconds()}
	s := SLO{Name: o.Name(), Target: o.Target, Description: o.description()}
	if o.Threshold == 0 {
		s.Total = func(window string) string { return h.Requests(window) }
		s.Bad = func(window string) string { return orNone(h.Failed(window), h.Requests(window)) }
	} else {
		s.Total = func(window string) string { return h.Duration.Count(window) }
		s.Bad = func(window string) string {
			return fmt.Sprintf("%s - %s", h.Duration.Count(window), h.Duration.Within(o.Threshold.Seconds(), window))
		}
	}
	s.Series = func(phases ...Phase) []rules.Series {
		var of []rules.Phase
		for _, p := range phases {
			phase := rules.Phase{Minutes: p.Minutes, OK: p.Good}
			if o.Threshold > 0 {
				phase.Slow = p.Bad
			} else {
				phase.Failed = p.Bad
			}
			of = append(of, phase)
		}
		return load.Series(of...)
	}
	return s, nil
}

// orNone is 0 where part is not there yet and whole is.
func orNone(part, whole string) string { return fmt.Sprintf("%s or on() 0 * %s", part, whole) }

// description says what a good request is.
func (o Objective) description() string {
	what := "are not failed by the service"
	if o.Threshold > 0 {
		what = "take at most " + o.Threshold.String()
	}
	where := ""
	if o.Route != "" {
		where = " to " + o.Route
	}
	return fmt.Sprintf("%v%% of the requests%s %s.", o.Target, where, what)
}
