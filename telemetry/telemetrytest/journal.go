package telemetrytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Counts are the running totals of a backend; they go on when [WithKeep] forgets requests.
type Counts struct {
	// Requests arrived, Accepted are those whose data was taken.
	Requests, Accepted int64
	// Points were taken, PointsRejected left out by partial successes.
	Points, PointsRejected int64
}

// journal decides what each request is answered, and remembers.
type journal struct {
	keep int

	mu       sync.Mutex
	script   []Answer
	fallback Answer
	content  func(Request) bool // nil when nothing is refused for what is in it
	refusing Answer             // what such a request is answered
	requests []Request
	counts   Counts
	series   map[string]*Series
	order    []string
	changed  chan struct{} // closed and replaced when a request arrives
}

func newJournal(keep int) *journal {
	return &journal{keep: keep, fallback: Accept(), series: map[string]*Series{}, changed: make(chan struct{})}
}

// enter records r and decides its answer: refusal, unless it is zero, then what its content is refused with, then the
// script, then the default. A refused request uses up no line of the script.
func (j *journal) enter(r Request, refusal Answer) Answer {
	var points []*Series
	if r.Message != nil {
		points = decode(r.Message)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case refusal != (Answer{}):
		r.Answer = refusal
	case j.content != nil && j.content(r):
		r.Answer = j.refusing
	default:
		r.Answer = j.next().resolve(r.Points, r.Bytes)
	}
	j.counts.Requests++
	r.Seq = j.counts.Requests
	if r.Accepted() {
		j.take(points, r.Answer.rejected)
	}
	j.requests = append(j.requests, r)
	if surplus := len(j.requests) - j.keep; j.keep > 0 && surplus > 0 {
		j.requests = slices.Delete(j.requests, 0, surplus)
	}
	close(j.changed)
	j.changed = make(chan struct{})
	return r.Answer
}

func (j *journal) next() Answer {
	if len(j.script) == 0 {
		return j.fallback
	}
	a := j.script[0]
	j.script = j.script[1:]
	return a
}

// take adds all points but the last rejected to the series.
func (j *journal) take(points []*Series, rejected int64) {
	rejected = min(max(rejected, 0), int64(len(points)))
	points = points[:int64(len(points))-rejected]
	j.counts.Accepted++
	j.counts.Points += int64(len(points))
	j.counts.PointsRejected += rejected
	for _, p := range points {
		id := p.identity()
		if s, ok := j.series[id]; ok {
			s.add(p)
			continue
		}
		j.series[id] = p
		j.order = append(j.order, id)
	}
}

// look returns a copy of the requests, the totals, and the channel that the next arrival closes.
func (j *journal) look() ([]Request, Counts, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.requests), j.counts, j.changed
}

// find returns copies of the series that match, in order of their first arrival.
func (j *journal) find(match func(*Series) bool) []Series {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Series
	for _, id := range j.order {
		if s := j.series[id]; match(s) {
			out = append(out, s.clone())
		}
	}
	return out
}

var errClosed = errors.New("the backend was closed")

// wait returns when done says so, and an error that lists what arrived when ctx or the backend ends first.
func (j *journal) wait(ctx context.Context, closed <-chan struct{}, done func([]Request, Counts) bool) error {
	for {
		requests, counts, changed := j.look()
		if done(requests, counts) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return describe(context.Cause(ctx), requests, counts)
		case <-closed:
			return describe(errClosed, requests, counts)
		}
	}
}

func describe(cause error, requests []Request, counts Counts) error {
	const shown = 10
	tail := requests[max(0, len(requests)-shown):]
	lines := make([]string, len(tail))
	for i, r := range tail {
		lines[i] = fmt.Sprintf("#%d %s %s, %d points: %s", r.Seq, r.Protocol, r.Path, r.Points, r.Answer)
	}
	if len(lines) == 0 {
		lines = []string{"none"}
	}
	return fmt.Errorf("backend: wait: %w; %d requests arrived, the last of them: %s", cause, counts.Requests, strings.Join(lines, "; "))
}
