package rules

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// telemetryGroup is about the metrics themselves: what is missing from them, and why.
func (s service) telemetryGroup() Group {
	return Group{Name: "duotel-telemetry", Alerts: []Alert{
		s.cardinalityLimit(), s.callbacksFailing(), s.callbackHung(), s.seriesDropped(), s.scrapesRefused(), s.scrapeSlow(),
	}}
}

func (s service) cardinalityLimit() Alert {
	used := s.own("duotel.cardinality.used", "{series}", names.Gauge)
	limit := s.own("duotel.cardinality.limit", "{series}", names.Gauge)
	by := append(perInstance, "scope", "instrument")
	jobs := []string{`scope="app"`, `instrument="jobs"`}
	return Alert{
		Name: "CardinalityLimitReached", Severity: Ticket, For: 5 * time.Minute,
		Expr:        fmt.Sprintf("%s\n>= %s", names.Over("max", used.String(), by...), names.Over("max", limit.String(), by...)),
		Summary:     "The instrument {{ $labels.instrument }} of {{ $labels.instance }} is at its limit of series.",
		Description: "{{ $value }} series are used. New ones fold into one with otel_metric_overflow=\"true\": sums stay right, the attributes are lost.",
		Firing: Case{
			Series: []Series{s.one(used.Where(jobs...), "1900 2000x20"), s.one(limit.Where(jobs...), "2000x21")}, At: 10 * time.Minute,
			Labels: s.target("scope", "app", "instrument", "jobs"), Value: 2000,
		},
		Silent: Case{Series: []Series{s.one(used.Where(jobs...), "1999x30"), s.one(limit.Where(jobs...), "2000x30")}, At: 20 * time.Minute},
	}
}

func (s service) callbacksFailing() Alert {
	failures := s.own("duotel.callback.failures", "{failure}", names.Counter)
	failed := failures.Where(`error_type="panic"`)
	return Alert{
		Name: "CallbacksFailing", Severity: Ticket, For: 5 * time.Minute, KeepFiring: 10 * time.Minute,
		Expr:        failures.Increase("10m", append(perInstance, "error_type")...) + " > 0",
		Summary:     "Callbacks of {{ $labels.instance }} fail ({{ $labels.error_type }}), and their metrics are missing.",
		Description: "{{ $value | humanize }} failures in ten minutes. The log names the instrument and the function.",
		Firing:      Case{Series: []Series{s.one(failed, "0x5 1+1x30")}, At: 20 * time.Minute, Labels: s.target("error_type", "panic"), Value: 10},
		Silent:      Case{Series: []Series{s.one(failed, "4x30")}, At: 20 * time.Minute},
	}
}

func (s service) callbackHung() Alert {
	timeouts := s.own("duotel.scrapes", "{scrape}", names.Counter, `outcome="timeout"`)
	up := s.plain("up")
	return Alert{
		Name: "CallbackHung", Severity: Ticket, For: 0, KeepFiring: 15 * time.Minute,
		// A scrape that times out is answered 503, so that the counter is seen when one succeeds again. After a long gap it is as if
		// the series were new, and increase() does not see a series begin: hence the second half, for targets that Prometheus
		// did watch before the gap.
		Expr: fmt.Sprintf("%s > 0\nor\n%s", timeouts.Increase("15m", perInstance...),
			names.Over("sum", fmt.Sprintf("(%s > 0 unless %s offset 15m) and on (job, instance) %s offset 15m", timeouts, timeouts, up), perInstance...)),
		Summary:     "Scrapes of {{ $labels.instance }} time out: a callback or a collector hangs.",
		Description: "{{ $value | humanize }} scrapes ended without an answer because somebody's callback or collector did not return. A stack dump names it.",
		// It hung for forty minutes, and every scrape failed in that time.
		Firing: Case{
			Series: []Series{s.one(timeouts, "0x9 stale _x40 41x20"), s.one(up, "1x9 0x40 1x20")}, At: 52 * time.Minute,
			Labels: s.target(), Value: 41,
		},
		// A counter that Prometheus sees for the first time says nothing about now.
		Silent: Case{Series: []Series{s.one(timeouts, "41x30"), s.one(up, "1x30")}, At: 5 * time.Minute, Also: []time.Duration{20 * time.Minute}},
	}
}

func (s service) seriesDropped() Alert {
	dropped := s.own("duotel.dropped_series", "{series}", names.Counter)
	clash := dropped.Where(`reason="name_conflict"`)
	return Alert{
		Name: "SeriesDropped", Severity: Ticket, For: 10 * time.Minute,
		Expr:        dropped.Increase("10m", append(perInstance, "reason")...) + " > 0",
		Summary:     "Series are left out of the scrapes of {{ $labels.instance }} ({{ $labels.reason }}).",
		Description: "{{ $value | humanize }} series in ten minutes, each counted once per scrape. The log names them.",
		Firing:      Case{Series: []Series{s.one(clash, "0+2x40")}, At: 30 * time.Minute, Labels: s.target("reason", "name_conflict"), Value: 20},
		Silent:      Case{Series: []Series{s.one(clash, "0x5 2x40")}, At: 30 * time.Minute},
	}
}

func (s service) scrapesRefused() Alert {
	const outcomes = "busy|error|format|denied"
	refused := s.own("duotel.scrapes", "{scrape}", names.Counter, `outcome=~"`+outcomes+`"`)
	busy := s.own("duotel.scrapes", "{scrape}", names.Counter, `outcome="busy"`)
	return Alert{
		Name: "ScrapesRefused", Severity: Ticket, For: 10 * time.Minute,
		Expr:        refused.Increase("10m", append(perInstance, "outcome")...) + " > 0",
		Summary:     "{{ $labels.instance }} refuses scrapes ({{ $labels.outcome }}).",
		Description: "{{ $value | humanize }} scrapes in ten minutes were answered with an error, whoever asked.",
		Firing:      Case{Series: []Series{s.one(busy, "0+1x40")}, At: 30 * time.Minute, Labels: s.target("outcome", "busy"), Value: 10},
		Silent: Case{
			Series: []Series{s.one(busy, "0x40"), s.one(s.own("duotel.scrapes", "{scrape}", names.Counter, `outcome="ok"`), "0+4x40")},
			At:     30 * time.Minute,
		},
	}
}

func (s service) scrapeSlow() Alert {
	duration := s.plain("scrape_duration_seconds")
	half := s.ScrapeTimeout.Seconds() / 2
	return Alert{
		Name: "ScrapeSlow", Severity: Ticket, For: 10 * time.Minute,
		Expr:        fmt.Sprintf("%s > %g", names.Over("max", duration.String(), perInstance...), half),
		Summary:     "Scraping {{ $labels.instance }} takes more than half of the time there is.",
		Description: "The last scrape took {{ $value | humanizeDuration }}; at the timeout there are no metrics at all.",
		Firing:      Case{Series: []Series{s.one(duration, fmt.Sprintf("0.1 %gx30", half*1.5))}, At: 20 * time.Minute, Labels: s.target(), Value: half * 1.5},
		Silent:      Case{Series: []Series{s.one(duration, fmt.Sprintf("%gx9 %g 0.1x20", half*1.5, half))}, At: 15 * time.Minute},
	}
}
