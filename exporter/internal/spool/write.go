package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A file is: the magic, the checksum of all that follows, the number of points, the request.
const (
	magic      = "DUOTEL\x001"
	headerSize = len(magic) + 4 + 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCorrupt = errors.New("corrupt")

// Put keeps a request. When it returns nil the request survives a crash. It drops the oldest requests if
// the bounds ask for that, and refuses one that is over them by itself.
func (s *Spool) Put(r Request) error {
	size := int64(headerSize + len(r.Body))
	if size > s.maxBytes {
		return fmt.Errorf("spool: a request of %d bytes is over the limit of %d", size, s.maxBytes)
	}
	s.makeRoom(size)
	if err := s.write(s.newName(), encode(r)); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	return nil
}

func (s *Spool) makeRoom(size int64) {
	all := s.expire(s.entries())
	var used int64
	for _, e := range all {
		used += e.size
	}
	for len(all) > 0 && used+size > s.maxBytes {
		s.drop(all[0])
		used -= all[0].size
		all = all[1:]
	}
}

// expire drops what is too old and returns the rest.
func (s *Spool) expire(all []entry) []entry {
	oldest := s.now().Add(-s.maxAge)
	for len(all) > 0 && all[0].at.Before(oldest) {
		s.drop(all[0])
		all = all[1:]
	}
	return all
}

// write makes content appear under name, whole or not at all.
func (s *Spool) write(name string, content []byte) (err error) {
	f, err := os.CreateTemp(s.dir, "*"+partialSuffix)
	if err != nil {
		return err
	}
	partial := f.Name()
	defer func() {
		if err != nil {
			_ = os.Remove(partial) // a sweep removes it otherwise
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(partial, filepath.Join(s.dir, name)); err != nil {
		return err
	}
	return syncDir(s.dir)
}

// newName sorts after the names of earlier requests of this process, and by time among others.
func (s *Spool) newName() string {
	return fmt.Sprintf("%019d-%d-%06d%s", s.now().UnixNano(), os.Getpid(), s.sequence.Add(1), suffix)
}

func parseName(name string) (time.Time, bool) {
	stem, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return time.Time{}, false
	}
	stamp, _, ok := strings.Cut(stem, "-")
	nanos, err := strconv.ParseInt(stamp, 10, 64)
	if !ok || err != nil || len(stamp) != 19 {
		return time.Time{}, false
	}
	return time.Unix(0, nanos), true
}

func encode(r Request) []byte {
	out := make([]byte, 0, headerSize+len(r.Body))
	out = append(out, magic...)
	out = append(out, 0, 0, 0, 0)
	out = binary.BigEndian.AppendUint64(out, uint64(r.Points))
	out = append(out, r.Body...)
	binary.BigEndian.PutUint32(out[len(magic):], crc32.Checksum(out[len(magic)+4:], castagnoli))
	return out
}

func decode(content []byte) (Request, error) {
	if len(content) < headerSize || string(content[:len(magic)]) != magic {
		return Request{}, errCorrupt
	}
	sum := binary.BigEndian.Uint32(content[len(magic):])
	if sum != crc32.Checksum(content[len(magic)+4:], castagnoli) {
		return Request{}, errCorrupt
	}
	return Request{Body: content[headerSize:], Points: int64(binary.BigEndian.Uint64(content[len(magic)+4:]))}, nil
}

func (s *Spool) read(e entry) (Request, error) {
	content, err := os.ReadFile(filepath.Join(s.dir, e.name))
	if err != nil {
		return Request{}, err
	}
	return decode(content)
}

// pointsOf is zero for what cannot be read.
func (s *Spool) pointsOf(e entry) int64 {
	r, _ := s.read(e)
	return r.Points
}

// setAside takes a corrupt file out of the way and keeps it.
func (s *Spool) setAside(e entry) error {
	s.corrupt.Add(1)
	err := os.Rename(filepath.Join(s.dir, e.name), filepath.Join(s.dir, e.name+corruptSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
