package rules

import (
	"fmt"
	"time"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// processGroup is about what a process uses up.
func (s service) processGroup() Group {
	return Group{Name: "duotel-process", Alerts: []Alert{s.goroutinesGrowing(), s.memoryGrowing(), s.memoryLimit()}}
}

// grows asks whether the least of the last hour is more than factor times the most of the same hour a day before, by at
// least most: a leak is, and a busy day is not, because it is compared with its like, and because the least of an hour is not a peak.
func (s service) grows(series names.Series, factor float64, least string) string {
	now := names.Over("max", fmt.Sprintf("min_over_time(%s[1h])", series), perInstance...)
	then := names.Over("max", fmt.Sprintf("max_over_time(%s[1h] offset 1d)", series), perInstance...)
	return fmt.Sprintf("%s\n> %g * %s + %s", now, factor, then, least)
}

func (s service) goroutinesGrowing() Alert {
	goroutines := s.plain("go_goroutines")
	much := names.Over("max", fmt.Sprintf("min_over_time(%s[15m])", goroutines), perInstance...)
	return Alert{
		Name: "GoroutinesGrowing", Severity: Ticket, For: 15 * time.Minute,
		Expr:        fmt.Sprintf("(\n%s\n)\nor\n%s > 20000", s.grows(goroutines, 2, "500"), much),
		Summary:     "{{ $labels.instance }} has more and more goroutines.",
		Description: "There are {{ $value | humanize }} goroutines, more than twice as many as at the same hour yesterday, or more than 20000 for a quarter of an hour. Something starts them and nothing ends them.",
		// One a minute, for two days.
		Firing: Case{Series: []Series{s.one(goroutines, "50+1x2880")}, At: 26 * time.Hour, Labels: s.target(), Value: 50 + 25*60 + 1},
		// A day with a peak, as every day.
		Silent: Case{Series: []Series{s.one(goroutines, "50+5x719 3650-5x719 50+5x719 3650-5x719")}, At: 36 * time.Hour, Also: []time.Duration{12 * time.Hour, 47 * time.Hour}},
	}
}

func (s service) memoryGrowing() Alert {
	memory := s.plain("process_resident_memory_bytes")
	return Alert{
		Name: "MemoryGrowing", Severity: Ticket, For: 15 * time.Minute,
		Expr:        s.grows(memory, 1.5, "100e6"),
		Summary:     "{{ $labels.instance }} uses more and more memory.",
		Description: "It has {{ $value | humanize1024 }}B resident, more than one and a half times as much as at the same hour yesterday.",
		Firing:      Case{Series: []Series{s.one(memory, "100e6+0.5e6x2880")}, At: 26 * time.Hour, Labels: s.target(), Value: 100e6 + (25*60+1)*0.5e6},
		Silent:      Case{Series: []Series{s.one(memory, "100e6+0.5e6x719 460e6-0.5e6x719 100e6+0.5e6x719 460e6-0.5e6x719")}, At: 36 * time.Hour, Also: []time.Duration{47 * time.Hour}},
	}
}

func (s service) memoryLimit() Alert {
	limit := s.plain("go_gc_gomemlimit_bytes")
	memory := s.plain("process_resident_memory_bytes")
	return Alert{
		Name: "MemoryNearLimit", Severity: Ticket, For: 10 * time.Minute,
		// Without GOMEMLIMIT the limit is the greatest number there is, and nothing comes near.
		Expr:        fmt.Sprintf("max by (job, instance) (%s)\n/ max by (job, instance) (%s) > 0.95", memory, limit),
		Summary:     "{{ $labels.instance }} is near its GOMEMLIMIT.",
		Description: "It uses {{ $value | humanizePercentage }} of the limit. The collector works all the time then, and the next step is the kernel's.",
		Firing:      Case{Series: []Series{s.one(memory, "485e6x30"), s.one(limit, "500e6x30")}, At: 20 * time.Minute, Labels: s.target(), Value: 0.97},
		Silent:      Case{Series: []Series{s.one(memory, "485e6x30"), s.one(limit, "9.223372036854776e+18x30")}, At: 20 * time.Minute},
	}
}
