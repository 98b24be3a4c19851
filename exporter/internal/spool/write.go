package spool

import (
	"errors"
	"fmt"
	"io/fs"
)

// Put keeps a request. When it returns nil the request survives a crash. It drops the oldest requests if
// the bounds ask for that, and refuses one that is over them, or [MaxRequest], by itself. When it returns an
// error, nothing of the request is in the directory.
//
// Once the disk has refused a request, Put does not ask it again until Drain or Refresh found that it can be
// written to.
func (s *Spool) Put(r Request) error {
	size := int64(headerSize + len(r.Body))
	if limit := min(s.maxBytes, maxFile); size > limit {
		return fmt.Errorf("spool: a request of %d bytes is over the limit of %d", size, limit)
	}
	err := s.latestWrite()
	if err == nil {
		err = s.makeRoom(size)
	}
	if err == nil {
		err = s.create(r)
		s.wrote(err)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// create writes a request of this process.
func (s *Spool) create(r Request) error {
	name := s.newName()
	at, _, _ := parseName(name)
	content := encode(r)
	if err := s.write(name, content); err != nil {
		return err
	}
	if err := s.disk.Sync(); err != nil {
		// It is there all the same. Were it left there, who asked for it would keep the request too, and it would be sent twice.
		removed := s.disk.Remove(name)
		if removed == nil || s.missing(removed) {
			return err
		}
		if errors.Is(removed, fs.ErrNotExist) { // the directory is gone, and may come back with the file
			s.count(func(c *Counts) { c.Ambiguous++ })
			return err
		}
	}
	s.add(entry{name: name, at: at, size: int64(len(content))})
	return nil
}

// wrote takes note of how the latest write went.
func (s *Spool) wrote(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeErr = err
}

// latestWrite is why the latest write failed, nil when it did not.
func (s *Spool) latestWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writeErr
}

// recovered returns nil unless the latest write failed and another would fail now. Without asking the disk,
// nobody could say that it works again before the next outage of the backend.
func (s *Spool) recovered() error {
	if s.latestWrite() == nil {
		return nil
	}
	err := s.probe(encode(Request{}))
	s.wrote(err)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

// probe writes a file and removes it. Its name is always the same, or a directory in which files can be made and not
// removed would fill up with them.
func (s *Spool) probe(content []byte) error {
	if err := s.disk.Remove(s.probeName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := s.fill(s.probeName, content)
	if removed := s.disk.Remove(s.probeName); err == nil {
		err = removed
	}
	return err
}

// fill makes a file and writes content to it. A file that it could not fill stays.
func (s *Spool) fill(name string, content []byte) error {
	f, err := s.disk.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}

// write makes content appear under name, whole or not at all.
func (s *Spool) write(name string, content []byte) error {
	partial := s.newName() + partialSuffix
	err := s.fill(partial, content)
	if err == nil {
		err = s.disk.Rename(partial, name)
	}
	if err != nil {
		_ = s.disk.Remove(partial) // a sweep removes it otherwise
	}
	return err
}

// makeRoom drops what is too old, and the oldest while there is no room for size bytes more.
func (s *Spool) makeRoom(size int64) error {
	failed := s.expire()
	if s.hasRoom(size) {
		return nil
	}
	for _, e := range s.entries(entry.tooLarge) {
		if err := s.setAside(e); err != nil { // it is no request, and others must not go to make room for it
			failed = err
		}
	}
	for _, e := range s.entries(nil) {
		if s.hasRoom(size) {
			return nil
		}
		if err := s.drop(e); err != nil {
			failed = err
		}
	}
	if s.hasRoom(size) {
		return nil
	}
	return fmt.Errorf("there is no room, and what is there cannot be removed: %w", failed)
}

func (s *Spool) hasRoom(size int64) bool {
	_, used := s.Usage()
	return used+size <= s.maxBytes
}

// expire drops what is too old.
func (s *Spool) expire() (failed error) {
	for _, e := range s.entries(s.tooOld()) {
		if err := s.drop(e); failed == nil {
			failed = err
		}
	}
	return failed
}

// drop gives a request up, and counts what was not sent of it once the file is gone. A file that is no request is set
// aside instead.
func (s *Spool) drop(e entry) error {
	h, known := s.handledBefore(e)
	points, err := h.rest.Points, error(nil)
	if !known {
		points, err = s.points(e.name)
	}
	if h.corrupt || errors.Is(err, errCorrupt) {
		return s.setAside(e)
	}
	if err == nil {
		err = s.disk.Remove(e.name)
	}
	switch {
	case s.missing(err): // another process sent it, or dropped it and counted it
	case err != nil:
		return err
	case !known || !h.sent():
		s.count(func(c *Counts) { c.Dropped++; c.DroppedPoints += points })
	}
	s.forget(e)
	return nil
}

// setAside takes a file that is no request out of the way and keeps it.
func (s *Spool) setAside(e entry) error {
	err := s.disk.Rename(e.name, e.name+corruptSuffix)
	if _, before := s.handledBefore(e); !before && !s.missing(err) {
		s.count(func(c *Counts) { c.Corrupt++ })
	}
	if err == nil || s.missing(err) {
		s.forget(e)
		return nil
	}
	s.handle(e, handled{corrupt: true})
	return fmt.Errorf("a corrupt file cannot be set aside: %w", err)
}

func (s *Spool) count(add func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	add(&s.counts)
}

// handle takes note of what this process did with a file that is there all the same.
func (s *Spool) handle(e entry, h handled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, before := s.handled[e.name]; !before && !h.corrupt {
		s.counts.Ambiguous++
	}
	s.handled[e.name] = h
}

func (s *Spool) handledBefore(e entry) (handled, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, ok := s.handled[e.name]
	return h, ok
}
