// Package report tells people of failures: each when it begins, every time it begins, at a rate that is bounded. A log that
// repeats a failure with every scrape hides the next one, and so does a log that fell silent after so many messages.
package report

import (
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// burst is how many messages may come at once, and every how long after that there is one more.
	burst = 64
	every = 10 * time.Second

	// mostKnown bounds the failures that are known to last: their messages may carry what clients chose.
	mostKnown = 1024

	// longestRound ends a round that nobody ends.
	longestRound = 10 * time.Minute
)

// Limited tells handle of what it is given, at most 64 messages at once and one every 10 s after that. What it kept back is
// counted, and the next message that may go is followed by their number. It is safe for concurrent use, as handle must be.
type Limited struct {
	handle  func(error)
	limiter *rate.Limiter

	mu       sync.Mutex
	withheld int
}

// Limit returns a handler that bounds the rate of handle, which may be nil: then nothing is told.
func Limit(handle func(error)) *Limited {
	return &Limited{handle: handle, limiter: rate.NewLimiter(rate.Every(every), burst)}
}

// Handle tells of err, or counts it.
func (l *Limited) Handle(err error) {
	if l.handle == nil {
		return
	}
	if !l.limiter.Allow() {
		l.mu.Lock()
		l.withheld++
		l.mu.Unlock()
		return
	}
	l.handle(err)
	l.mu.Lock()
	n := l.withheld
	l.withheld = 0
	l.mu.Unlock()
	if n > 0 {
		l.handle(fmt.Errorf("%d failures more began since the last message, and are not named here: there were too many at once", n))
	}
}

// Rounds tells of failures of a work that is done again and again, such as scrapes: of each in the first round that has it.
// One that is gone for a round and comes back is told of again. It is safe for concurrent use.
type Rounds struct {
	to *Limited

	mu        sync.Mutex
	last, now map[string]struct{} // failures of the round before, and of this one
	since     time.Time           // of this round
}

// NewRounds returns the Rounds that tell handle, which may be nil.
func NewRounds(handle func(error)) *Rounds {
	return &Rounds{to: Limit(handle), since: time.Now()}
}

// Failed tells of err unless the failure that key names is known from this round or the one before.
func (r *Rounds) Failed(key string, err error) {
	if r.begins(key) {
		r.to.Handle(err)
	}
}

func (r *Rounds) begins(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.since) > longestRound {
		r.end()
	}
	if _, ok := r.now[key]; ok {
		return false
	}
	if r.now == nil {
		r.now = map[string]struct{}{}
	}
	if len(r.now) < mostKnown {
		r.now[key] = struct{}{}
	}
	_, lasts := r.last[key]
	return !lasts
}

// End ends a round.
func (r *Rounds) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.end()
}

func (r *Rounds) end() {
	r.last, r.now = r.now, nil
	r.since = time.Now()
}
