package rules

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// perInstance are the labels that alerts about one process keep.
var perInstance = []string{"job", "instance"}

// pushGroup is about the push exit. Where that is off, its series are not there and nothing fires.
func (s service) pushGroup() Group {
	return Group{Name: "duotel-pushes", Alerts: []Alert{
		s.pushesFailing(), s.pushesStale(), s.pointsRejected(), s.pointsLost(), s.spoolFailing(),
	}}
}

func (s service) pushesFailing() Alert {
	failures := s.own("duotel.push.consecutive_failures", "{push}", names.Gauge)
	return Alert{
		Name: "PushesFailing", Severity: Ticket, For: 5 * time.Minute,
		Expr:        names.Over("max", failures.String(), perInstance...) + " > 3",
		Summary:     "{{ $labels.instance }} cannot push its metrics.",
		Description: "{{ $value }} pushes in a row have failed. The scraped metrics are not affected.",
		Firing:      Case{Series: []Series{s.one(failures, "0 0 0 1 2 3 4 5 6 7 8 9 10 11 12 13")}, At: 12 * time.Minute, Labels: s.target(), Value: 10},
		Silent:      Case{Series: []Series{s.one(failures, "0 1 2 3 0 0 1 2 3 0 0 1 2 3 0 0")}, At: 14 * time.Minute},
	}
}

func (s service) pushesStale() Alert {
	success := s.own("duotel.push.last_success.timestamp", "s", names.Gauge)
	failures := s.own("duotel.push.consecutive_failures", "{push}", names.Gauge)
	start := s.plain("process_start_time_seconds")
	last, begun, exit := names.Over("max", success.String(), perInstance...), names.Over("max", start.String(), perInstance...), names.Over("max", failures.String(), perInstance...)
	return Alert{
		Name: "PushesStale", Severity: Ticket, For: 5 * time.Minute,
		// The time stamp is absent before the first success. Then the process's start stands for it, where the push exit is on.
		Expr:        fmt.Sprintf("time() - (\n  %s\n  or (%s and %s)\n) > 600", last, begun, exit),
		Summary:     "{{ $labels.instance }} has not pushed its metrics for more than ten minutes.",
		Description: "The last push that was accepted is {{ $value | humanizeDuration }} ago; without any, this is the process's age. A push that hangs looks so too.",
		// It never succeeded.
		Firing: Case{Series: []Series{s.one(start, "0x30"), s.one(failures, "0 1 2 3 4+0x30")}, At: 20 * time.Minute, Labels: s.target(), Value: 1200},
		Silent: Case{Series: []Series{s.one(start, "0x30"), s.one(failures, "0x30"), s.one(success, "60+60x30")}, At: 20 * time.Minute},
	}
}

func (s service) pointsRejected() Alert {
	points := s.points(`error_type="rejected"`)
	return Alert{
		Name: "PointsRejected", Severity: Ticket, For: 5 * time.Minute, KeepFiring: 10 * time.Minute,
		Expr:        points.Increase("10m", perInstance...) + " > 0",
		Summary:     "The backend rejects points that {{ $labels.instance }} pushes.",
		Description: "{{ $value | humanize }} points were rejected in ten minutes. They are not sent again; the log has the backend's reason.",
		Firing:      Case{Series: []Series{s.one(points, "0 0 0 0 3+3x20")}, At: 20 * time.Minute, Labels: s.target(), Value: 30},
		Silent:      Case{Series: []Series{s.one(points, "0x30")}, At: 20 * time.Minute},
	}
}

func (s service) pointsLost() Alert {
	points := s.points(`error_type=~"lost|set_aside"`)
	lost := s.points(`error_type="lost"`)
	return Alert{
		Name: "PointsLost", Severity: Ticket, For: 0, KeepFiring: 10 * time.Minute,
		Expr:        points.Increase("10m", append(perInstance, "error_type")...) + " > 0",
		Summary:     "Points that {{ $labels.instance }} should have pushed are {{ $labels.error_type }}.",
		Description: "{{ $value | humanize }} points in ten minutes did not reach the backend and will not: the spool was full, too old or absent, or a series is set aside.",
		Firing:      Case{Series: []Series{s.one(lost, "0x10 50x20")}, At: 15 * time.Minute, Labels: s.target("error_type", "lost"), Value: 50},
		Silent:      Case{Series: []Series{s.one(lost, "7x30")}, At: 20 * time.Minute},
	}
}

func (s service) spoolFailing() Alert {
	failures := s.own("duotel.push.spool.failures", "{push}", names.Counter)
	return Alert{
		Name: "SpoolFailing", Severity: Ticket, For: 5 * time.Minute, KeepFiring: 10 * time.Minute,
		Expr:        failures.Increase("10m", perInstance...) + " > 0",
		Summary:     "{{ $labels.instance }} cannot use its spool.",
		Description: "{{ $value | humanize }} pushes in ten minutes could not be kept. What cannot be delivered now is lost.",
		Firing:      Case{Series: []Series{s.one(failures, "0+1x30")}, At: 20 * time.Minute, Labels: s.target(), Value: 10},
		Silent:      Case{Series: []Series{s.one(failures, "0x30")}, At: 20 * time.Minute},
	}
}

func (s service) points(matcher string) names.Series {
	return s.own("otel.sdk.exporter.metric_data_point.exported", "{data_point}", names.Counter, matcher)
}
