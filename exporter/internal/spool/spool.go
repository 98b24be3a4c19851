// Package spool keeps requests on disk that could not be sent, until somebody sends them.
//
// A directory holds one file per request. A file appears whole or not at all: it is written under
// another name, synced, and renamed. Its checksum is verified before it is used. The directory may be
// shared: processes write to it independently, and one at a time takes requests out. Others may keep
// files there too: they are left alone, and so are folders, links and devices, whatever their names are.
//
// What waits is known from the latest look at the directory, which [Spool.Drain] and [Spool.Refresh] take, and
// from what this Spool did since. So [Spool.Usage] costs nothing, and does not wait for a disk that hangs.
//
// Requests are opaque bytes. Nothing of how to send them, headers least of all, is stored.
package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duotel/duotel/internal/spooldisk"
)

// Defaults of [Config].
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxAge   = 24 * time.Hour
)

const (
	// abandoned is how old a partial file is when its writer is taken for dead.
	abandoned = 10 * time.Minute
	// keptCorrupt is how many corrupt files are kept for whoever wants to look at them.
	keptCorrupt = 8
)

// ErrBusy is returned by Drain while another process, or another Spool, is draining the directory.
var ErrBusy = spooldisk.ErrBusy

// Config says where requests are kept, and how many.
type Config struct {
	// Dir is made if it does not exist. Its files are readable by their owner only.
	Dir string
	// MaxBytes bounds all files together; the oldest are dropped. Default 64 MiB.
	MaxBytes int64
	// MaxAge bounds how long a request is kept. Default 24 h.
	MaxAge time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Disk is where Dir is. Default: the operating system's.
	Disk spooldisk.Disk
}

// Spool is one process's access to a directory. It is safe for concurrent use.
type Spool struct {
	disk     spooldisk.Disk
	maxBytes int64
	maxAge   time.Duration
	now      func() time.Time
	process  uint64 // random, a part of every name
	sequence atomic.Uint32
	// probeName is of the file that is written to see whether that is possible.
	probeName string

	mu       sync.Mutex // held for memory only, never while the disk is asked
	waiting  map[string]entry
	bytes    int64 // of waiting
	handled  map[string]handled
	writeErr error // why the latest write failed
	counts   Counts
}

// Counts is what became of requests, since the Spool was opened.
type Counts struct {
	// Dropped requests, and DroppedPoints in them, had to go because of the bounds.
	Dropped, DroppedPoints int64
	// Corrupt is the number of files that are no requests, although they are named like one.
	Corrupt int64
	// Ambiguous is the number of requests that were sent, at least in part, and are in the directory all the same, or may come back with it, because
	// they could not be removed or replaced. This Spool does not hand them out again; the next process will.
	Ambiguous int64
}

// entry is a file of ours.
type entry struct {
	name     string
	at       time.Time // when the request was written first
	size     int64
	modified time.Time
}

// handled is what this process knows of a file that it could not remove, replace or set aside.
type handled struct {
	rest    Request // what is still to be sent; nothing when all was
	corrupt bool
}

func (h handled) sent() bool { return !h.corrupt && len(h.rest.Body) == 0 }

// Open makes the directory ready. An error means that nothing can be written there, or nothing taken out.
func Open(cfg Config) (*Spool, error) {
	s := &Spool{
		disk: cfg.Disk, maxBytes: cfg.MaxBytes, maxAge: cfg.MaxAge, now: cfg.Now,
		process: randomNumber(), handled: map[string]handled{},
	}
	if s.disk == nil {
		s.disk = Directory(cfg.Dir)
	}
	if s.maxBytes <= 0 {
		s.maxBytes = DefaultMaxBytes
	}
	if s.maxAge <= 0 {
		s.maxAge = DefaultMaxAge
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.probeName = s.newName() + partialSuffix
	if err := s.prepare(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	return s, nil
}

// randomNumber is none that another process has, for all practical purposes.
func randomNumber() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.BigEndian.Uint64(b[:])
}

// prepare fails where a request could not be written or taken out later. A disk that is full is no reason:
// it may have room when it is needed, and [Spool.Put] says so if not.
func (s *Spool) prepare() error {
	if err := s.disk.Make(); err != nil {
		return err
	}
	if err := s.probe(nil); err != nil {
		return err
	}
	unlock, err := s.disk.Lock(lockName)
	if err == nil {
		unlock()
	} else if !errors.Is(err, ErrBusy) {
		return err
	}
	others, err := s.look()
	if err != nil {
		return err
	}
	s.sweep(others)
	return nil
}

// Counts returns what became of requests so far.
func (s *Spool) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Usage returns how many requests wait, and the size of their files. What other processes did since
// the latest look at the directory is not in it.
func (s *Spool) Usage() (requests int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests, bytes = len(s.waiting), s.bytes
	for name, h := range s.handled {
		if e, ok := s.waiting[name]; ok && (h.corrupt || h.sent()) {
			requests--
			bytes -= e.size
		}
	}
	return requests, bytes
}
