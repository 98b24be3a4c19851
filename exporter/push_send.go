package exporter

import (
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// Times between the attempts of one push: quicker at first than the OTLP exporters' defaults, because
// a restarting backend is back within a second more often than not, and never so slow that a push
// has time for a few attempts only.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
	attempts   = 20
)

// outcome is what became of one push.
type outcome struct {
	points   int64 // in all, without those of the spool
	fresh    tally // of these points
	replay   tally // of the spool's
	spooled  int64 // written to the spool
	requests int64
	bytes    int64

	ambiguous int64
	warning   string
	worst     otlpanswer.Answer // the last failure
	unsent    []span            // what a later attempt may deliver
	refused   bool              // a request was refused for what is in it
	refusals  []span            // such ranges, which the next push may deliver
	divided   int               // requests made to find what is refused
	keepErr   error             // why the spool did not take it
	missing   error             // why not everything was collected
	spoolErr  error             // the first thing that went wrong with the spool
	probe     bool              // a preflight, which has no points
}

// tally counts points by what became of them.
type tally struct {
	sent     int64 // accepted
	rejected int64 // refused by a partial success
	dropped  int64 // given up: too large by themselves, or refused for what is in them
	aside    int64 // of those, what belongs to series that are set aside
}

func (t *tally) accept(points, rejected int64) {
	t.sent += points - rejected
	t.rejected += rejected
}

// giveUp counts points of series that are set aside.
func (t *tally) giveUp(points int64) {
	t.dropped += points
	t.aside += points
}

func (o *outcome) failed() bool { return !o.worst.Accepted() || o.missing != nil }

// reason is why the push failed, as the backend's answer says it where there is one.
func (o *outcome) reason() string {
	if o.worst.Accepted() {
		return reasonIncomplete
	}
	return string(o.worst.Reason)
}

// reasonIncomplete is the reason of a push that was accepted and lacks what a producer has. It stands beside those of
// the answers.
const reasonIncomplete = "incomplete"

// due is the number of points that are still to be delivered, by nobody but the next push.
func (o *outcome) due() int64 {
	return o.points - o.fresh.sent - o.fresh.rejected - o.fresh.dropped - o.spooled
}

func (o *outcome) err() error {
	if !o.failed() {
		return nil
	}
	var errs []error
	if !o.worst.Accepted() {
		err := fmt.Errorf("push: %d of %d points not accepted: %w", o.points-o.fresh.sent-o.fresh.rejected, o.points, o.worst.Err())
		if o.spooled > 0 {
			err = fmt.Errorf("%w; %d points are in the spool", err, o.spooled)
		}
		errs = append(errs, err)
	}
	if o.missing != nil {
		errs = append(errs, fmt.Errorf("push: %s: not everything was collected, and what was measured there is not sent: %w", reasonIncomplete, o.missing))
	}
	return errors.Join(append(errs, o.keepErr)...)
}

// request takes note of a request's answer.
func (o *outcome) request(a otlpanswer.Answer) {
	o.requests++
	o.bytes += a.Bytes
	if a.Ambiguous {
		o.ambiguous++
	}
}

// rejection takes note of a partial success for n points, and returns how many were rejected.
func (o *outcome) rejection(a otlpanswer.Answer, n int64) int64 {
	rejected := min(a.Rejected, n)
	if a.Warning != "" || rejected > 0 {
		o.warning = fmt.Sprintf("%d points rejected: %s", rejected, a.Warning)
	}
	return rejected
}

// span is a range of a push's points.
type span struct{ from, to int }

func (s span) size() int64 { return int64(s.to - s.from) }

func (s span) halves() []span {
	half := (s.from + s.to) / 2
	return []span{{s.from, half}, {half, s.to}}
}

// push sends c in as many requests as it takes, one after the other.
func (e *pushExporter) push(a attempt, c *cargo, o *outcome) {
	live := &collected{exporter: e, cargo: c, outcome: o}
	o.unsent = e.sendAll(a, live, spans(c.all(), e.maxBatch), false, o)
}

// refusesContent reports whether a request may have been refused for what is in it, so that others may fare better.
func refusesContent(a otlpanswer.Answer) bool {
	return isAboutTheRequest(a) || a.Reason == otlpanswer.ServerError && a.RetryAfter == 0
}

// isAboutTheRequest reports whether the answer says so itself. A server's error does not: see [refusesContent].
func isAboutTheRequest(a otlpanswer.Answer) bool {
	return a.Reason == otlpanswer.BadRequest || a.Reason == otlpanswer.Encode
}

// spans cuts s into pieces of at most size points; all in one when size is 0.
func spans(s span, size int) []span {
	if s.size() == 0 {
		return nil
	}
	if size <= 0 {
		return []span{s}
	}
	var out []span
	for from := s.from; from < s.to; from += size {
		out = append(out, span{from, min(from+size, s.to)})
	}
	return out
}

// insist tries until that no longer helps. When the time runs out in the middle of a try, the answer
// before says more about the backend than that.
func (e *pushExporter) insist(a attempt, o *outcome, try func() otlpanswer.Answer) otlpanswer.Answer {
	pause := e.newPause()
	var before otlpanswer.Answer
	for {
		answer := try()
		o.request(answer)
		if !answer.Accepted() && a.Err() != nil && !before.Accepted() {
			return before
		}
		if !answer.Retryable() || !a.wait(max(pause.NextBackOff(), answer.RetryAfter)) {
			return answer
		}
		before = answer
	}
}

func (e *pushExporter) newPause() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = min(firstRetry, e.timeout/attempts)
	b.MaxInterval = min(lastRetry, e.timeout/(attempts/4))
	b.Reset()
	return b
}

// wait returns false, at once when it can, if there is no time for a request after d.
func (a attempt) wait(d time.Duration) bool {
	if deadline, ok := a.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return a.Err() == nil
	case <-a.hurry:
		return false
	case <-a.Done():
		return false
	}
}
