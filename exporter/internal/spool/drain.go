package spool

import (
	"errors"
	"fmt"
	"io/fs"
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
//
// What goes wrong with one file does not keep the others: Drain goes on and returns the first error. A request that was
// sent and cannot be removed is not handed out again by this Spool; nor is the part of one that was sent.
func (s *Spool) Drain(send func(Request) (rest Request)) (left bool, err error) {
	others, err := s.look()
	if err != nil {
		return true, fmt.Errorf("spool: %w", err)
	}
	writable := s.recovered()
	if len(s.entries(nil)) == 0 {
		return false, writable
	}
	unlock, err := s.disk.Lock(lockName)
	if err != nil {
		return true, fmt.Errorf("spool: %w", err)
	}
	defer unlock()
	s.sweep(others)
	tooOld := s.tooOld()
	failed := s.expire()
	for _, e := range s.entries(func(e entry) bool { return !tooOld(e) }) { // what is too old may not have gone
		kept, err := s.handOut(e, send)
		if failed == nil {
			failed = err
		}
		if kept {
			left = true
			break
		}
	}
	// Or a loss of power would bring back what was sent, and it would be sent again.
	if err := s.disk.Sync(); failed == nil {
		failed = err
	}
	if failed != nil {
		return true, fmt.Errorf("spool: %w", failed)
	}
	return left, writable
}

func (s *Spool) handOut(e entry, send func(Request) Request) (kept bool, err error) {
	before, tried := s.handledBefore(e)
	request := before.rest
	switch {
	case before.corrupt:
		return false, s.setAside(e)
	case tried && before.sent():
		return false, s.remove(e)
	case !tried:
		request, err = s.read(e.name)
	}
	switch {
	case s.missing(err):
		s.forget(e)
		return false, nil
	case errors.Is(err, errCorrupt):
		return false, s.setAside(e)
	case err != nil:
		return false, err
	}
	rest := send(request)
	switch {
	case len(rest.Body) == 0:
		return false, s.remove(e)
	case len(rest.Body) == len(request.Body) && !tried:
		return true, nil
	default:
		return true, s.replace(e, rest)
	}
}

// replace puts what is left of a request in its place, unless another process needed the room meanwhile and
// counted it as dropped.
func (s *Spool) replace(e entry, rest Request) error {
	if _, err := s.points(e.name); s.missing(err) {
		s.forget(e)
		return nil
	}
	content := encode(rest)
	err := s.write(e.name, content)
	s.wrote(err)
	if err == nil {
		err = s.disk.Sync()
	}
	if err != nil {
		s.handle(e, handled{rest: rest})
		return fmt.Errorf("a request of which a part was sent cannot be replaced; the next process will send that part again: %w", err)
	}
	s.forget(e)
	s.add(entry{name: e.name, at: e.at, size: int64(len(content))})
	return nil
}

// missing reports whether err says that a file is not there. A directory that is gone for a while says so of every file, and they are all there when it is
// back: it counts only where the directory can be listed.
func (s *Spool) missing(err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = s.disk.List()
	return err == nil
}

// remove takes out a request that was sent.
func (s *Spool) remove(e entry) error {
	err := s.disk.Remove(e.name)
	if err != nil && !s.missing(err) {
		s.handle(e, handled{})
		return fmt.Errorf("a request that was sent cannot be removed; the next process will send it again: %w", err)
	}
	s.forget(e)
	return nil
}
