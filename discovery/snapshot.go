package discovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unicode/utf8"
)

// snapshotDelay is how long changes are gathered before the snapshot file is written again.
const snapshotDelay = time.Second

// maxSnapshotBytes bounds what is read of a snapshot file: ten groups of the largest size, generously.
var maxSnapshotBytes = 256 << 20 // a test has less

// snapshotFile writes a store's entries when they have changed.
type snapshotFile struct {
	path   string
	report func(error)

	dirty chan struct{}
	stop  chan struct{}
	done  sync.WaitGroup
	once  sync.Once
}

// OpenMemory returns a store that keeps a copy of its entries in a file, so that a restarted process begins
// with what was known. An entry that comes from the file has one TTL to show a sign of life. The file
// is read now and written within a second of a change, as a new file that is renamed into place;
// a file that cannot be written is reported, each time, and costs nothing else. An entry that cannot be used is left out, counted
// and named; a file that is no snapshot at all is an error. Close writes a last time. The file holds
// what registrants sent, readable by its owner only.
func OpenMemory(path string, report func(error)) (*Memory, error) {
	m := NewMemory()
	text, err := readSnapshot(path)
	if err != nil {
		return nil, err
	}
	if err := m.restore(text); err != nil {
		return nil, fmt.Errorf("discovery: snapshot file %s: %w", path, err)
	}
	m.file = &snapshotFile{path: path, report: report, dirty: make(chan struct{}, 1), stop: make(chan struct{})}
	m.file.done.Go(func() { m.file.run(m) })
	return m, nil
}

// Close writes the snapshot file a last time and ends its goroutine. A store without a file needs none.
func (m *Memory) Close(context.Context) error {
	if m.file != nil {
		m.file.once.Do(func() { close(m.file.stop) })
		m.file.done.Wait()
	}
	return nil
}

// changed has the file written again soon. It does nothing where there is no file.
func (f *snapshotFile) changed() {
	if f == nil {
		return
	}
	select {
	case f.dirty <- struct{}{}:
	default:
	}
}

func (f *snapshotFile) run(m *Memory) {
	for {
		select {
		case <-f.stop:
			f.write(m)
			return
		case <-f.dirty:
		}
		delay := time.NewTimer(snapshotDelay)
		select {
		case <-f.stop:
		case <-delay.C:
		}
		delay.Stop()
		f.write(m)
	}
}

func (f *snapshotFile) write(m *Memory) {
	m.mu.Lock()
	entries := m.entries()
	m.mu.Unlock()
	kept := make([]snapshotEntry, 0, len(entries))
	for _, entry := range entries {
		kept = append(kept, snapshotEntry{entry.Target, entry.Generation})
	}
	if err := replaceFile(f.path, kept); err != nil && f.report != nil {
		f.report(fmt.Errorf("discovery: snapshot file: %w", err))
	}
}

// snapshotEntry is a target in the file, with its generation: a process that lives on knows itself by that.
type snapshotEntry struct {
	Target
	Generation uint64 `json:"generation,omitempty"`
}

// MarshalJSON writes the target's fields, and the generation beside them.
func (e snapshotEntry) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(e.Target)
	if err != nil || e.Generation == 0 {
		return text, err
	}
	return fmt.Appendf(text[:len(text)-1], `,"generation":%d}`, e.Generation), nil
}

// splitGeneration takes the generation out of an entry of the file. An entry that somebody wrote by hand has none.
func splitGeneration(text []byte) (rest []byte, generation uint64) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil || fields["generation"] == nil || json.Unmarshal(fields["generation"], &generation) != nil {
		return text, 0
	}
	delete(fields, "generation")
	rest, err := json.Marshal(fields)
	if err != nil {
		return text, 0
	}
	return rest, generation
}

// replaceFile writes beside the file and renames, so that a crash leaves the one or the other whole.
func replaceFile(path string, targets []snapshotEntry) (err error) {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	err = json.NewEncoder(&bounded{temporary, maxSnapshotBytes}).Encode(targets)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// bounded takes no more than what is read again: a restart that refuses its own file would be worse than one that begins with an older copy.
type bounded struct {
	io.Writer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("the targets take more than %d bytes; the file keeps an older copy", maxSnapshotBytes)
	}
	return b.Writer.Write(p)
}

// readSnapshot returns the file's text, an empty list when there is no file yet.
func readSnapshot(path string) ([]byte, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []byte("[]"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("discovery: snapshot file: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, int64(maxSnapshotBytes)+1))
	if err != nil {
		return nil, fmt.Errorf("discovery: snapshot file: %w", err)
	}
	if len(text) > maxSnapshotBytes {
		return nil, fmt.Errorf("discovery: snapshot file %s: is larger than %d bytes", path, maxSnapshotBytes)
	}
	return text, nil
}

// restore lists what text holds. Broken entries are kept aside for the followers to hear of.
func (m *Memory) restore(text []byte) error {
	var entries []json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return fmt.Errorf("is not a list of targets: %w", err)
	}
	for i, raw := range entries {
		text, generation := splitGeneration(raw)
		t, err := DecodeTarget(text)
		if err == nil {
			err = m.room(t.Group, len(m.groups[t.Group])+1)
		}
		if err != nil {
			m.broken[fmt.Sprintf("entry %d", i+1)] = err
			continue
		}
		before := max(m.revision, generation) // a clock may have gone back since
		if m.revision = generation; generation == 0 {
			before++
			m.revision = before
		}
		m.put(t, false)
		m.revision = before
	}
	return nil
}

// DecodeTarget returns the target that a JSON text holds, with its defaults set. What is not known, of the
// wrong type or not valid is an error; nothing is guessed. A store uses it for what others have written.
func DecodeTarget(text []byte) (Target, error) {
	return decodeTarget(text, func(*Target) error { return nil })
}

// decodeTarget is DecodeTarget with something to complete the target by before it is looked at.
func decodeTarget(text []byte, complete func(*Target) error) (Target, error) {
	if !utf8.Valid(text) {
		// encoding/json would put U+FFFD in the place of what it cannot read, and the target would be another.
		return Target{}, errors.New("discovery: is not a target: not valid UTF-8")
	}
	if holdsNull(text) {
		return Target{}, errors.New("discovery: is not a target: null in the place of a value; leave the field out")
	}
	var t Target
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return Target{}, fmt.Errorf("discovery: is not a target: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Target{}, errors.New("discovery: is not a target: something follows it")
	}
	if err := complete(&t); err != nil {
		return Target{}, err
	}
	if err := t.Validate(); err != nil {
		return Target{}, err
	}
	return t.withDefaults(), nil
}

// holdsNull says whether a JSON text has a null anywhere, which encoding/json takes for a field's zero value.
func holdsNull(text []byte) bool {
	decoder := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false // the end, or no JSON, which decoding says better
		}
		if token == nil {
			return true
		}
	}
}
