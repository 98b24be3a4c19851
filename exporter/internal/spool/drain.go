package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Request is what is kept: bytes, and how many data points they hold.
type Request struct {
	Body   []byte
	Points int64
}

// Drain hands the requests to send, oldest first. send returns what is still to be sent of a request,
// which takes its place and ends the draining; or the zero Request when there is nothing more to do
// with it, which removes it. No other process drains meanwhile: then Drain returns [ErrBusy]. Corrupt
// files are set aside, and requests that are too old dropped. left reports whether requests remain.
func (s *Spool) Drain(send func(Request) (rest Request)) (left bool, err error) {
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

func (s *Spool) handOut(e entry, send func(Request) Request) (kept bool, err error) {
	request, err := s.read(e)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, errCorrupt):
		return false, s.setAside(e)
	case err != nil:
		return true, fmt.Errorf("spool: %w", err)
	}
	rest := send(request)
	switch len(rest.Body) {
	case 0:
		return false, s.remove(e)
	case len(request.Body):
		return true, nil
	default:
		return true, s.replace(e, rest)
	}
}

// replace puts what is left of a request in its place, unless another process needed the room meanwhile and
// counted it as dropped.
func (s *Spool) replace(e entry, rest Request) error {
	if _, err := os.Stat(filepath.Join(s.dir, e.name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := s.write(e.name, encode(rest)); err != nil {
		return fmt.Errorf("spool: a request of which a part was sent cannot be replaced and will be sent again: %w", err)
	}
	return nil
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
