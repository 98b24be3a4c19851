package exporter

import (
	"time"

	"github.com/duotel/duotel/exporter/internal/otlpanswer"
)

// longestCalm caps how long the backend is left alone, whatever it asks for.
const longestCalm = 10 * time.Minute

// calm decides which intervals pass without a push: as long as the backend asked with Retry-After, and
// ever longer while it gives an answer that only a person can change, such as 401.
type calm struct {
	interval time.Duration
	until    time.Time
	refusals int
}

// holds reports whether a push at now should be left out.
func (c *calm) holds(now time.Time) bool { return now.Before(c.until) }

// after takes note of the failure a push ended with, or of the zero Answer.
func (c *calm) after(a otlpanswer.Answer, now time.Time) {
	c.until = time.Time{}
	if !a.Reason.NeedsPerson() {
		c.refusals = 0
	} else {
		c.refusals++
		c.until = now.Add(c.penalty())
	}
	if asked := now.Add(min(a.RetryAfter, longestCalm)); a.RetryAfter > 0 && asked.After(c.until) {
		c.until = asked
	}
}

// penalty is none for the first refusal, then one interval left out, then three, seven and so on.
// Half an interval is taken off so that the tick after it is not missed by a little.
func (c *calm) penalty() time.Duration {
	limit := max(longestCalm, c.interval)
	total := c.interval
	for range c.refusals - 1 {
		total = min(total*2, limit)
		if total == limit {
			break
		}
	}
	return total - c.interval/2
}
