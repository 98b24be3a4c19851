package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// Case is a unit test of an alert: what Prometheus has stored, and what has become of it at a time.
type Case struct {
	// Series has a sample a minute.
	Series []Series
	// At is when the alert is looked at, since the first sample; Also are further moments for a case that is silent.
	At   time.Duration
	Also []time.Duration
	// Labels and Value are those of the expression where it fires.
	Labels map[string]string
	Value  float64
}

// Series is a series in promtool's notation.
type Series struct{ Selector, Values string }

// instance is the target that the cases are about.
const instance = "10.0.0.7:9464"

// one makes a series of s of the cases' target. Matchers have to be equalities, because they become labels.
func (s service) one(of names.Series, values string) Series {
	return Series{of.Where(fmt.Sprintf("instance=%q", instance)).String(), values}
}

// Phase is a load for some minutes, as numbers of requests a minute. Those of OK and Failed take 40 ms, those of Slow 2 s.
type Phase struct {
	Minutes          int
	OK, Failed, Slow float64
}

// Traffic returns the series of a service whose only route, /checkout, is asked so, with a sample a minute.
// It is for the unit tests of rules, also those of objectives.
func Traffic(o Options, phases ...Phase) []Series {
	s := service{Options: o}
	s.http = o.Names.HTTPServer().Where(s.job())
	return s.traffic(phases...)
}

func (s service) traffic(phases ...Phase) []Series {
	good := func(p Phase) float64 { return p.OK + p.Slow }
	failed := func(p Phase) float64 { return p.Failed }
	if s.http.ErrorType == "" {
		return s.classicTraffic(phases, good, failed)
	}
	status := func(code, errorType string) []string {
		return []string{`http_request_method="GET"`, `http_route="/checkout"`, `http_response_status_code="` + code + `"`, errorType}
	}
	out := s.histogram(status("200", ""), phases, func(p Phase) (fast, slow float64) { return p.OK, p.Slow })
	return append(out, s.histogram(status("500", `error_type="500"`), phases, func(p Phase) (fast, slow float64) { return p.Failed, 0 })...)
}

// classicTraffic has a counter by status, and durations without it.
func (s service) classicTraffic(phases []Phase, good, failed func(Phase) float64) []Series {
	route := []string{`handler="/checkout"`, `method="GET"`}
	counter := s.http.Counter().Where(route...)
	out := []Series{
		s.one(counter.Where(`status="200"`), counts(phases, good)),
		s.one(counter.Where(`status="500"`), counts(phases, failed)),
	}
	return append(out, s.histogram(route, phases, func(p Phase) (fast, slow float64) { return p.OK + p.Failed, p.Slow })...)
}

// histogram returns the request durations with these labels.
func (s service) histogram(labels []string, phases []Phase, of func(Phase) (fast, slow float64)) []Series {
	duration := s.http.Duration.Series.Where(labels...)
	if s.Names.Options().Native {
		return []Series{s.one(duration, native(phases, of))}
	}
	all := func(p Phase) float64 { fast, slow := of(p); return fast + slow }
	part := func(suffix string, matchers ...string) names.Series {
		p := duration.Where(matchers...)
		p.Name += suffix
		return p
	}
	var out []Series
	for _, bound := range s.Names.DurationBounds() {
		within := func(p Phase) float64 {
			fast, slow := of(p)
			switch {
			case bound >= 2:
				return fast + slow
			case bound >= 0.04:
				return fast
			default:
				return 0
			}
		}
		out = append(out, s.one(part("_bucket", fmt.Sprintf("le=%q", upper(bound))), counts(phases, within)))
	}
	return append(out, s.one(part("_bucket", `le="+Inf"`), counts(phases, all)), s.one(part("_count"), counts(phases, all)))
}

// upper is a bound as Prometheus 3 stores it.
func upper(bound float64) string {
	text := fmt.Sprintf("%g", bound)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// counts is a counter in promtool's notation.
func counts(phases []Phase, of func(Phase) float64) string {
	var parts []string
	total := 0.0
	for _, p := range phases {
		step := of(p)
		parts = append(parts, fmt.Sprintf("%s+%sx%d", decimal(total), decimal(step), p.Minutes-1))
		total += step * float64(p.Minutes)
	}
	return strings.Join(parts, " ")
}

// native is a native histogram in promtool's notation: 40 ms is in the bucket up to 1/16 s, 2 s in the one up to 2 s.
func native(phases []Phase, of func(Phase) (fast, slow float64)) string {
	shape := func(fast, slow float64) string {
		return fmt.Sprintf("{{schema:0 sum:%s count:%s offset:-4 buckets:[%s 0 0 0 0 %s]}}",
			decimal(fast*0.04+slow*2), decimal(fast+slow), decimal(fast), decimal(slow))
	}
	var parts []string
	var fast, slow float64
	for _, p := range phases {
		f, sl := of(p)
		parts = append(parts, fmt.Sprintf("%s+%sx%d", shape(fast, slow), shape(f, sl), p.Minutes-1))
		fast, slow = fast+f*float64(p.Minutes), slow+sl*float64(p.Minutes)
	}
	return strings.Join(parts, " ")
}

// decimal writes a number as promtool reads it.
func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
