package telemetrytest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
)

// Backend is a scriptable OTLP metrics backend on loopback, for HTTP and for gRPC at once. It answers
// [Accept] until told otherwise. All methods are safe for concurrent use.
type Backend struct {
	options backendOptions
	journal *journal
	tls     *tls.Config
	chain   *chain // nil without TLS
	closed  chan struct{}

	mu                 sync.Mutex // guards what follows: going down and coming up
	site               *site      // nil while down
	httpAddr, grpcAddr string
	ended              bool
}

// StartBackend starts a backend on two free ports of 127.0.0.1. The caller closes it.
func StartBackend(opts ...BackendOption) (*Backend, error) {
	b := &Backend{closed: make(chan struct{}), httpAddr: "127.0.0.1:0", grpcAddr: "127.0.0.1:0"}
	for _, opt := range opts {
		opt(&b.options)
	}
	b.journal = newJournal(b.options.keep)
	if b.options.tls {
		var err error
		if b.chain, err = newChain(); err != nil {
			return nil, fmt.Errorf("backend: certificate: %w", err)
		}
		b.tls = b.chain.serverConfig(b.options.mutual)
	}
	if err := b.Up(); err != nil {
		return nil, err
	}
	return b, nil
}

// NewBackend starts a backend for a test, fails the test when it cannot, and closes the backend when
// the test ends.
func NewBackend(tb testing.TB, opts ...BackendOption) *Backend {
	tb.Helper()
	b, err := StartBackend(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(b.Close)
	return b
}

// HTTPEndpoint is the URL to post to, such as "http://127.0.0.1:40001/v1/metrics". It stays the same
// through [Backend.Down] and [Backend.Up].
func (b *Backend) HTTPEndpoint() string {
	return b.scheme() + b.addr(&b.httpAddr) + b.options.httpPath()
}

// GRPCEndpoint is the endpoint for gRPC, such as "http://127.0.0.1:40002". It stays the same through
// [Backend.Down] and [Backend.Up].
func (b *Backend) GRPCEndpoint() string { return b.scheme() + b.addr(&b.grpcAddr) }

func (b *Backend) scheme() string {
	if b.tls != nil {
		return "https://"
	}
	return "http://"
}

func (b *Backend) addr(of *string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *of
}

// Up listens again on the same ports after [Backend.Down]. It does nothing when the backend is up,
// and is an error after [Backend.Close] or when another process took a port.
func (b *Backend) Up() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return fmt.Errorf("backend: up: %w", errClosed)
	}
	if b.site != nil {
		return nil
	}
	s, err := openSite(b, b.httpAddr, b.grpcAddr)
	if err != nil {
		return fmt.Errorf("backend: up: %w", err)
	}
	b.site, b.httpAddr, b.grpcAddr = s, s.httpAddr(), s.grpcAddr()
	return nil
}

// Down stops listening, so that connections are refused, and closes those there are. A request that
// was recorded as accepted still gets its answer; one that hangs is cut off. Down returns when all of
// that has happened. What was recorded and scripted stays.
func (b *Backend) Down() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.site != nil {
		b.site.close()
		b.site = nil
	}
}

// Close is [Backend.Down] for good. It may be called more than once. What was recorded can still be
// read.
func (b *Backend) Close() {
	b.Down()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		b.ended = true
		close(b.closed)
	}
}

// Script appends answers; each is used for one request, in order, and then the default again.
func (b *Backend) Script(answers ...Answer) {
	b.journal.mu.Lock()
	defer b.journal.mu.Unlock()
	b.journal.script = append(b.journal.script, answers...)
}

// Default sets the answer for requests when the script has run out. It is [Accept] at first.
func (b *Backend) Default(a Answer) {
	b.journal.mu.Lock()
	defer b.journal.mu.Unlock()
	b.journal.fallback = a
}

// RefuseContent gives every request that bad admits the answer a, whatever the script and the default say, and uses up no
// line of the script: a backend that refuses everything that comes with one series it does not like. bad sees the
// decoded request in its Message, must not keep or change it, and must not call the backend. A nil bad ends it.
func (b *Backend) RefuseContent(a Answer, bad func(Request) bool) {
	b.journal.mu.Lock()
	defer b.journal.mu.Unlock()
	b.journal.refusing, b.journal.content = a, bad
}

// HasMetric reports whether the request has a metric of one of these names, as sent.
func (r Request) HasMetric(names ...string) bool {
	for _, rm := range r.Message.GetResourceMetrics() {
		for _, sm := range rm.GetScopeMetrics() {
			for _, m := range sm.GetMetrics() {
				if slices.Contains(names, m.GetName()) {
					return true
				}
			}
		}
	}
	return false
}

// Requests returns what arrived, oldest first, as far as [WithKeep] keeps it.
func (b *Backend) Requests() []Request {
	requests, _, _ := b.journal.look()
	return requests
}

// Accepted returns those of [Backend.Requests] whose data was taken.
func (b *Backend) Accepted() []Request {
	var out []Request
	for _, r := range b.Requests() {
		if r.Accepted() {
			out = append(out, r)
		}
	}
	return out
}

// Counts returns the running totals.
func (b *Backend) Counts() Counts {
	_, counts, _ := b.journal.look()
	return counts
}

// WaitFor returns once n requests have arrived since the start, accepted or not. The error says what
// did arrive when ctx or the backend ended before that.
func (b *Backend) WaitFor(ctx context.Context, n int) error {
	return b.journal.wait(ctx, b.closed, func(_ []Request, c Counts) bool { return c.Requests >= int64(n) })
}

// Wait returns once done, called with [Backend.Requests] now and after every arrival, returns true.
// The error is as for [Backend.WaitFor].
func (b *Backend) Wait(ctx context.Context, done func([]Request) bool) error {
	if done == nil {
		return errors.New("backend: wait: nothing to wait for: nil function")
	}
	return b.journal.wait(ctx, b.closed, func(requests []Request, _ Counts) bool { return done(requests) })
}

// Series returns the state of every series whose data was taken, in order of first arrival.
func (b *Backend) Series() []Series {
	return b.journal.find(func(*Series) bool { return true })
}

// Find returns the series named name, as sent, that have all of labels (and maybe more).
func (b *Backend) Find(name string, labels map[string]string) []Series {
	return b.journal.find(func(s *Series) bool { return s.Name == name && s.Has(labels) })
}

// Sum adds up [Series.Total] of what [Backend.Find] returns: the last value of cumulative series, the
// sum of all deltas of delta series, the count of histograms. It is 0 when there is no such series.
func (b *Backend) Sum(name string, labels map[string]string) float64 {
	var sum float64
	for _, s := range b.Find(name, labels) {
		sum += s.Total()
	}
	return sum
}
