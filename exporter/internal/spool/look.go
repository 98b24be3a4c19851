package spool

import (
	"fmt"
	"slices"
	"strings"
)

// listing is what the directory holds of ours besides requests, in the order of names, which is that of time.
type listing struct{ partial, corrupt []entry }

// Refresh looks at the directory again, and, when the latest write failed, whether it can be written to again.
// [Spool.Drain] does that too.
func (s *Spool) Refresh() error {
	if _, err := s.look(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return s.recovered()
}

// look lists the directory and remembers what waits there.
func (s *Spool) look() (others listing, err error) {
	files, err := s.disk.List()
	if err != nil {
		return listing{}, err
	}
	var requests []entry
	for _, f := range files {
		at, suffix, own := parseName(f.Name())
		if !own || !f.Type().IsRegular() {
			continue
		}
		info, err := f.Info()
		if err != nil {
			continue // another process sent it meanwhile
		}
		e := entry{f.Name(), at, info.Size(), info.ModTime()}
		switch suffix {
		case partialSuffix:
			others.partial = append(others.partial, e)
		case corruptSuffix:
			others.corrupt = append(others.corrupt, e)
		default:
			requests = append(requests, e)
		}
	}
	slices.SortFunc(others.corrupt, byName)
	s.remember(requests)
	return others, nil
}

func byName(a, b entry) int { return strings.Compare(a.name, b.name) }

// entries is what waits and is wanted, oldest first; nil wants everything.
func (s *Spool) entries(want func(entry) bool) (out []entry) {
	s.mu.Lock()
	for _, e := range s.waiting {
		if want == nil || want(e) {
			out = append(out, e)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(out, byName)
	return out
}

func (s *Spool) tooOld() func(entry) bool {
	oldest := s.now().Add(-s.maxAge)
	return func(e entry) bool { return e.at.Before(oldest) }
}

func (e entry) tooLarge() bool { return e.size > maxFile }

// remember makes requests what waits.
func (s *Spool) remember(requests []entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.bytes = make(map[string]entry, len(requests)), 0
	for _, e := range requests {
		s.waiting[e.name] = e
		s.bytes += e.size
	}
	for name := range s.handled {
		if _, ok := s.waiting[name]; !ok {
			delete(s.handled, name)
		}
	}
}

// add takes note of a request that was written.
func (s *Spool) add(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes += e.size - s.waiting[e.name].size
	if s.waiting == nil {
		s.waiting = map[string]entry{}
	}
	s.waiting[e.name] = e
}

// forget takes note of a request that is no longer there.
func (s *Spool) forget(e entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= s.waiting[e.name].size
	delete(s.waiting, e.name)
	delete(s.handled, e.name)
}

// sweep removes what dead writers left, and corrupt files when there are many.
func (s *Spool) sweep(others listing) {
	var gone []entry
	for _, e := range others.partial {
		if s.now().Sub(e.modified) > abandoned {
			gone = append(gone, e)
		}
	}
	gone = append(gone, others.corrupt[:max(0, len(others.corrupt)-keptCorrupt)]...)
	for _, e := range gone {
		if s.begun(e.name) {
			_ = s.disk.Remove(e.name) // the next sweep tries again
		}
	}
}
