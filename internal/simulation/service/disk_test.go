package service

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/duotel/duotel/internal/spooldisk"
)

var errGone = errors.New("the process is gone")

// inode is a file: what was written, and how much of it a loss of power leaves.
type inode struct {
	content []byte
	synced  int
	written time.Time
}

// disk is a directory in memory that processes share. What is not synced does not survive a loss of power: content beyond the last
// sync of a file, and names beyond the last sync of the directory.
type disk struct {
	mu      sync.Mutex
	files   map[string]*inode
	durable map[string]*inode
	locked  map[string]*mount
	fault   string // "", disk-full, disk-read-only, disk-gone
	foreign map[string][]byte
}

func newDisk() *disk {
	return &disk{files: map[string]*inode{}, durable: map[string]*inode{}, locked: map[string]*mount{}, foreign: map[string][]byte{}}
}

// mount is the disk as one process sees it. After a crash the process sees nothing, and what it does is lost.
type mount struct {
	disk  *disk
	gone  bool // guarded by disk.mu
	opens int
}

// set changes what is wrong with the disk.
func (d *disk) set(fault string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = fault
}

// crash ends a process's view, and releases its locks as an operating system does.
func (m *mount) crash() {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.gone = true
	maps.DeleteFunc(m.disk.locked, func(_ string, holder *mount) bool { return holder == m })
}

// powerLoss takes what was not synced, or a part of it, and returns how many files are back that had been removed.
func (d *disk) powerLoss(rng *rand.Rand) (back int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name := range d.durable {
		if _, there := d.files[name]; !there {
			back++
		}
	}
	d.files = maps.Clone(d.durable)
	for _, f := range d.files {
		if lost := len(f.content) - f.synced; lost > 0 {
			f.content = f.content[:f.synced+rng.IntN(lost+1)]
		}
	}
	return back
}

// lay puts a file there that somebody else wrote.
func (d *disk) lay(name string, content []byte, foreign bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := &inode{content: content, synced: len(content), written: time.Now()}
	d.files[name], d.durable[name] = f, f
	if foreign {
		d.foreign[name] = slices.Clone(content)
	}
}

// waiting returns the names of requests that wait, in order, with their content.
func (d *disk) waiting() (names []string, contents [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(d.files)) {
		if _, foreign := d.foreign[name]; !foreign && strings.HasPrefix(name, "duotel-") && strings.HasSuffix(name, ".otlp") {
			names = append(names, name)
			contents = append(contents, slices.Clone(d.files[name].content))
		}
	}
	return names, contents
}

// rename is a clock that jumped between two processes: the names of files say when they were written.
func (d *disk) rename(from, to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.files[from]; ok {
		delete(d.files, from)
		delete(d.durable, from)
		d.files[to], d.durable[to] = f, f
	}
}

// harmed returns the names of foreign files that are not what they were.
func (d *disk) harmed() (names []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, want := range d.foreign {
		if f, ok := d.files[name]; !ok || !bytes.Equal(f.content, want) {
			names = append(names, name)
		}
	}
	return names
}

// begin asks whether an operation works.
func (m *mount) begin(op, name string, writes bool) error {
	var err error
	switch {
	case m.gone:
		err = errGone
	case m.disk.fault == "disk-gone":
		err = fs.ErrNotExist
	case m.disk.fault == "disk-read-only" && writes:
		err = syscall.EROFS
	default:
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (m *mount) Make() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if m.gone {
		return errGone
	}
	return nil
}

func (m *mount) List() ([]fs.DirEntry, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("list", "", false); err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for _, name := range slices.Sorted(maps.Keys(m.disk.files)) {
		f := m.disk.files[name]
		out = append(out, fs.FileInfoToDirEntry(info{name, int64(len(f.content)), f.written}))
	}
	return out, nil
}

func (m *mount) Create(name string) (spooldisk.File, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("create", name, true); err != nil {
		return nil, err
	}
	if _, ok := m.disk.files[name]; ok {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	f := &inode{written: time.Now()}
	m.disk.files[name] = f
	m.opens++
	return &file{mount: m, inode: f, name: name}, nil
}

func (m *mount) Open(name string) (spooldisk.File, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("open", name, false); err != nil {
		return nil, err
	}
	f, ok := m.disk.files[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	m.opens++
	return &file{mount: m, inode: f, name: name}, nil
}

func (m *mount) Rename(from, to string) error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("rename", from, true); err != nil {
		return err
	}
	f, ok := m.disk.files[from]
	if !ok {
		return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
	}
	delete(m.disk.files, from)
	m.disk.files[to] = f
	return nil
}

func (m *mount) Remove(name string) error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("remove", name, true); err != nil {
		return err
	}
	if _, ok := m.disk.files[name]; !ok {
		return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
	}
	delete(m.disk.files, name)
	return nil
}

func (m *mount) Sync() error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("sync", "", false); err != nil {
		return err
	}
	m.disk.durable = maps.Clone(m.disk.files)
	return nil
}

func (m *mount) Lock(name string) (unlock func(), err error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	if err := m.begin("lock", name, true); err != nil {
		return nil, err
	}
	if m.disk.locked[name] != nil {
		return nil, spooldisk.ErrBusy
	}
	m.disk.locked[name] = m
	return func() {
		m.disk.mu.Lock()
		defer m.disk.mu.Unlock()
		if m.disk.locked[name] == m {
			delete(m.disk.locked, name)
		}
	}, nil
}

// file is an open file.
type file struct {
	mount *mount
	inode *inode
	name  string
	read  int
	done  bool
}

func (f *file) Read(p []byte) (int, error) {
	f.mount.disk.mu.Lock()
	defer f.mount.disk.mu.Unlock()
	if err := f.mount.begin("read", f.name, false); err != nil {
		return 0, err
	}
	n := copy(p, f.inode.content[min(f.read, len(f.inode.content)):])
	f.read += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (f *file) Write(p []byte) (int, error) {
	f.mount.disk.mu.Lock()
	defer f.mount.disk.mu.Unlock()
	if err := f.mount.begin("write", f.name, true); err != nil {
		return 0, err
	}
	if f.mount.disk.fault == "disk-full" {
		f.inode.content = append(f.inode.content, p[:len(p)/2]...)
		return len(p) / 2, &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
	}
	f.inode.content = append(f.inode.content, p...)
	return len(p), nil
}

func (f *file) Sync() error {
	f.mount.disk.mu.Lock()
	defer f.mount.disk.mu.Unlock()
	if err := f.mount.begin("sync", f.name, true); err != nil {
		return err
	}
	f.inode.synced = len(f.inode.content)
	return nil
}

func (f *file) Stat() (fs.FileInfo, error) {
	f.mount.disk.mu.Lock()
	defer f.mount.disk.mu.Unlock()
	return info{f.name, int64(len(f.inode.content)), f.inode.written}, nil
}

func (f *file) Close() error {
	f.mount.disk.mu.Lock()
	defer f.mount.disk.mu.Unlock()
	if !f.done {
		f.done = true
		f.mount.opens--
	}
	return nil
}

type info struct {
	name    string
	size    int64
	written time.Time
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return 0o600 }
func (i info) ModTime() time.Time { return i.written }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }
