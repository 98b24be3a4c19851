package rules

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// targetGroup is about whether Prometheus sees the service at all.
func (s service) targetGroup() Group {
	return Group{Name: "duotel-targets", Alerts: []Alert{s.targetDown(), s.serviceAbsent(), s.restarting()}}
}

func (s service) targetDown() Alert {
	up := s.plain("up")
	return Alert{
		Name: "TargetDown", Severity: Ticket, For: 5 * time.Minute,
		Expr:        names.Over("min", up.String(), perInstance...) + " == 0",
		Summary:     "Prometheus cannot scrape {{ $labels.instance }} of {{ $labels.job }}.",
		Description: "Every scrape of the last five minutes failed. Its own alerts are silent meanwhile, because its series are gone.",
		Firing:      Case{Series: []Series{s.one(up, "1 1 0x20")}, At: 12 * time.Minute, Labels: s.target(), Value: 0},
		Silent:      Case{Series: []Series{s.one(up, "1 0 0 0 1 0 0 0 1 1x20")}, At: 12 * time.Minute},
	}
}

func (s service) serviceAbsent() Alert {
	up := s.plain("up")
	return Alert{
		Name: "ServiceAbsent", Severity: Page, For: 5 * time.Minute, Labels: map[string]string{"job": s.Job},
		// The comparison inside covers both: no instance is known, and none of those known is up.
		Expr:        fmt.Sprintf("absent(%s == 1)", up),
		Summary:     "No instance of " + s.Job + " is up.",
		Description: "Either all are down, or Prometheus does not know any: then look at its configuration, and at what the job is called.",
		Firing:      Case{Series: []Series{s.one(up, "1 1 0x8 _x20")}, At: 15 * time.Minute, Value: 1},
		Silent: Case{
			Series: []Series{s.one(up, "1 0x20"), {Selector: fmt.Sprintf(`up{%s,instance="10.0.0.8:9464"}`, s.job()), Values: "1x20"}},
			At:     15 * time.Minute,
		},
	}
}

func (s service) restarting() Alert {
	start := s.plain("process_start_time_seconds")
	return Alert{
		Name: "ServiceRestarting", Severity: Ticket, For: 0, KeepFiring: 15 * time.Minute,
		Expr:        fmt.Sprintf("max by (job, instance) (changes(%s[1h])) > 3", start),
		Summary:     "{{ $labels.instance }} of {{ $labels.job }} restarts again and again.",
		Description: "{{ $value }} restarts in an hour.",
		Firing:      Case{Series: []Series{s.one(start, "0x9 600x9 1200x9 1800x9 2400x9")}, At: 48 * time.Minute, Labels: s.target(), Value: 4},
		Silent:      Case{Series: []Series{s.one(start, "0x9 600x9 1200x9 1800x59")}, At: 70 * time.Minute},
	}
}
