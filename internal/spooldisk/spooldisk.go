// Package spooldisk is what a spool needs of a disk, so that a test can be one that is full, read-only, torn or gone.
//
// A program has the operating system's. Code of this module that runs a whole program on another disk gives it with the
// context that the program is started with: [NewContext].
package spooldisk

import (
	"context"
	"errors"
	"io"
	"io/fs"
)

// ErrBusy is what [Disk.Lock] returns while somebody else has the lock.
var ErrBusy = errors.New("another process is sending from it")

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

type key struct{}

// NewContext returns a context that carries the disk under every spool that is opened with it.
func NewContext(ctx context.Context, d Disk) context.Context { return context.WithValue(ctx, key{}, d) }

// FromContext returns the disk that ctx carries, or nil for the operating system's.
func FromContext(ctx context.Context) Disk {
	d, _ := ctx.Value(key{}).(Disk)
	return d
}
