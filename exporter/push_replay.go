package exporter

import (
	"errors"
	"slices"

	"github.com/duotel/duotel/exporter/internal/batch"
	"github.com/duotel/duotel/exporter/internal/otlpanswer"
	"github.com/duotel/duotel/exporter/internal/spool"
)

// deliver sends what the spool holds, then c. What a later push may deliver goes to the spool if there is one.
func (e *pushExporter) deliver(a attempt, c *cargo) *outcome {
	o := &outcome{points: c.all().size()}
	if e.replay(a, o) {
		e.push(a, c, o)
	} else {
		o.unsent = []span{c.all()}
	}
	if e.yieldBy.Load() != nil {
		o.unsent = append(o.unsent, o.refusals...) // by this push or by none
	}
	e.keep(c, o)
	return o
}

// replay sends what the spool holds, oldest first. It returns false when the backend stopped it: then
// there is no point in sending what is newer. What is refused for what is in it stops only what is behind it in the spool.
func (e *pushExporter) replay(a attempt, o *outcome) (proceed bool) {
	if e.spool == nil {
		return true
	}
	proceed = true
	_, err := e.spool.Drain(func(request spool.Request) (rest spool.Request) {
		rest = e.resend(a, request, o)
		proceed = len(rest.Body) == 0 || refusesContent(o.worst)
		return rest
	})
	if !errors.Is(err, spool.ErrBusy) {
		o.spoolErr = err
	}
	return proceed
}

// resend sends a request of the spool, divided where it is too large or refused for what is in it. It returns what
// a later push may deliver.
func (e *pushExporter) resend(a attempt, whole spool.Request, o *outcome) (rest spool.Request) {
	r := &replayed{exporter: e, outcome: o}
	answer := e.insist(a, o, func() otlpanswer.Answer { return e.client.Replay(a, whole.Body) })
	if answer.Accepted() {
		r.accept(whole.Points, answer)
		return spool.Request{}
	}
	if answer.Reason != otlpanswer.TooLarge && !refusesContent(answer) {
		o.worst = answer
		return whole
	}
	pieces, err := batch.Decode(whole.Body)
	if err != nil {
		o.worst = answer
		o.replay.dropped += whole.Points // it is no OTLP, and would block what is behind it
		return spool.Request{}
	}
	if answer.Reason != otlpanswer.TooLarge && e.refusals+1 < refusalsBeforeDividing {
		o.worst, o.refused = answer, true
		return whole
	}
	r.request = pieces
	queue := []span{{0, pieces.Points()}}
	if pieces.Points() > 1 {
		queue = queue[0].halves()
	}
	// What a later push took after this was first refused shows that the backend takes something.
	before := len(o.refusals)
	left := e.sendAll(a, r, queue, e.took, o)
	left = append(left, o.refusals[before:]...)
	o.refusals = o.refusals[:before]
	return r.rest(whole, left)
}

// replayed is a request of the spool, on its way to the backend.
type replayed struct {
	exporter *pushExporter
	outcome  *outcome
	request  *batch.Request
}

func (r *replayed) send(a attempt, s span) otlpanswer.Answer {
	body, err := r.request.Slice(batch.Range{From: s.from, To: s.to})
	if err != nil {
		return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: otlpanswer.FirstLine([]byte(err.Error()))}
	}
	return r.exporter.insist(a, r.outcome, func() otlpanswer.Answer { return r.exporter.client.Replay(a, body) })
}

func (r *replayed) accepted(s span, answer otlpanswer.Answer) int64 {
	r.accept(s.size(), answer)
	return s.size()
}

func (r *replayed) accept(n int64, answer otlpanswer.Answer) {
	r.outcome.replay.accept(n, r.outcome.rejection(answer, n))
}

func (r *replayed) tooLarge(s span) { r.outcome.replay.dropped += s.size() }

// setAside drops the point. Its series is not remembered: if it is still recorded, the live data shows it.
func (r *replayed) setAside(s span, answer otlpanswer.Answer) bool {
	r.outcome.replay.giveUp(s.size())
	r.exporter.stats.setAside("a data point in the spool", answer)
	return true
}

func (r *replayed) innocent() []span { return anyOf(r.request.Points()) }

// rest is the request of the ranges that a later push may deliver.
func (r *replayed) rest(whole spool.Request, left []span) spool.Request {
	if len(left) == 0 {
		return spool.Request{}
	}
	slices.SortFunc(left, func(a, b span) int { return a.from - b.from })
	var ranges []batch.Range
	points := int64(0)
	for _, s := range left {
		ranges = append(ranges, batch.Range{From: s.from, To: s.to})
		points += s.size()
	}
	body, err := r.request.Slice(ranges...)
	if err != nil {
		r.exporter.stats.collectFailed(err)
		return whole
	}
	return spool.Request{Body: body, Points: points}
}
