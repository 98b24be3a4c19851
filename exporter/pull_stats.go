package exporter

import (
	"sync"
	"time"

	"github.com/duotel/duotel/exporter/internal/exposition"
)

// PullStats counts what a [Pull] did since the start. It belongs to the caller.
type PullStats struct {
	// Scrapes counts answers by outcome: ok, busy, timeout, shutdown, error, method, format
	// (none that the scraper takes), denied, client (gone before the end).
	Scrapes map[string]int64
	// DroppedSeries counts series left out of an answer, by reason, once per scrape.
	DroppedSeries map[string]int64
	// Repaired counts series shown with invalid UTF-8 replaced, once per scrape.
	Repaired int64
	// Bytes is the size of all answers before compression.
	Bytes int64
	// LastDuration, LastBytes and LastSeries describe the latest answer that went out whole.
	LastDuration          time.Duration
	LastBytes, LastSeries int64
}

// Dropped is the sum of DroppedSeries.
func (s PullStats) Dropped() int64 {
	var n int64
	for _, v := range s.DroppedSeries {
		n += v
	}
	return n
}

type outcomeKind string

const (
	outcomeOK       outcomeKind = "ok"
	outcomeBusy     outcomeKind = "busy"
	outcomeTimeout  outcomeKind = "timeout"
	outcomeShutdown outcomeKind = "shutdown"
	outcomeError    outcomeKind = "error"
	outcomeMethod   outcomeKind = "method"
	outcomeFormat   outcomeKind = "format"
	outcomeDenied   outcomeKind = "denied"
	outcomeClient   outcomeKind = "client"
)

var outcomes = []outcomeKind{outcomeOK, outcomeBusy, outcomeTimeout, outcomeShutdown, outcomeError, outcomeMethod, outcomeFormat, outcomeDenied, outcomeClient}

var dropReasons = []exposition.Reason{
	exposition.ReasonNameConflict, exposition.ReasonDuplicateSeries, exposition.ReasonInvalidName,
	exposition.ReasonDuplicateFamily, exposition.ReasonInvalidData, exposition.ReasonUnsupported, dropGather,
}

// dropGather is the reason for what a registry could not gather, beside those of the encoder.
const dropGather exposition.Reason = "gather_error"

// pullStats keeps a PullStats.
type pullStats struct {
	mu    sync.Mutex
	stats PullStats
}

func (s *pullStats) scraped(outcome outcomeKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.stats.Scrapes, string(outcome), 1)
}

func (s *pullStats) drop(reason string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.stats.DroppedSeries, reason, n)
}

func (s *pullStats) served(took time.Duration, r exposition.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count(&s.stats.Scrapes, string(outcomeOK), 1)
	s.stats.Repaired += int64(r.Repaired)
	s.stats.Bytes += r.Bytes
	s.stats.LastDuration, s.stats.LastBytes, s.stats.LastSeries = took, r.Bytes, int64(r.Series)
}

func count(m *map[string]int64, key string, n int64) {
	if *m == nil {
		*m = make(map[string]int64)
	}
	(*m)[key] += n
}

// snapshot has every outcome and reason there is, so that the first of each is seen as an increase.
func (s *pullStats) snapshot() PullStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Scrapes, out.DroppedSeries = make(map[string]int64), make(map[string]int64)
	for _, o := range outcomes {
		out.Scrapes[string(o)] = s.stats.Scrapes[string(o)]
	}
	for _, r := range dropReasons {
		out.DroppedSeries[string(r)] = s.stats.DroppedSeries[string(r)]
	}
	return out
}
