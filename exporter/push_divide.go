package exporter

import (
	"math/rand/v2"
	"slices"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// A request that is refused for what is in it is divided when that has happened in so many pushes in a row: a backend
// that has a bad moment is not asked a hundred questions.
const refusalsBeforeDividing = 3

// mostDivided bounds the requests that one push makes to find what is refused. What has not been found by then
// is looked for in the next push.
const mostDivided = 256

// sendable is data that is sent in ranges of its points: what was collected, or a request of the spool.
type sendable interface {
	// send sends a range, again and again while that may help and there is time.
	send(a attempt, s span) otlpanswer.Answer
	// accepted takes note of a range that the backend took, and returns how many points that were.
	accepted(s span, answer otlpanswer.Answer) int64
	// tooLarge takes note of a point that is too large by itself, and will never be sent.
	tooLarge(s span)
	// setAside takes note of a point that the backend refuses for what is in it, and that will never be sent. It returns
	// false when nothing more can be remembered.
	setAside(s span, answer otlpanswer.Answer) bool
	// innocent returns single points to ask the backend with, the likeliest to be taken first.
	innocent() []span
}

// sendAll sends the ranges of queue in order, in halves where one is too large, and returns what a later push may
// deliver.
//
// A request that the backend refuses for what is in it, push after push, is divided too, until what is refused stands
// alone and is set aside, while everything else goes. That needs a backend that is known to take something, proven: one
// that refuses whatever it is given says nothing about a point, and nothing is set aside then.
func (e *pushExporter) sendAll(a attempt, data sendable, queue []span, proven bool, o *outcome) (unsent []span) {
	suspicious, asked := e.refusals+1 >= refusalsBeforeDividing, false
	for len(queue) > 0 {
		next := queue[0]
		queue = queue[1:]
		answer := data.send(a, next)
		switch {
		case answer.Accepted():
			proven = data.accepted(next, answer) > 0 || proven
		case answer.Reason == otlpanswer.TooLarge && next.size() > 1:
			queue = append(next.halves(), queue...)
		case answer.Reason == otlpanswer.TooLarge:
			data.tooLarge(next) // it would fail for ever
			o.worst = answer
		case !refusesContent(answer):
			o.worst = answer
			return append(append(unsent, next), queue...) // the next request would meet the same answer
		case suspicious && !proven && !asked:
			asked = true
			queue, proven = e.ask(a, data, append([]span{next}, queue...), o)
		case suspicious && proven && o.divided < mostDivided && next.size() > 1:
			o.refused = true
			o.divided++
			queue = append(next.halves(), queue...)
		case suspicious && proven && o.divided < mostDivided && data.setAside(next, answer):
			o.refused = true
		default:
			o.refused, o.worst = true, answer
			o.refusals = append(o.refusals, next)
			if !isAboutTheRequest(answer) && !proven {
				return append(unsent, queue...) // a server in trouble refuses the others as well
			}
		}
	}
	return unsent
}

// ask sends points one by one until the backend takes one, and returns the ranges that are left to send.
func (e *pushExporter) ask(a attempt, data sendable, queue []span, o *outcome) (left []span, proven bool) {
	for _, point := range data.innocent() {
		answer := data.send(a, point)
		if answer.Accepted() && data.accepted(point, answer) > 0 {
			return without(queue, point), true
		}
		if !refusesContent(answer) {
			break // whatever that is, the others will meet it too
		}
		o.divided++
	}
	return queue, false
}

// without returns the ranges less one that lies within one of them.
func without(ranges []span, taken span) []span {
	var out []span
	for _, s := range ranges {
		if taken.from < s.from || taken.to > s.to {
			out = append(out, s)
			continue
		}
		for _, part := range []span{{s.from, taken.from}, {taken.to, s.to}} {
			if part.size() > 0 {
				out = append(out, part)
			}
		}
	}
	return out
}

// questions bounds the points that a backend is asked with.
const questions = 4

// anyOf are some of n points, other ones each time: all of them can be to blame, but not always.
func anyOf(n int) []span {
	var out []span
	for range min(questions, n) {
		i := rand.IntN(n)
		if s := (span{i, i + 1}); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
