package rules

import (
	"fmt"
	"math"
	"slices"
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

// Load is a service whose only route is asked, for the unit tests of rules, also those of objectives.
type Load struct {
	Options Options
	// Route is the pattern that is asked. Default: /checkout.
	Route string
	// Threshold is what divides fast from slow, in seconds. A fast request takes a tenth of it and a slow one twice as long. Default: 1.
	Threshold float64
}

// Phase is a part of a load: for some minutes, so many requests a minute. OK and Failed ones are fast.
type Phase struct {
	Minutes          int
	OK, Failed, Slow float64
}

// Series returns what Prometheus stores of the load, with a sample a minute.
func (l Load) Series(phases ...Phase) []Series {
	if l.Route == "" {
		l.Route = "/checkout"
	}
	if l.Threshold == 0 {
		l.Threshold = 1
	}
	s := service{Options: l.Options}
	s.http = l.Options.Names.HTTPServer().Where(s.job())
	good := func(p Phase) float64 { return p.OK + p.Slow }
	failed := func(p Phase) float64 { return p.Failed }
	route := []string{fmt.Sprintf("%s=%q", s.http.Route, l.Route), s.http.Method + `="GET"`}
	if s.http.ErrorType != "" {
		ok := append(slices.Clip(route), s.http.Status+`="200"`)
		bad := append(slices.Clip(route), s.http.Status+`="500"`, s.http.ErrorType+`="500"`)
		return append(
			l.histogram(s, ok, phases, func(p Phase) (fast, slow float64) { return p.OK, p.Slow }),
			l.histogram(s, bad, phases, func(p Phase) (fast, slow float64) { return p.Failed, 0 })...)
	}
	// The classic vocabulary has a counter by status, and durations without it.
	counter := s.http.Counter().Where(route...)
	return append([]Series{
		s.one(counter.Where(s.http.Status+`="200"`), counts(phases, good)),
		s.one(counter.Where(s.http.Status+`="500"`), counts(phases, failed)),
	}, l.histogram(s, route, phases, func(p Phase) (fast, slow float64) { return p.OK + p.Failed, p.Slow })...)
}

// traffic is the load that the catalogue's own alerts are tested with.
func (s service) traffic(phases ...Phase) []Series { return Load{Options: s.Options}.Series(phases...) }

func (l Load) fast() float64 { return l.Threshold / 10 }
func (l Load) slow() float64 { return l.Threshold * 2 }

// histogram returns the request durations with these labels.
func (l Load) histogram(s service, labels []string, phases []Phase, of func(Phase) (fast, slow float64)) []Series {
	return l.durations(s, s.http.Duration.Series.Where(labels...), s.Names.DurationBounds(), phases, of)
}

// durations returns a histogram with those bounds.
func (l Load) durations(s service, duration names.Series, bounds []float64, phases []Phase, of func(Phase) (fast, slow float64)) []Series {
	if s.Names.Options().Native {
		return []Series{s.one(duration, l.native(phases, of))}
	}
	part := func(suffix string, matchers ...string) names.Series {
		p := duration.Where(matchers...)
		p.Name += suffix
		return p
	}
	within := func(bound float64) func(Phase) float64 {
		return func(p Phase) (n float64) {
			fast, slow := of(p)
			if l.fast() <= bound {
				n += fast
			}
			if l.slow() <= bound {
				n += slow
			}
			return n
		}
	}
	all := within(math.Inf(1))
	var out []Series
	for _, bound := range bounds {
		out = append(out, s.one(part("_bucket", fmt.Sprintf("le=%q", upper(bound))), counts(phases, within(bound))))
	}
	return append(out, s.one(part("_bucket", `le="+Inf"`), counts(phases, all)), s.one(part("_count"), counts(phases, all)))
}

// Counter returns what Prometheus stores of a counter of the service, of which there are so many a minute. Its matchers have to be equalities.
func (l Load) Counter(counter names.Series, phases []Phase, each func(Phase) float64) Series {
	return service{Options: l.Options}.one(counter, counts(phases, each))
}

// Durations returns what Prometheus stores of a histogram of the service with those bounds: OK requests are fast. Its matchers have to
// be equalities.
func (l Load) Durations(histogram names.Series, bounds []float64, phases []Phase) []Series {
	return l.durations(service{Options: l.Options}, histogram, bounds, phases, func(p Phase) (fast, slow float64) { return p.OK, p.Slow })
}

// upper is a bound as Prometheus 3 stores it.
func upper(bound float64) string {
	text := decimal(bound)
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

// native is a native histogram in promtool's notation, with a bucket for each power of two.
func (l Load) native(phases []Phase, of func(Phase) (fast, slow float64)) string {
	first, last := int(math.Ceil(math.Log2(l.fast()))), int(math.Ceil(math.Log2(l.slow())))
	shape := func(fast, slow float64) string {
		return fmt.Sprintf("{{schema:0 sum:%s count:%s offset:%d buckets:[%s %s%s]}}", decimal(fast*l.fast()+slow*l.slow()),
			decimal(fast+slow), first, decimal(fast), strings.Repeat("0 ", last-first-1), decimal(slow))
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
