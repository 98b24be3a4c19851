package oracletest_test

import (
	"fmt"
	"maps"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// difference is one thing in which we mean to differ. even makes the two pages alike in it, or says
// what in ours is not as it is meant.
type difference struct {
	what, reason string
	even         func(ours, theirs *page, began float64) error
}

// differences are all there are: what is not here has to be equal.
var differences = []difference{
	{
		what:   "exponential histograms have classic buckets",
		reason: "with +Inf alone no quantile can be taken from them",
		even:   evenExponentials,
	},
	{
		what:   "counters and histograms have _created",
		reason: "without a start time the first increase after a start cannot be seen",
		even:   evenCreated,
	},
	{
		what:   "an exemplar of more than 128 characters keeps its trace_id and span_id",
		reason: "they are what it is for; the official exporter loses it, and all others of the point with it",
		even:   evenLongExemplars,
	},
}

// evenExponentials takes the buckets below +Inf out of ours, and all exemplars: theirs has nowhere to
// put them.
func evenExponentials(ours, theirs *page, _ float64) error {
	for key, s := range ours.samples {
		if !strings.Contains(s.name(), exponentialStem) || !strings.HasSuffix(s.name(), "_bucket") {
			continue
		}
		if s.exemplars = ""; s.labels.Get("le") != "+Inf" {
			top := sibling(s.labels, "le", "+Inf")
			if s.value > ours.samples[top].value {
				return fmt.Errorf("%v is more than the count, %v", s, ours.samples[top])
			}
			delete(ours.samples, key)
			continue
		}
		ours.samples[key] = s
	}
	return nil
}

// evenCreated takes _created out of ours, once every counter and histogram has one that is right.
func evenCreated(ours, theirs *page, began float64) error {
	if !strings.HasPrefix(ours.contentType, "application/openmetrics-text") {
		return nil
	}
	for _, s := range maps.Clone(ours.samples) {
		for _, suffix := range []string{"_total", "_count"} {
			family, ok := strings.CutSuffix(s.name(), suffix)
			if kind := ours.types[family]; !ok || kind != "counter" && kind != "histogram" {
				continue
			}
			key := sibling(s.labels, labels.MetricName, family+"_created")
			if created, ok := ours.samples[key]; !ok || created.value != began {
				return fmt.Errorf("%s is %v, want %v", key, created.value, began)
			}
			delete(ours.samples, key)
		}
	}
	return nil
}

// evenLongExemplars takes out of ours the exemplars of the points that have long ones.
func evenLongExemplars(ours, theirs *page, _ float64) error {
	for key, s := range ours.samples {
		if !s.labels.Has(longExemplars) || s.exemplars == "" {
			continue
		}
		// Without a span there are no ids to keep.
		if strings.Contains(s.exemplars, `span_id="`) != strings.Contains(s.exemplars, `trace_id="`) || strings.Contains(s.exemplars, longExemplars) {
			return fmt.Errorf("%v: its exemplar is not trace_id and span_id", s)
		}
		s.exemplars = ""
		ours.samples[key] = s
	}
	return nil
}

// sibling is the key of the series that differs in one label. A labels.Builder would drop empty ones.
func sibling(of labels.Labels, name, value string) string {
	var b labels.ScratchBuilder
	of.Range(func(l labels.Label) {
		if l.Name == name {
			l.Value = value
		}
		b.Add(l.Name, l.Value)
	})
	return b.Labels().String()
}
