package sd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// reread is what a small file says, as often as it is asked for. The file is read each time, since size and time of a
// file do not tell for certain that it is the same. A file that cannot be used, such as one that is being written
// at this moment, changes nothing.
type reread[T any] struct {
	flag, path string
	parse      func([]byte) (T, error)
	logger     *slog.Logger

	mu     sync.Mutex
	text   []byte
	value  T
	broken error
}

// openReread reads the file of a flag for the first time, when an error is the caller's.
func openReread[T any](logger *slog.Logger, flag, path string, parse func([]byte) (T, error)) (*reread[T], error) {
	r := &reread[T]{flag: flag, path: path, parse: parse, logger: logger}
	if err := r.update(); err != nil {
		return nil, err
	}
	return r, nil
}

// get returns what the file says now, or what it said when it last made sense, and why it is the latter. The log
// has a line when it begins to make none, and one when it does again.
func (r *reread[T]) get() (T, error) {
	r.mu.Lock()
	err := r.update()
	value, before := r.value, r.broken
	r.broken = err
	r.mu.Unlock()
	switch {
	case err != nil && before == nil:
		r.logger.Warn("sd: a file cannot be used as it is now: what was read before stays in use", "error", err)
	case err == nil && before != nil:
		r.logger.Info("sd: a file can be used again", "file", r.path)
	}
	return value, err
}

func (r *reread[T]) update() error {
	text, err := readSmall(r.path)
	if err == nil && r.text != nil && bytes.Equal(text, r.text) {
		return nil
	}
	var value T
	if err == nil {
		value, err = r.parse(text)
	}
	if err != nil {
		return fmt.Errorf("%s=%q: %w", r.flag, r.path, err)
	}
	r.text, r.value = text, value
	return nil
}

// smallFile is far more than any of these files needs.
const smallFile = 4 << 20

// readSmall reads a file that somebody may have named by mistake: one that does not end has a limit here.
func readSmall(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, smallFile+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(text) > smallFile {
		return nil, fmt.Errorf("is larger than %d bytes", smallFile)
	}
	return text, nil
}
