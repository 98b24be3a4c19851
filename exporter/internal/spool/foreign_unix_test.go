//go:build unix

package spool_test

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/duotel/duotel/exporter/internal/spool"
	"github.com/duotel/duotel/exporter/internal/spool/spooltest"
	"github.com/duotel/duotel/internal/spooldisk"
)

// pipes makes a pipe under every name that is ours.
func pipes(t *testing.T, dir string, suffixes ...string) {
	t.Helper()
	for _, suffix := range suffixes {
		if err := unix.Mkfifo(filepath.Join(dir, foreignName+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A pipe under a request's name is not opened: nobody writes to it, and the spool would wait for ever.
func TestPipesStay(t *testing.T) {
	dir := t.TempDir()
	pipes(t, dir, "", ".partial", ".corrupt")
	s := open(t, spool.Config{Dir: dir, MaxBytes: 50, Now: func() time.Time { return time.Now().Add(longAgo) }})
	put(t, s, "one", "two", "three")
	if got := drained(t, s); !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("got %q", got)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, foreignName+"*")); len(left) != 3 {
		t.Errorf("left: %q", left)
	}
}

// swapped is a directory in which a request was there when it was listed and is something else when it is opened.
type swapped struct{ spooldisk.Disk }

func (s swapped) List() ([]fs.DirEntry, error) {
	all, err := s.Disk.List()
	for i, e := range all {
		all[i] = regular{e}
	}
	return all, err
}

type regular struct{ fs.DirEntry }

func (regular) Type() fs.FileMode { return 0 }

// What became a pipe or a link between the look at the directory and the opening holds nobody up either.
func TestWhatBecameAPipeIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	pipes(t, dir, "", ".partial", ".corrupt")
	s := open(t, spool.Config{Disk: swapped{spooltest.New(dir)}, MaxAge: 100 * 365 * 24 * time.Hour})
	put(t, s, "good")
	var got []string
	left, err := s.Drain(func(r spool.Request) (rest spool.Request) { got = append(got, string(r.Body)); return rest })
	if !slices.Equal(got, []string{"good"}) || !left || err == nil {
		t.Errorf("got %q, left %v, %v", got, left, err)
	}
}

// A pipe in the place of the lock is not waited for.
func TestAPipeForALock(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "duotel.lock"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Open(spool.Config{Dir: dir}); errors.Is(err, spool.ErrBusy) {
		t.Error(err)
	}
}
