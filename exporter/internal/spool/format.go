package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"

	"github.com/duotel/duotel/internal/spooldisk"
)

// A file is: the magic, the checksum of all that follows, the number of points, the request.
const (
	magic      = "DUOTEL\x001"
	headerSize = len(magic) + 4 + 8
)

// MaxRequest is the largest request that is kept. Nobody reads a file that is larger, so that what somebody
// else puts under a request's name costs no memory.
const MaxRequest = 64 << 20

const maxFile = int64(headerSize) + MaxRequest

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCorrupt = errors.New("corrupt")

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
	points, err := pointsIn(content, int64(len(content)))
	return Request{Body: content[headerSize:], Points: points}, err
}

// pointsIn reads the number of points in a file's header. A point takes more than a byte of the file.
func pointsIn(header []byte, size int64) (int64, error) {
	n := binary.BigEndian.Uint64(header[len(magic)+4:])
	if n > uint64(size) {
		return 0, errCorrupt
	}
	return int64(n), nil
}

// read returns a request. A file of a size that no request has is corrupt and is not read.
func (s *Spool) read(name string) (r Request, err error) {
	f, size, err := s.openFile(name)
	if err != nil {
		return Request{}, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	if size > maxFile {
		return Request{}, errCorrupt
	}
	content := make([]byte, size)
	if err := readAll(f, content); err != nil {
		return Request{}, err
	}
	return decode(content)
}

// points returns how many points a request holds, from its header alone: 0 and errCorrupt when the header
// is none of ours or says what cannot be.
func (s *Spool) points(name string) (int64, error) {
	head, size, err := s.head(name)
	if err != nil {
		return 0, err
	}
	if size > maxFile || len(head) < headerSize || string(head[:len(magic)]) != magic {
		return 0, errCorrupt
	}
	return pointsIn(head, size)
}

// begun reports whether a file begins as ours do, so that it may be removed although it is no request:
// with the magic, with as much of it as a writer wrote that was killed, or with the zeros that a file system
// leaves when the machine lost its power. A name alone is not enough.
func (s *Spool) begun(name string) bool {
	head, _, err := s.head(name)
	if err != nil {
		return false
	}
	start := string(head[:min(len(head), len(magic))])
	return strings.HasPrefix(magic, start) || strings.Trim(start, "\x00") == ""
}

// head returns the first bytes of a file, as many as a header has or the file, and the file's size.
func (s *Spool) head(name string) (head []byte, size int64, err error) {
	f, size, err := s.openFile(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	head = make([]byte, min(size, int64(headerSize)))
	return head, size, readAll(f, head)
}

func (s *Spool) openFile(name string) (spooldisk.File, int64, error) {
	f, err := s.disk.Open(name)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() { // it was one when the directory was listed
		err = errors.New(name + ": is not a regular file")
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// readAll fills content. A file that ends too early was cut while it was read.
func readAll(f spooldisk.File, content []byte) error {
	_, err := io.ReadFull(f, content)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCorrupt
	}
	return err
}
