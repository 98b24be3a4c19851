package spool

import (
	"fmt"
	"slices"
	"strings"
)

// listing is what the directory holds of ours, each kind in the order of names, which is that of time.
type listing struct{ requests, partial, corrupt []entry }

// Refresh looks at the directory again, and, when the latest write failed, whether it can be written to again.
// [Spool.Drain] does that too.
func (s *Spool) Refresh() error {
	if _, err := s.look(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return s.recovered()
}

// look lists the directory and remembers what waits there.
func (s *Spool) look() (found listing, err error) {
	files, err := s.disk.List()
	if err != nil {
		return listing{}, err
	}
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
			found.partial = append(found.partial, e)
		case corruptSuffix:
			found.corrupt = append(found.corrupt, e)
		default:
			found.requests = append(found.requests, e)
		}
	}
	for _, kind := range [][]entry{found.requests, found.partial, found.corrupt} {
		slices.SortFunc(kind, byName)
	}
	s.remember(found.requests)
	return found, nil
}

func byName(a, b entry) int { return strings.Compare(a.name, b.name) }

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
func (s *Spool) sweep(found listing) {
	var gone []entry
	for _, e := range found.partial {
		if s.now().Sub(e.modified) > abandoned {
			gone = append(gone, e)
		}
	}
	gone = append(gone, found.corrupt[:max(0, len(found.corrupt)-keptCorrupt)]...)
	for _, e := range gone {
		if s.begun(e.name) {
			_ = s.disk.Remove(e.name) // the next sweep tries again
		}
	}
}
