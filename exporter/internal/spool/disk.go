package spool

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Disk is the directory of a spool, with nothing but what a spool does with it. Names are those of files in
// the directory, without a path. It is an interface so that a test can be a disk that is full, read-only or gone.
//
// Errors are those of package os: what is not there is [fs.ErrNotExist].
type Disk interface {
	// Make makes the directory if it is not there.
	Make() error
	// List returns what is in the directory.
	List() ([]fs.DirEntry, error)
	// Create opens a new file for writing, and fails when the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading. It follows no link and waits for nobody: a pipe is opened like a file.
	Open(name string) (File, error)
	// Rename gives a file another name, which is free from then on whatever had it before.
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes renames survive a crash of the machine.
	Sync() error
	// Lock locks a file, which it makes if need be, until unlock is called or the process ends. It does not
	// wait: when somebody else has the lock it returns [ErrBusy].
	Lock(name string) (unlock func(), err error)
}

// File is an open file of a [Disk].
type File interface {
	io.ReadWriteCloser
	Stat() (fs.FileInfo, error)
	Sync() error
}

// Directory is a [Disk] that is a directory of the operating system, named by its path.
type Directory string

func (d Directory) path(name string) string { return filepath.Join(string(d), name) }

// Make implements [Disk]. Nobody but the owner may look inside.
func (d Directory) Make() error { return os.MkdirAll(string(d), 0o700) }

// List implements [Disk].
func (d Directory) List() ([]fs.DirEntry, error) { return os.ReadDir(string(d)) }

// Create implements [Disk].
func (d Directory) Create(name string) (File, error) {
	return opened(os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600))
}

// Open implements [Disk].
func (d Directory) Open(name string) (File, error) {
	return opened(os.OpenFile(d.path(name), os.O_RDONLY|plain, 0))
}

// opened keeps a nil *os.File from becoming a File that is not nil.
func opened(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements [Disk].
func (d Directory) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove implements [Disk].
func (d Directory) Remove(name string) error { return os.Remove(d.path(name)) }

// Sync implements [Disk].
func (d Directory) Sync() error { return syncDir(string(d)) }

// Lock implements [Disk].
func (d Directory) Lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_RDWR|plain, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, err
	}
	return func() { _ = f.Close() }, nil // closing releases the lock
}
