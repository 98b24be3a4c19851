// Package spooltest is disks for tests of what uses a spool.
package spooltest

import (
	"io/fs"
	"sync"

	"github.com/duotel/duotel/exporter/internal/spool"
	"github.com/duotel/duotel/internal/spooldisk"
)

// Operation is what a spool does with its disk.
type Operation string

// The operations of a [spooldisk.Disk] and of its files.
const (
	List   Operation = "list"
	Create Operation = "create"
	Open   Operation = "open"
	Rename Operation = "rename"
	Remove Operation = "remove"
	Sync   Operation = "sync" // of the directory
	Lock   Operation = "lock"
	Write  Operation = "write"
	Read   Operation = "read"
)

// Disk is a directory of the operating system, of which a test says what fails. It is safe for concurrent use.
type Disk struct {
	spooldisk.Disk

	mu    sync.Mutex
	fails map[Operation]func(name string) error
	count map[Operation]int
}

// New returns a Disk that fails nowhere.
func New(dir string) *Disk {
	return &Disk{Disk: spool.Directory(dir), fails: map[Operation]func(string) error{}, count: map[Operation]int{}}
}

// Fail makes operations fail with err, or work again when err is nil.
func (d *Disk) Fail(err error, operations ...Operation) {
	d.FailWhere(func(string) error { return err }, operations...)
}

// FailWhere makes operations fail with what fail returns for the name of the file, which is empty for the directory.
// A write fails in the middle.
func (d *Disk) FailWhere(fail func(name string) error, operations ...Operation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, op := range operations {
		d.fails[op] = fail
	}
}

// Count returns how often an operation was asked for since the last call for it.
func (d *Disk) Count(op Operation) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.count[op]
	d.count[op] = 0
	return n
}

func (d *Disk) do(op Operation, name string) error {
	d.mu.Lock()
	d.count[op]++
	fail := d.fails[op]
	d.mu.Unlock()
	if fail == nil {
		return nil
	}
	if err := fail(name); err != nil {
		return &fs.PathError{Op: string(op), Path: name, Err: err}
	}
	return nil
}

// List implements [spooldisk.Disk].
func (d *Disk) List() ([]fs.DirEntry, error) {
	if err := d.do(List, ""); err != nil {
		return nil, err
	}
	return d.Disk.List()
}

// Create implements [spooldisk.Disk].
func (d *Disk) Create(name string) (spooldisk.File, error) {
	if err := d.do(Create, name); err != nil {
		return nil, err
	}
	f, err := d.Disk.Create(name)
	return &file{f, d, name}, err
}

// Open implements [spooldisk.Disk].
func (d *Disk) Open(name string) (spooldisk.File, error) {
	if err := d.do(Open, name); err != nil {
		return nil, err
	}
	f, err := d.Disk.Open(name)
	return &file{f, d, name}, err
}

// Rename implements [spooldisk.Disk].
func (d *Disk) Rename(from, to string) error {
	if err := d.do(Rename, from); err != nil {
		return err
	}
	return d.Disk.Rename(from, to)
}

// Remove implements [spooldisk.Disk].
func (d *Disk) Remove(name string) error {
	if err := d.do(Remove, name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

// Sync implements [spooldisk.Disk].
func (d *Disk) Sync() error {
	if err := d.do(Sync, ""); err != nil {
		return err
	}
	return d.Disk.Sync()
}

// Lock implements [spooldisk.Disk].
func (d *Disk) Lock(name string) (unlock func(), err error) {
	if err := d.do(Lock, name); err != nil {
		return nil, err
	}
	return d.Disk.Lock(name)
}

type file struct {
	spooldisk.File

	disk *Disk
	name string
}

func (f *file) Read(p []byte) (int, error) {
	if err := f.disk.do(Read, f.name); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *file) Write(p []byte) (int, error) {
	if err := f.disk.do(Write, f.name); err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}
