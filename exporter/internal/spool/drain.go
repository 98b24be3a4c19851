package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Verdict says what became of a request that Drain handed out.
type Verdict int

const (
	// Keep leaves the request where it is and ends the draining.
	Keep Verdict = iota
	// Done removes it: it was sent.
	Done
	// Discard removes it and counts it as dropped: it never will be.
	Discard
)

// Drain hands the requests to send, oldest first, until one is kept or none is left. No other
// process drains meanwhile: then it returns [ErrBusy]. Corrupt files are set aside, and requests that
// are too old dropped. left reports whether requests remain.
func (s *Spool) Drain(send func(request []byte, points int64) Verdict) (left bool, err error) {
	all := s.entries()
	if len(all) == 0 {
		return false, nil
	}
	unlock, err := s.lock()
	if err != nil {
		return true, err
	}
	defer unlock()
	s.sweep()
	for _, e := range s.expire(s.entries()) {
		kept, err := s.handOut(e, send)
		if kept || err != nil {
			return true, err
		}
	}
	return false, nil
}

func (s *Spool) handOut(e entry, send func([]byte, int64) Verdict) (kept bool, err error) {
	request, points, err := s.read(e)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, errCorrupt):
		return false, s.setAside(e)
	case err != nil:
		return true, fmt.Errorf("spool: %w", err)
	}
	switch send(request, points) {
	case Done:
		return false, s.remove(e)
	case Discard:
		s.drop(e)
		return false, nil
	default:
		return true, nil
	}
}

func (s *Spool) remove(e entry) error {
	err := os.Remove(filepath.Join(s.dir, e.name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("spool: a request that was sent cannot be removed and will be sent again: %w", err)
	}
	return nil
}

// lock makes this the only process that drains. The lock ends with the process at the latest.
func (s *Spool) lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(s.dir, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := tryLock(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return func() { _ = f.Close() }, nil // closing releases the lock
}
