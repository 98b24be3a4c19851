package service

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// story remembers the last events of a world, and the laws that broke in it.
type story struct {
	mu     sync.Mutex
	began  time.Time
	events []string
	last   string // the latest event, and how often it came in a row
	times  int
	laws   []string // in the order they broke
	first  string   // the story up to the first law that broke
}

func (s *story) tell(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(fmt.Sprintf(format, args...))
}

func (s *story) note(event string) {
	if len(event) > 600 {
		event = event[:600] + "…"
	}
	if event == s.last {
		s.times++
		s.events[len(s.events)-1] = fmt.Sprintf("%12s  %s (%d times)", time.Since(s.began).Round(time.Millisecond), event, s.times)
		return
	}
	s.last, s.times = event, 1
	if len(s.events) >= *told {
		s.events = append(s.events[:0], s.events[1:]...)
	}
	s.events = append(s.events, fmt.Sprintf("%12s  %s", time.Since(s.began).Round(time.Millisecond), event))
}

// broken takes note of a law that does not hold. Only the first matters: the others may follow from it.
func (s *story) broken(law, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note("BROKEN: " + law + ": " + fmt.Sprintf(format, args...))
	if s.laws = append(s.laws, law); len(s.laws) == 1 {
		s.first = strings.Join(s.events, "\n")
	}
}

// law returns the first law that broke, "" when none did.
func (s *story) law() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.laws) == 0 {
		return ""
	}
	return s.laws[0]
}

// listener is a log handler that tells the story, and holds what a process says of its push against the laws.
type listener struct {
	world *world
	life  string

	mu            sync.Mutex
	state, reason string
}

func (*listener) Enabled(context.Context, slog.Level) bool { return true }
func (l *listener) WithAttrs([]slog.Attr) slog.Handler     { return l }
func (l *listener) WithGroup(string) slog.Handler          { return l }

// Handle takes a line. One line for each change of state: what failed fails again only for another reason, and what works had failed.
func (l *listener) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	line.WriteString(r.Message)
	reason := ""
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, " %s=%v", a.Key, a.Value)
		if a.Key == "reason" {
			reason = a.Value.String()
		}
		return true
	})
	l.world.public("the log", line.String())
	l.world.tell("%s: log: %s", l.life, line.String())
	l.mu.Lock()
	defer l.mu.Unlock()
	state, before := "", l.state
	switch r.Message {
	case "push: failing":
		state = "failing"
	case "push: working", "push: working again":
		state = "working"
	default:
		return nil
	}
	if state == before && (state != "failing" || reason == l.reason) {
		l.world.broken("one line for each change of state", "%s says twice: %s", l.life, line.String())
	}
	l.state, l.reason = state, reason
	return nil
}
