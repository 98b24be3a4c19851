package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
)

// reread is what a few small files say, as often as it is asked for: they are read each time, since size and time of a
// file do not tell for certain that it is the same. Files that cannot be used, such as one that is being written at
// this moment, change nothing.
type reread[T any] struct {
	paths  []string // "" for one that is not set
	parse  func(texts [][]byte) (T, error)
	what   string // for the log
	logger *slog.Logger

	mu     sync.Mutex
	texts  [][]byte
	value  T
	broken bool
}

// openReread reads the files for the first time, when an error is the caller's.
func openReread[T any](logger *slog.Logger, what string, parse func([][]byte) (T, error), paths ...string) (*reread[T], error) {
	r := &reread[T]{paths: paths, parse: parse, what: what, logger: logger}
	if err := r.update(); err != nil {
		return nil, err
	}
	return r, nil
}

// get returns what the files say now, or what they said when they last made sense. The log has a line when they begin
// to make none, and one when they do again.
func (r *reread[T]) get() T {
	r.mu.Lock()
	err := r.update()
	value, before := r.value, r.broken
	r.broken = err != nil
	r.mu.Unlock()
	switch {
	case err != nil && !before:
		r.logger.Warn("telemetry: "+r.what+" cannot be used as it is now: what was read before stays in use", "error", err)
	case err == nil && before:
		r.logger.Info("telemetry: " + r.what + " can be used again")
	}
	return value
}

func (r *reread[T]) update() error {
	texts := make([][]byte, len(r.paths))
	for i, path := range r.paths {
		var err error
		if texts[i], err = readSmall(path); err != nil {
			return err
		}
	}
	if r.texts != nil && slices.EqualFunc(texts, r.texts, bytes.Equal) {
		return nil
	}
	value, err := r.parse(texts)
	if err != nil {
		return err
	}
	r.texts, r.value = texts, value
	return nil
}

// smallFile is far more than certificates, keys or headers need.
const smallFile = 4 << 20

// readSmall reads a file that somebody may have named by mistake: one that does not end has a limit here.
func readSmall(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, smallFile+1))
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if len(text) > smallFile {
		return nil, fmt.Errorf("%s: is larger than %d bytes", path, smallFile)
	}
	return text, nil
}
