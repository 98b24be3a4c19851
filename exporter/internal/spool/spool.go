// Package spool keeps requests on disk that could not be sent, until somebody sends them.
//
// A directory holds one file per request. A file appears whole or not at all: it is written under
// another name, synced, and renamed. Its checksum is verified before it is used. The directory may be
// shared: processes write to it independently, and one at a time takes requests out.
//
// Requests are opaque bytes. Nothing of how to send them, headers least of all, is stored.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxBytes = 64 << 20
	DefaultMaxAge   = 24 * time.Hour
)

const (
	suffix        = ".otlp"
	partialSuffix = ".partial"
	corruptSuffix = ".corrupt"
	lockName      = "duotel.lock"
	// abandoned is how old a partial file is when its writer is taken for dead.
	abandoned = 10 * time.Minute
	// keptCorrupt is how many corrupt files are kept for whoever wants to look at them.
	keptCorrupt = 8
)

// ErrBusy is returned by Drain while another process, or another Spool, is draining the directory.
var ErrBusy = errors.New("spool: another process is sending from it")

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
}

// Dropped is what was given up.
type Dropped struct{ Requests, Points int64 }

// Spool is one process's access to a directory. It is safe for concurrent use.
type Spool struct {
	dir      string
	maxBytes int64
	maxAge   time.Duration
	now      func() time.Time
	sequence atomic.Uint64

	dropped, droppedPoints, corrupt atomic.Int64
}

// Open makes the directory ready. An error means that nothing can be written there.
func Open(cfg Config) (*Spool, error) {
	s := &Spool{dir: cfg.Dir, maxBytes: cfg.MaxBytes, maxAge: cfg.MaxAge, now: cfg.Now}
	if s.maxBytes <= 0 {
		s.maxBytes = DefaultMaxBytes
	}
	if s.maxAge <= 0 {
		s.maxAge = DefaultMaxAge
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := s.probe(); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	s.sweep()
	return s, nil
}

// probe fails where a request could not be written later.
func (s *Spool) probe() error {
	f, err := os.CreateTemp(s.dir, "probe-*"+partialSuffix)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Dropped returns what this Spool has dropped because of the bounds.
func (s *Spool) Dropped() Dropped {
	return Dropped{Requests: s.dropped.Load(), Points: s.droppedPoints.Load()}
}

// Corrupt returns how many files this Spool has set aside.
func (s *Spool) Corrupt() int64 { return s.corrupt.Load() }

// Usage returns how many requests wait, and their size.
func (s *Spool) Usage() (requests int, bytes int64) {
	for _, e := range s.entries() {
		requests++
		bytes += e.size
	}
	return requests, bytes
}

// entry is a request's file.
type entry struct {
	name string
	at   time.Time
	size int64
}

// entries lists the requests, oldest first. What is not one of ours is left alone.
func (s *Spool) entries() []entry {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return nil
	}
	var out []entry
	for _, f := range files {
		at, ok := parseName(f.Name())
		if !ok || !f.Type().IsRegular() {
			continue
		}
		if info, err := f.Info(); err == nil { // another process may have sent it meanwhile
			out = append(out, entry{f.Name(), at, info.Size()})
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	return out
}

// sweep removes what dead writers left, and old corrupt files.
func (s *Spool) sweep() {
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return
	}
	var corrupt []string
	for _, f := range files {
		switch {
		case strings.HasSuffix(f.Name(), partialSuffix):
			if info, err := f.Info(); err == nil && s.now().Sub(info.ModTime()) > abandoned {
				_ = os.Remove(filepath.Join(s.dir, f.Name())) // the next sweep tries again
			}
		case strings.HasSuffix(f.Name(), corruptSuffix):
			corrupt = append(corrupt, f.Name())
		}
	}
	for len(corrupt) > keptCorrupt {
		_ = os.Remove(filepath.Join(s.dir, corrupt[0]))
		corrupt = corrupt[1:]
	}
}

// drop gives an entry up.
func (s *Spool) drop(e entry) {
	points := s.pointsOf(e)
	if os.Remove(filepath.Join(s.dir, e.name)) == nil {
		s.dropped.Add(1)
		s.droppedPoints.Add(points)
	}
}
