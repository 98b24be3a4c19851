package exporter

import (
	"errors"

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
	e.keep(c, o)
	return o
}

// replay sends what the spool holds, oldest first. It returns false when the backend stopped it: then
// there is no point in sending what is newer.
func (e *pushExporter) replay(a attempt, o *outcome) (proceed bool) {
	if e.spool == nil {
		return true
	}
	proceed = true
	_, err := e.spool.Drain(func(request spool.Request) (rest spool.Request) {
		rest = e.resend(a, request, o)
		proceed = len(rest.Body) == 0
		return rest
	})
	if !errors.Is(err, spool.ErrBusy) {
		o.spoolErr = err
	}
	return proceed
}

// resend sends a request of the spool, in halves where it is too large. It returns what a later push
// may deliver.
func (e *pushExporter) resend(a attempt, whole spool.Request, o *outcome) (rest spool.Request) {
	answer := e.insist(a, o, func() otlpanswer.Answer { return e.client.Replay(a, whole.Body) })
	if answer.Reason == otlpanswer.TooLarge {
		if pieces, err := batch.Decode(whole.Body); err == nil && pieces.Points() > 1 {
			return e.resendPieces(a, whole, pieces, o)
		}
	}
	if e.settle(answer, whole.Points, o) {
		return spool.Request{}
	}
	return whole
}

// resendPieces sends the halves of a request that is too large, and halves of those.
func (e *pushExporter) resendPieces(a attempt, whole spool.Request, pieces *batch.Request, o *outcome) (rest spool.Request) {
	end := pieces.Points()
	queue := span{0, end}.halves()
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		answer := e.resendPiece(a, pieces, next, o)
		switch {
		case answer.Reason == otlpanswer.TooLarge && next.size() > 1:
			queue = append(next.halves(), queue...)
		case e.settle(answer, next.size(), o):
		default:
			body, err := pieces.Slice(next.from, end)
			if err != nil {
				e.stats.collectFailed(err)
				return whole
			}
			return spool.Request{Body: body, Points: int64(end - next.from)}
		}
	}
	return spool.Request{}
}

func (e *pushExporter) resendPiece(a attempt, whole *batch.Request, s span, o *outcome) otlpanswer.Answer {
	body, err := whole.Slice(s.from, s.to)
	if err != nil {
		return otlpanswer.Answer{Reason: otlpanswer.Encode, Detail: otlpanswer.FirstLine([]byte(err.Error()))}
	}
	return e.insist(a, o, func() otlpanswer.Answer { return e.client.Replay(a, body) })
}

// settle takes note of the answer to n points of the spool. It returns false when they have to stay
// there. What the backend will never take is given up, or it would block what is behind it.
func (e *pushExporter) settle(answer otlpanswer.Answer, n int64, o *outcome) bool {
	switch {
	case answer.Accepted():
		o.replay.accept(n, o.rejection(answer, n))
		return true
	case answer.Reason == otlpanswer.TooLarge, isAboutTheRequest(answer):
		o.worst = answer
		o.replay.dropped += n
		return true
	default:
		o.worst = answer
		return false
	}
}
