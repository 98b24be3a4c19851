package slo

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
	"github.com/duotel/duotel/cmd/duotel/internal/rules"
	"github.com/duotel/duotel/telemetry/contract"
)

// Own is an objective about a service's own metrics, those of its contract.
type Own struct {
	// Name is the objective's.
	Name string
	// Target is the share of good events in percent.
	Target float64
	// Total and Except are selectors: all events, and the bad ones among them. Except is empty where Threshold is set.
	Total, Except string
	// Threshold is how long a good event takes at most, by the histogram Total. 0 for a counter.
	Threshold time.Duration
}

const (
	ownAllowed = `allowed are NAME=99% of COUNTER{…} except {…} and NAME=99% of HISTOGRAM{…} < 400ms`
	ownSyntax  = `^\s*([A-Za-z][A-Za-z0-9_.-]*)\s*=\s*(\S+)\s+of\s+(.+?)\s*(?:\s+except\s+(.+?)|<\s*([0-9a-z.]+))\s*$`
)

var ownPattern = regexp.MustCompile(ownSyntax)

// IsOwn reports whether an objective is about the service's own metrics rather than about its HTTP server's.
func IsOwn(text string) bool { return regexp.MustCompile(`%\s+of\s`).MatchString(text) }

// ParseOwn reads an objective about a service's own metrics:
//
//	workflows=99% of flytepropeller_workflow_total{phase=~"succeeded|failed"} except {phase="failed"}
//	admin-latency=99% of flyteadmin_request_duration_seconds < 400ms
//
// The bad events are those of the same counter that except chooses, or of another one that it names.
func ParseOwn(text string) (Own, error) {
	refuse := func(format string, args ...any) (Own, error) {
		return Own{}, fmt.Errorf("slo=%q: %s; %s", text, fmt.Sprintf(format, args...), ownAllowed)
	}
	parts := ownPattern.FindStringSubmatch(text)
	if parts == nil {
		return refuse("not an objective about a service's own metrics")
	}
	target, err := parseTarget(parts[2])
	if err != nil {
		return refuse("%q %v", parts[2], err)
	}
	o := Own{Name: parts[1], Target: target, Total: parts[3], Except: parts[4]}
	if parts[5] != "" {
		d, err := time.ParseDuration(parts[5])
		if err != nil || d <= 0 {
			return refuse("%q is not a duration", parts[5])
		}
		o.Threshold = d
	}
	return o, nil
}

// selector reads a selector; one without a name gets that of the default.
func selector(text, name string) (string, []*labels.Matcher, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = name + text
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return "", nil, err
	}
	v, ok := expr.(*parser.VectorSelector)
	if !ok || v.OriginalOffset != 0 || v.Timestamp != nil {
		return "", nil, fmt.Errorf("%q is no selector", text)
	}
	return v.Name, slices.DeleteFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel }), nil
}

// promised returns the instrument that a selector chooses, and what it asks for that the contract does not promise.
func promised(c *contract.Contract, name string, matchers []*labels.Matcher) (contract.Instrument, error) {
	i, ok := c.Find(name)
	if !ok {
		var known []string
		for _, i := range c.Instruments {
			known = append(known, i.Family())
		}
		return i, fmt.Errorf("%s is not in the contract; it has %s", name, strings.Join(known, ", "))
	}
	for _, m := range matchers {
		a, ok := i.Attribute(m.Name)
		if !ok {
			return i, fmt.Errorf("%s has no attribute %s in the contract", name, m.Name)
		}
		if len(a.Values) > 0 && !slices.ContainsFunc(a.Values, m.Matches) {
			return i, fmt.Errorf("%s never has %s in the contract; its values are %s", name, m, strings.Join(a.Values, ", "))
		}
	}
	return i, nil
}

// SLO returns what the rules are made from. What the contract does not promise, and a threshold that is no bound of the histogram, is
// refused.
func (o Own) SLO(of rules.Options, c *contract.Contract) (SLO, error) {
	fail := func(err error) (SLO, error) { return SLO{}, fmt.Errorf("slo %s: %w", o.Name, err) }
	name, matchers, err := selector(o.Total, "")
	if err != nil {
		return fail(err)
	}
	i, err := promised(c, name, matchers)
	if err != nil {
		return fail(err)
	}
	where := []string{"job=" + strconv.Quote(of.Job)}
	total := series(name, where, matchers)
	s := SLO{Name: o.Name, Target: o.Target}
	if o.Threshold > 0 {
		if i.Kind != contract.Histogram && i.Kind != contract.Exponential {
			return fail(fmt.Errorf("%s is a %s; a duration is asked of a histogram", name, i.Kind))
		}
		if i.Kind == contract.Histogram && !slices.Contains(i.Bounds, o.Threshold.Seconds()) {
			return fail(fmt.Errorf("%v is no bound of %s, so that what is within it cannot be counted; its bounds, in seconds, are %v", o.Threshold, name, i.Bounds))
		}
		h := names.Hist{Series: total, Native: of.Names.Options().Native}
		s.Description = fmt.Sprintf("%v%% of %s take at most %v.", o.Target, o.Total, o.Threshold)
		s.Total = func(w string) string { return h.Count(w) }
		s.Bad = func(w string) string {
			return fmt.Sprintf("%s - %s", h.Count(w), h.Within(o.Threshold.Seconds(), w))
		}
		stored := equalities(name, where, i, matchers, nil)
		s.Series = func(phases ...Phase) []rules.Series {
			return rules.Load{Options: of, Threshold: o.Threshold.Seconds()}.Durations(stored, i.Bounds, durations(phases))
		}
		return s, nil
	}
	if i.Kind != contract.Counter {
		return fail(fmt.Errorf("%s is a %s; events are counted by a counter", name, i.Kind))
	}
	badName, badMatchers, err := selector(o.Except, name)
	if err != nil {
		return fail(err)
	}
	j, err := promised(c, badName, badMatchers)
	if err != nil {
		return fail(err)
	}
	bad := series(badName, where, badMatchers)
	good, failed := equalities(name, where, i, matchers, nil), equalities(badName, where, j, badMatchers, nil)
	if badName == name {
		bad = series(badName, where, matchers, badMatchers)
		good, failed = equalities(name, where, i, matchers, badMatchers), equalities(name, where, i, slices.Concat(matchers, badMatchers), nil)
	}
	s.Description = fmt.Sprintf("%v%% of %s are not %s.", o.Target, o.Total, o.Except)
	s.Total = func(w string) string { return total.Rate(w) }
	s.Bad = func(w string) string { return orNone(bad.Rate(w), total.Rate(w)) }
	s.Series = func(phases ...Phase) []rules.Series {
		load, stored := rules.Load{Options: of}, durations(phases)
		whole := func(p rules.Phase) float64 { return p.OK }
		if badName != name {
			whole = func(p rules.Phase) float64 { return p.OK + p.Slow } // the bad are counted by the other one as well
		}
		return []rules.Series{
			load.Counter(good, stored, whole),
			load.Counter(failed, stored, func(p rules.Phase) float64 { return p.Slow }),
		}
	}
	return s, nil
}

// durations are phases in the words of the load's: what is bad is slow.
func durations(phases []Phase) (out []rules.Phase) {
	for _, p := range phases {
		out = append(out, rules.Phase{Minutes: p.Minutes, OK: p.Good, Slow: p.Bad})
	}
	return out
}

// equalities returns a series that the contract promises and that the matchers choose, but not all of those to avoid.
func equalities(name string, where []string, i contract.Instrument, choose, avoid []*labels.Matcher) names.Series {
	s := names.Series{Name: name}.Where(where...)
	avoided := len(avoid) == 0
	for _, a := range i.Attributes {
		label := a.Label()
		values := a.Values
		if len(values) == 0 {
			values = []string{"x"}
			for _, m := range choose {
				if m.Name == label && m.Type == labels.MatchEqual {
					values = []string{m.Value}
				}
			}
		}
		fits := slices.DeleteFunc(slices.Clone(values), func(v string) bool {
			return slices.ContainsFunc(choose, func(m *labels.Matcher) bool { return m.Name == label && !m.Matches(v) })
		})
		if len(fits) == 0 {
			continue
		}
		value := fits[0]
		if !avoided {
			for _, v := range fits {
				if slices.ContainsFunc(avoid, func(m *labels.Matcher) bool { return m.Name == label && !m.Matches(v) }) {
					value, avoided = v, true
					break
				}
			}
		}
		s = s.Where(fmt.Sprintf("%s=%q", label, value))
	}
	return s
}

func series(name string, where []string, matchers ...[]*labels.Matcher) names.Series {
	s := names.Series{Name: name}.Where(where...)
	for _, of := range matchers {
		for _, m := range of {
			s = s.Where(m.String())
		}
	}
	return s
}
