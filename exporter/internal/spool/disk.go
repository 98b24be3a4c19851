package spool

import (
	"io/fs"
	"os"
	"path/filepath"

	"github.com/duotel/duotel/internal/spooldisk"
)

// Directory is a [spooldisk.Disk] that is a directory of the operating system, named by its path.
type Directory string

func (d Directory) path(name string) string { return filepath.Join(string(d), name) }

// Make implements [spooldisk.Disk]. Nobody but the owner may look inside.
func (d Directory) Make() error { return os.MkdirAll(string(d), 0o700) }

// List implements [spooldisk.Disk].
func (d Directory) List() ([]fs.DirEntry, error) { return os.ReadDir(string(d)) }

// Create implements [spooldisk.Disk].
func (d Directory) Create(name string) (spooldisk.File, error) {
	return opened(os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600))
}

// Open implements [spooldisk.Disk].
func (d Directory) Open(name string) (spooldisk.File, error) {
	return opened(os.OpenFile(d.path(name), os.O_RDONLY|plain, 0))
}

// opened keeps a nil *os.File from becoming a [spooldisk.File] that is not nil.
func opened(f *os.File, err error) (spooldisk.File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements [spooldisk.Disk].
func (d Directory) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

// Remove implements [spooldisk.Disk].
func (d Directory) Remove(name string) error { return os.Remove(d.path(name)) }

// Sync implements [spooldisk.Disk].
func (d Directory) Sync() error { return syncDir(string(d)) }

// Lock implements [spooldisk.Disk].
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
