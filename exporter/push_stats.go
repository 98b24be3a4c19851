package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
	"github.com/duotel/duotel/exporter/internal/spool"
	"github.com/duotel/duotel/internal/report"
)

// pushStats keeps a PushStats and tells the log when the state changes.
type pushStats struct {
	logger   *slog.Logger
	failures *report.Rounds // of collecting and keeping, by push
	spool    *spool.Spool

	mu    sync.Mutex
	stats PushStats
	since time.Time // of the state
	due   int64     // points of the latest push that were not accepted

	repairing bool // the latest push had something to repair
}

func newPushStats(cfg PushConfig, endpoint *url.URL, kept *spool.Spool) *pushStats {
	return &pushStats{
		spool:    kept,
		logger:   cfg.Logger,
		failures: report.NewRounds(cfg.told()),
		since:    time.Now(),
		stats: PushStats{
			State: PushStarting, Endpoint: showURL(endpoint), Failures: map[string]int64{},
		},
	}
}

// told is who hears of failures.
func (c PushConfig) told() func(error) {
	if c.ErrorHandler != nil {
		return func(err error) { c.ErrorHandler(fmt.Errorf("push: %w", err)) }
	}
	return func(err error) { c.Logger.Warn("push: a part of the metrics was left out", "error", err) }
}

func (s *pushStats) snapshot() PushStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Failures = maps.Clone(s.stats.Failures)
	out.SetAside = slices.Clone(s.stats.SetAside)
	return out
}

// read is snapshot with the state of the spool.
func (s *pushStats) read() PushStats {
	out := s.snapshot()
	if s.spool != nil {
		out.SpoolRequests, out.SpoolBytes = s.spool.Usage()
		counts := s.spool.Counts()
		out.SpoolCorrupt = counts.Corrupt
		out.PointsLost += counts.DroppedPoints
		out.AmbiguousRequests += counts.Ambiguous
	}
	return out
}

// collectFailed counts every error of a producer, and reports each when it begins: not while every push has it.
func (s *pushStats) collectFailed(err error) {
	s.mu.Lock()
	s.stats.CollectErrors++
	s.mu.Unlock()
	if errors.As(err, new(toldError)) {
		return
	}
	line, _, _ := strings.Cut(err.Error(), "\n") // a stack differs each time
	s.failures.Failed(line, err)
}

func (s *pushStats) differenced(lost, duplicates int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.SeriesLost += int64(lost)
	s.stats.SeriesDuplicate += int64(duplicates)
}

// setAside takes note of a series that will not be sent any more, and says so, once, since it happens once.
func (s *pushStats) setAside(what string, answer otlpanswer.Answer) {
	s.mu.Lock()
	s.stats.SeriesSetAside++
	if len(s.stats.SetAside) < mostNamed {
		s.stats.SetAside = append(s.stats.SetAside, what+": "+answer.Detail)
	}
	s.mu.Unlock()
	s.logger.Warn("push: set aside: the backend refuses everything that is sent with it", "what", what, "reason", answer.Reason, "detail", answer.Detail)
}

func (s *pushStats) repaired(n int) {
	s.mu.Lock()
	s.stats.Repaired += int64(n)
	begins := n > 0 && !s.repairing
	s.repairing = n > 0
	s.mu.Unlock()
	if begins {
		s.logger.Warn("push: metrics that a backend would refuse were repaired: invalid UTF-8, keys that no label can be made of, scales below -4", "count", n)
	}
}

// skipped takes note of a push that was left out.
func (s *pushStats) skipped(o *outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.PointsSpooled += o.spooled
	s.owe(o.due())
}

// owe takes note of what the latest push left to the next one. After the stop there is none.
func (s *pushStats) owe(points int64) {
	if s.stats.State == PushStopped {
		s.stats.PointsLost += points - s.due
	}
	s.due = points
}

// pushed takes note of a push. The line for the log is written outside the lock.
func (s *pushStats) pushed(o *outcome, at time.Time, took time.Duration) {
	s.mu.Lock()
	say := s.note(o, at, took)
	s.mu.Unlock()
	if say != nil {
		say()
	}
}

func (s *pushStats) note(o *outcome, at time.Time, took time.Duration) (say func()) {
	st := &s.stats
	st.Pushes++
	st.Requests += o.requests
	st.AmbiguousRequests += o.ambiguous
	st.PointsSent += o.fresh.sent + o.replay.sent
	st.PointsRejected += o.fresh.rejected + o.replay.rejected
	st.PointsLost += o.fresh.dropped + o.replay.dropped
	st.PointsSetAside += o.fresh.aside + o.replay.aside
	st.PointsSpooled += o.spooled
	st.PointsReplayed += o.replay.sent
	st.Bytes += o.bytes
	st.LastAttempt, st.Duration = at, took
	if !o.probe {
		s.owe(o.due())
	}
	if o.failed() {
		return s.noteFailure(o)
	}
	return s.noteSuccess(o, at.Add(took))
}

func (s *pushStats) noteFailure(o *outcome) (say func()) {
	st := &s.stats
	reason := o.reason()
	changed := st.State != PushStopped && (st.State != PushFailing || st.LastReason != reason)
	st.ConsecutiveFailures++
	st.Failures[reason]++
	st.LastReason, st.LastError = reason, o.err().Error()
	s.enter(PushFailing)
	if !changed {
		return nil
	}
	detail := o.worst.Detail
	if o.worst.Accepted() {
		detail = o.missing.Error()
	}
	line := []any{"reason", reason, "detail", detail, "endpoint", st.Endpoint}
	if advice := o.worst.Advice(); advice != "" {
		line = append(line, "fix", advice)
	}
	return func() { s.logger.Warn("push: failing", line...) }
}

// overdue takes note of a push that began long ago and has not ended. It is no outcome: what becomes of the push is
// counted when it ends, and the state is one of failure until then.
func (s *pushStats) overdue(began time.Time) {
	const reason = string(otlpanswer.Timeout)
	s.mu.Lock()
	st := &s.stats
	changed := st.State != PushStopped && (st.State != PushFailing || st.LastReason != reason)
	if changed {
		st.LastReason, st.LastError = reason, "push: the one that began at "+began.Format(time.RFC3339)+" has not ended"
		s.enter(PushFailing)
	}
	endpoint := st.Endpoint
	s.mu.Unlock()
	if changed {
		s.logger.Warn("push: failing", "reason", reason, "detail", "a push has not ended for "+time.Since(began).Round(time.Millisecond).String(), "endpoint", endpoint)
	}
}

func (s *pushStats) noteSuccess(o *outcome, at time.Time) (say func()) {
	st := &s.stats
	before, failures, lasted := st.State, st.ConsecutiveFailures, at.Sub(s.since)
	warned := o.warning != "" && o.warning != st.LastWarning
	st.LastSuccess = at
	st.ConsecutiveFailures = 0
	st.LastReason, st.LastError, st.LastWarning = "", "", o.warning
	s.enter(PushHealthy)
	endpoint, warning := st.Endpoint, o.warning
	return func() {
		switch before {
		case PushStarting:
			s.logger.Info("push: working", "endpoint", endpoint, "points", o.fresh.sent+o.replay.sent)
		case PushFailing:
			s.logger.Info("push: working again", "endpoint", endpoint, "failures", failures, "after", lasted.Round(time.Millisecond))
		}
		if warned {
			s.logger.Warn("push: partial success", "rejected", o.fresh.rejected+o.replay.rejected, "detail", warning, "endpoint", endpoint)
		}
	}
}

// enter changes the state. A push that ends when Shutdown could not wait any longer does not bring a
// stopped one back.
func (s *pushStats) enter(state PushState) {
	if s.stats.State != state && s.stats.State != PushStopped {
		s.stats.State, s.since = state, time.Now()
	}
}

// stopped counts what the last push left unsent as lost, and returns it. Calls after the first change nothing.
func (s *pushStats) stopped() (lost int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stats.State == PushStopped {
		return s.due
	}
	s.stats.PointsLost += s.due
	s.enter(PushStopped)
	return s.due
}
