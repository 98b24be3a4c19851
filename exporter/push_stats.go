package exporter

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"sync"
	"time"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
	"github.com/duotel/duotel/exporter/internal/spool"
)

// PushState is the condition of a [Push].
type PushState string

// The states of a [Push].
const (
	// PushStarting is before the first push.
	PushStarting PushState = "starting"
	// PushHealthy is when the latest push was accepted.
	PushHealthy PushState = "healthy"
	// PushFailing is when it was not.
	PushFailing PushState = "failing"
	// PushStopped is after Shutdown.
	PushStopped PushState = "stopped"
)

// PushStats says how a [Push] stands. Counts are since the start.
type PushStats struct {
	State PushState
	// Endpoint is where to, without a password.
	Endpoint string
	// LastAttempt and LastSuccess are when the latest push began, and the latest that was accepted;
	// zero when there was none.
	LastAttempt, LastSuccess time.Time
	// LastReason and LastError say why the latest push failed, or why one that has not ended counts as failing; empty
	// when it did not. The reason is what the backend's answer means, or "incomplete" where the push was accepted and lacks
	// what a producer has.
	LastReason, LastError string
	// LastWarning is what the latest partial success said.
	LastWarning string
	// ConsecutiveFailures is the number of failed pushes since the last success.
	ConsecutiveFailures int64
	// Failures counts failed pushes by reason.
	Failures map[string]int64
	// Pushes and Requests count what was tried. A push takes one request, or more when it is cut into
	// batches or tried again.
	Pushes, Requests int64
	// AmbiguousRequests may have been taken by the backend, which nobody can tell: no answer came, and they were sent
	// again; or one came over gRPC that is too large to be read, and they were not; or they were sent out of the spool
	// and could not be removed from it, so that the next process sends them again.
	AmbiguousRequests int64
	// PointsSent were accepted, PointsRejected refused by a partial success. PointsLost will never
	// arrive: too large for the backend by themselves, unsent at Shutdown and not in the spool, dropped by the
	// spool, or refused out of it.
	PointsSent, PointsRejected, PointsLost int64
	// Bytes is the size of all request bodies as they were sent.
	Bytes int64
	// Duration is how long the latest push took.
	Duration time.Duration
	// PointsSpooled were written to the spool, PointsReplayed accepted out of it; what it dropped, and
	// what the backend will never take out of it, is part of PointsLost. SpoolRequests and SpoolBytes
	// wait in it, of all processes that share it, as of the latest push.
	PointsSpooled, PointsReplayed int64
	SpoolRequests                 int
	SpoolBytes                    int64
	// SpoolCorrupt counts files that are named like a request of the spool and are none. They are set aside.
	SpoolCorrupt int64
	// SpoolError is why the spool did not work in the latest push; empty when it did. SpoolFailures counts
	// such pushes.
	SpoolError    string
	SpoolFailures int64
	// CollectErrors counts what went wrong before a push: producers that failed and were left out, and what
	// gatherers of a [NewBridge] could not give, once per push.
	CollectErrors int64
	// Repaired counts metrics and series that were sent otherwise than they were recorded, because a backend would have
	// refused everything for them: strings that are not valid UTF-8, keys that no label can be made of, exponential
	// histograms too coarse for a native histogram. Each counts once per push.
	Repaired int64
	// SeriesDuplicate and SeriesLost count what the delta could not carry: series that came twice in one
	// collection, and series given up because too many vanished while nothing was accepted.
	SeriesDuplicate, SeriesLost int64
}

// pushStats keeps a PushStats and tells the log when the state changes.
type pushStats struct {
	logger   *slog.Logger
	handle   func(error)
	reported once
	spool    *spool.Spool

	mu    sync.Mutex
	stats PushStats
	since time.Time // of the state
	due   int64     // points of the latest push that were not accepted
}

func newPushStats(cfg PushConfig, endpoint *url.URL, kept *spool.Spool) *pushStats {
	return &pushStats{
		spool:  kept,
		logger: cfg.Logger,
		handle: cfg.ErrorHandler,
		since:  time.Now(),
		stats: PushStats{
			State: PushStarting, Endpoint: endpoint.Redacted(), Failures: map[string]int64{},
		},
	}
}

func (s *pushStats) snapshot() PushStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Failures = maps.Clone(s.stats.Failures)
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

// collectFailed counts every error of a producer and reports each distinct one once.
func (s *pushStats) collectFailed(err error) {
	s.mu.Lock()
	s.stats.CollectErrors++
	s.mu.Unlock()
	if errors.As(err, new(toldError)) || !s.reported.first(err.Error()) {
		return
	}
	if s.handle != nil {
		s.handle(fmt.Errorf("push: %w", err))
		return
	}
	s.logger.Warn("push: a part of the metrics was left out", "error", err)
}

func (s *pushStats) differenced(lost, duplicates int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.SeriesLost += int64(lost)
	s.stats.SeriesDuplicate += int64(duplicates)
}

func (s *pushStats) repaired(n int) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	s.stats.Repaired += int64(n)
	s.mu.Unlock()
	if s.reported.first("repaired") {
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
