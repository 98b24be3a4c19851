package exporter

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/duotel/duotel/exporter/internal/batch"
	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// mostAside bounds the series that are set aside. A backend that refuses more than that is not told apart from
// one that refuses everything.
const mostAside = 1000

// mostNamed bounds the series that [PushStats].SetAside names.
const mostNamed = 20

// seriesKey names a series.
type seriesKey struct {
	scope      instrumentation.Scope
	metric     string
	attributes attribute.Distinct
}

// aside is the series that the backend refuses for what is in them, for the life of the process, and one that it takes.
type aside struct {
	series map[seriesKey]struct{}
	taken  seriesKey // zero before something was accepted
}

// in returns which points of scopes belong to series that are set aside, in order.
func (s *aside) in(scopes []metricdata.ScopeMetrics) []int {
	if len(s.series) == 0 {
		return nil
	}
	var out []int
	eachPoint(scopes, func(i int, key seriesKey, _ *attribute.Set) bool {
		if _, found := s.series[key]; found {
			out = append(out, i)
		}
		return true
	})
	return out
}

// eachPoint calls f for each data point in order, until it returns false.
func eachPoint(scopes []metricdata.ScopeMetrics, f func(i int, key seriesKey, attributes *attribute.Set) bool) {
	i := 0
	for _, sm := range scopes {
		for _, m := range sm.Metrics {
			for set := range batch.Attributes(m.Data) {
				if !f(i, seriesKey{sm.Scope, m.Name, set.Equivalent()}, set) {
					return
				}
				i++
			}
		}
	}
}

// collected is what was collected, on its way to the backend.
type collected struct {
	exporter *pushExporter
	cargo    *cargo
	outcome  *outcome
}

func (d *collected) send(a attempt, s span) otlpanswer.Answer {
	c := d.cargo
	if c.live(s) == 0 {
		return otlpanswer.Answer{} // all of it is set aside, and there is nothing to send
	}
	request := &metricdata.ResourceMetrics{Resource: d.exporter.resource, ScopeMetrics: c.cut(s)}
	return d.exporter.insist(a, d.outcome, func() otlpanswer.Answer { return d.exporter.client.Send(a, request) })
}

func (d *collected) accepted(s span, answer otlpanswer.Answer) int64 {
	live := d.cargo.live(s)
	d.cargo.acknowledge(s)
	d.outcome.fresh.accept(live, d.outcome.rejection(answer, live))
	d.outcome.fresh.giveUp(s.size() - live)
	if live > 0 && answer.Rejected == 0 {
		d.remember(s)
	}
	return live
}

// remember takes note of a series that the backend takes, to ask it with later.
func (d *collected) remember(s span) {
	eachPoint(d.cargo.scopes, func(i int, key seriesKey, _ *attribute.Set) bool {
		if i < s.from || d.cargo.isAside(i) {
			return true
		}
		d.exporter.aside.taken = key
		return false
	})
}

func (d *collected) tooLarge(s span) {
	d.cargo.acknowledge(s)
	d.outcome.fresh.dropped += s.size()
}

func (d *collected) setAside(s span, answer otlpanswer.Answer) bool {
	known := &d.exporter.aside
	if len(known.series) >= mostAside {
		return false
	}
	if known.series == nil {
		known.series = map[seriesKey]struct{}{}
	}
	eachPoint(d.cargo.scopes, func(i int, key seriesKey, attributes *attribute.Set) bool {
		if i < s.from {
			return true
		}
		known.series[key] = struct{}{}
		d.exporter.stats.setAside(describe(key, attributes), answer)
		return false
	})
	d.cargo.acknowledge(s)
	d.outcome.fresh.giveUp(s.size())
	return true
}

// innocent is the series that the backend took last, and some others: what it took may have become another.
func (d *collected) innocent() []span {
	var out []span
	eachPoint(d.cargo.scopes, func(i int, key seriesKey, _ *attribute.Set) bool {
		if key == d.exporter.aside.taken {
			out = []span{{i, i + 1}}
		}
		return out == nil
	})
	out = append(out, anyOf(d.cargo.points)...)
	return slices.DeleteFunc(out, func(s span) bool { return d.cargo.isAside(s.from) })
}

// describe names a series in one line. Values of attributes are not shown: they may be anything, and the keys
// are enough to find it.
func describe(key seriesKey, attributes *attribute.Set) string {
	var keys []string
	for _, kv := range attributes.ToSlice() {
		keys = append(keys, fmt.Sprintf("%q", shortened(string(kv.Key))))
	}
	return fmt.Sprintf("metric %q of scope %q with attributes %s", shortened(key.metric), shortened(key.scope.Name), "["+shortened(strings.Join(keys, " "))+"]")
}

const shownBytes = 200

// shortened cuts a text that may be of any length.
func shortened(text string) string {
	if len(text) <= shownBytes {
		return text
	}
	return strings.ToValidUTF8(text[:shownBytes], "") + "…"
}
