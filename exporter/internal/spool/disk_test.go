package spool_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/duotel/duotel/exporter/internal/spool"
	"github.com/duotel/duotel/exporter/internal/spool/spooltest"
)

var errFull = errors.New("no space left on device")

// drain returns what was handed out, and the error.
func drain(s *spool.Spool) (got []string, err error) {
	_, err = s.Drain(func(r spool.Request) (rest spool.Request) { got = append(got, string(r.Body)); return rest })
	return got, err
}

// F48: what was sent and cannot be removed is not sent again by this process, and does not hold up the others.
func TestWhatCannotBeRemovedIsSentOnce(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	put(t, s, "one", "two")
	disk.Fail(fs.ErrPermission, spooltest.Remove, spooltest.Rename, spooltest.Create)
	got, err := drain(s)
	if !slices.Equal(got, []string{"one", "two"}) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %q, %v", got, err)
	}
	for range 5 {
		if got, err := drain(s); len(got) != 0 || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("again: %q, %v", got, err)
		}
	}
	if requests, bytes := s.Usage(); requests != 0 || bytes != 0 || s.Counts().Ambiguous != 2 {
		t.Errorf("%d requests wait, %d bytes, %+v", requests, bytes, s.Counts())
	}
	next := open(t, spool.Config{Disk: spooltest.New(string(disk.Disk.(spool.Directory)))})
	if requests, _ := next.Usage(); requests != 2 {
		t.Errorf("%d wait for the next process", requests)
	}
	disk.Fail(nil, spooltest.Remove, spooltest.Rename, spooltest.Create)
	if got, err := drain(s); len(got) != 0 || err != nil {
		t.Errorf("repaired: %q, %v", got, err)
	}
	if got := drained(t, next); len(got) != 0 {
		t.Errorf("the next process sent %q again", got)
	}
}

// What was sent and could not be removed is not counted as lost when it goes because of the bounds.
func TestWhatWasSentIsNotDropped(t *testing.T) {
	disk, now := spooltest.New(t.TempDir()), time.Now()
	s := open(t, spool.Config{Disk: disk, MaxAge: time.Hour, Now: func() time.Time { return now }})
	put(t, s, "one")
	disk.Fail(fs.ErrPermission, spooltest.Remove)
	_, _ = drain(s)
	disk.Fail(nil, spooltest.Remove)
	now = now.Add(2 * time.Hour)
	if got, err := drain(s); len(got) != 0 || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if c := s.Counts(); c.Dropped != 0 || c.DroppedPoints != 0 || c.Ambiguous != 1 {
		t.Errorf("%+v", c)
	}
}

// What is too old is not handed out, whether it can be removed or not, and is counted when it is gone.
func TestWhatIsTooOldAndCannotBeRemoved(t *testing.T) {
	disk, now := spooltest.New(t.TempDir()), time.Now()
	s := open(t, spool.Config{Disk: disk, MaxAge: time.Hour, Now: func() time.Time { return now }})
	put(t, s, "old")
	now = now.Add(2 * time.Hour)
	put(t, s, "young")
	if c := s.Counts(); c.Dropped != 1 {
		t.Fatalf("%+v", c)
	}
	now = now.Add(2 * time.Hour)
	disk.Fail(fs.ErrPermission, spooltest.Remove)
	for range 3 {
		if got, err := drain(s); len(got) != 0 || !errors.Is(err, fs.ErrPermission) || s.Counts().Dropped != 1 {
			t.Errorf("got %q, %v, %+v", got, err, s.Counts())
		}
	}
	disk.Fail(nil, spooltest.Remove)
	if got, err := drain(s); len(got) != 0 || err != nil || s.Counts().Dropped != 2 || s.Counts().DroppedPoints != 2 {
		t.Errorf("got %q, %v, %+v", got, err, s.Counts())
	}
}

// The part of a request that was sent is not sent again when the rest cannot take its place, because the disk is full.
func TestTheRestIsRememberedWhenItCannotBeWritten(t *testing.T) {
	for _, op := range []spooltest.Operation{spooltest.Create, spooltest.Write, spooltest.Rename, spooltest.Sync} {
		t.Run(string(op), func(t *testing.T) {
			disk := spooltest.New(t.TempDir())
			s := open(t, spool.Config{Disk: disk})
			if err := s.Put(spool.Request{Body: []byte("sent and unsent"), Points: 3}); err != nil {
				t.Fatal(err)
			}
			disk.Fail(errFull, op)
			unsent := spool.Request{Body: []byte("unsent"), Points: 1}
			if left, err := s.Drain(func(spool.Request) spool.Request { return unsent }); !left || !errors.Is(err, errFull) {
				t.Errorf("left %v, %v", left, err)
			}
			var next spool.Request
			if left, err := s.Drain(func(r spool.Request) spool.Request { next = r; return r }); !left || !errors.Is(err, errFull) {
				t.Errorf("left %v, %v", left, err)
			}
			if string(next.Body) != "unsent" || next.Points != 1 || s.Counts().Ambiguous != 1 {
				t.Errorf("next is %q, %d; %+v", next.Body, next.Points, s.Counts())
			}
			disk.Fail(nil, op)
			if left, err := s.Drain(func(r spool.Request) spool.Request { return r }); !left || err != nil {
				t.Errorf("left %v, %v", left, err)
			}
			if got := drained(t, open(t, spool.Config{Disk: disk})); !slices.Equal(got, []string{"unsent"}) {
				t.Errorf("the next process has %q", got)
			}
		})
	}
}

// A request that was not taken leaves nothing behind: who asked for it still has it, and would send it too.
func TestWhatPutRefusesIsNotThere(t *testing.T) {
	for _, op := range []spooltest.Operation{spooltest.Create, spooltest.Write, spooltest.Rename, spooltest.Sync} {
		t.Run(string(op), func(t *testing.T) {
			dir := t.TempDir()
			disk := spooltest.New(dir)
			s := open(t, spool.Config{Disk: disk})
			disk.Fail(errFull, op)
			if err := s.Put(spool.Request{Body: []byte("one"), Points: 1}); !errors.Is(err, errFull) {
				t.Errorf("Put: %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "duotel-*")); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
			disk.Fail(nil, op)
			if err := s.Refresh(); err != nil {
				t.Error(err)
			}
			put(t, s, "two")
			if got := drained(t, s); !slices.Equal(got, []string{"two"}) {
				t.Errorf("got %q", got)
			}
		})
	}
}

// A disk on which files can be made and not removed does not fill up with what could not be written.
func TestAnAppendOnlyDirectoryDoesNotFillUp(t *testing.T) {
	dir := t.TempDir()
	disk := spooltest.New(dir)
	s := open(t, spool.Config{Disk: disk})
	disk.FailWhere(func(name string) error {
		if _, err := os.Lstat(filepath.Join(dir, name)); err != nil {
			return nil // what is not there is not there
		}
		return fs.ErrPermission
	}, spooltest.Rename, spooltest.Remove)
	for range 50 {
		_ = s.Refresh()
		if err := s.Put(spool.Request{Body: []byte("one"), Points: 1}); !errors.Is(err, fs.ErrPermission) {
			t.Fatal(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "duotel-*")); len(left) > 2 {
		t.Errorf("%d files", len(left))
	}
}

// A file that cannot be read, of another user perhaps or on a bad block, is left alone, and the others go out.
func TestAFileThatCannotBeReadHoldsUpNothing(t *testing.T) {
	for _, op := range []spooltest.Operation{spooltest.Open, spooltest.Read} {
		disk := spooltest.New(t.TempDir())
		s := open(t, spool.Config{Disk: disk})
		put(t, s, "one")
		others := ""
		for _, e := range must(disk.List()) {
			if strings.HasPrefix(e.Name(), "duotel-") {
				others = e.Name()
			}
		}
		put(t, s, "two")
		disk.FailWhere(func(name string) error {
			if name == others {
				return fs.ErrPermission
			}
			return nil
		}, op)
		if got, err := drain(s); !slices.Equal(got, []string{"two"}) || !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: got %q, %v", op, got, err)
		}
		disk.Fail(nil, op)
		if got := drained(t, s); !slices.Equal(got, []string{"one"}) {
			t.Errorf("%s: later: %q", op, got)
		}
	}
}

// A corrupt file that cannot be set aside is counted once, and the others go out.
func TestACorruptFileThatCannotBeSetAside(t *testing.T) {
	dir := t.TempDir()
	disk := spooltest.New(dir)
	s := open(t, spool.Config{Disk: disk, MaxAge: 100 * 365 * 24 * time.Hour})
	if err := os.WriteFile(filepath.Join(dir, foreignName), []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, s, "one", "two")
	disk.Fail(fs.ErrPermission, spooltest.Rename)
	if got, err := drain(s); !slices.Equal(got, []string{"one", "two"}) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %q, %v", got, err)
	}
	for range 3 {
		_, _ = drain(s)
	}
	if c := s.Counts(); c.Corrupt != 1 || c.Ambiguous != 0 {
		t.Errorf("%+v", c)
	}
	if requests, _ := s.Usage(); requests != 0 {
		t.Errorf("%d requests wait", requests)
	}
	disk.Fail(nil, spooltest.Rename)
	if _, err := drain(s); err != nil || s.Counts().Corrupt != 1 {
		t.Errorf("%v, %+v", err, s.Counts())
	}
}

// A directory that is gone, or cannot be listed or locked, is an error and no loss.
func TestADirectoryThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, spool.Config{Dir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := drain(s); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Drain: %v", err)
	}
	if err := s.Refresh(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Refresh: %v", err)
	}
	if err := s.Put(spool.Request{Body: []byte("x"), Points: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Put: %v", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(); err != nil {
		t.Error(err)
	}
	put(t, s, "y")
	if got := drained(t, s); !slices.Equal(got, []string{"y"}) {
		t.Errorf("got %q", got)
	}
}

func TestADirectoryThatCannotBeLocked(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	put(t, s, "one")
	disk.Fail(fs.ErrPermission, spooltest.Lock)
	if got, err := drain(s); len(got) != 0 || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := spool.Open(spool.Config{Disk: disk}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Open: %v", err)
	}
	disk.Fail(nil, spooltest.Lock)
	if got := drained(t, s); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q", got)
	}
}

// Once the disk is full it is asked once in each round, not once for each request, and works again when there is room.
func TestAFullDiskIsAskedOnceARound(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	disk.Count(spooltest.Write)
	disk.Fail(errFull, spooltest.Write)
	for range 10 {
		if err := s.Put(spool.Request{Body: []byte("x"), Points: 1}); !errors.Is(err, errFull) {
			t.Fatal(err)
		}
	}
	if err := s.Refresh(); !errors.Is(err, errFull) {
		t.Errorf("Refresh: %v", err)
	}
	if n := disk.Count(spooltest.Write); n != 2 {
		t.Errorf("%d writes", n)
	}
	if got, err := drain(s); len(got) != 0 || !errors.Is(err, errFull) {
		t.Errorf("Drain: %q, %v", got, err)
	}
	disk.Fail(nil, spooltest.Write)
	if got, err := drain(s); len(got) != 0 || err != nil {
		t.Errorf("Drain: %q, %v", got, err)
	}
	put(t, s, "y")
}

// When nothing can be removed the bounds hold all the same: what is new is refused.
func TestBoundsHoldWhenNothingCanBeRemoved(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk, MaxBytes: 100})
	put(t, s, strings.Repeat("x", 30), strings.Repeat("y", 30))
	disk.Fail(syscall.EIO, spooltest.Remove)
	if err := s.Put(spool.Request{Body: make([]byte, 30), Points: 1}); !errors.Is(err, syscall.EIO) {
		t.Errorf("Put: %v", err)
	}
	if _, bytes := s.Usage(); bytes > 100 || s.Counts().Dropped != 0 {
		t.Errorf("%d bytes, %+v", bytes, s.Counts())
	}
}

// F48: what waits is known without asking the disk, and the directory is listed once a round.
func TestTheDirectoryIsListedOnceARound(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	for i := range 50 {
		put(t, s, fmt.Sprint(i))
	}
	disk.Count(spooltest.List)
	for range 100 {
		s.Usage()
		s.Counts()
	}
	if n := disk.Count(spooltest.List); n != 0 {
		t.Errorf("Usage and Counts list %d times", n)
	}
	if _, err := s.Drain(func(r spool.Request) spool.Request { return r }); err != nil {
		t.Error(err)
	}
	put(t, s, "one", "two", "three")
	if n := disk.Count(spooltest.List); n != 1 {
		t.Errorf("a round lists %d times", n)
	}
}

// What another process does is seen at the next look.
func TestUsageAfterAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, spool.Config{Dir: dir}), open(t, spool.Config{Dir: dir})
	put(t, a, "one", "two")
	if err := b.Refresh(); err != nil {
		t.Fatal(err)
	}
	ra, ba := a.Usage()
	if rb, bb := b.Usage(); rb != 2 || ra != rb || ba != bb {
		t.Errorf("%d, %d and %d, %d", ra, ba, rb, bb)
	}
	drained(t, b)
	if requests, bytes := b.Usage(); requests != 0 || bytes != 0 {
		t.Errorf("drained: %d, %d", requests, bytes)
	}
	if err := a.Refresh(); err != nil {
		t.Fatal(err)
	}
	if requests, bytes := a.Usage(); requests != 0 || bytes != 0 {
		t.Errorf("the other: %d, %d", requests, bytes)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// What was sent does not come back with a loss of power: the directory is synced once it has gone.
func TestWhatWasSentIsGoneForGood(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	put(t, s, "one", "two")
	disk.Count(spooltest.Sync)
	if got, err := drain(s); len(got) != 2 || err != nil || disk.Count(spooltest.Sync) != 1 {
		t.Errorf("sent %q, %v, and the directory was not synced once", got, err)
	}
	put(t, s, "three")
	disk.Fail(fs.ErrInvalid, spooltest.Sync)
	if got, err := drain(s); len(got) != 1 || !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("sent %q, %v; want the error", got, err)
	}
}

// A directory that is gone for a while, as a network file system is, says of every file that it is not there. What was sent is not sent again when it is
// back; what may come back with it beside who still owes it is counted.
func TestADirectoryThatComesBack(t *testing.T) {
	disk := spooltest.New(t.TempDir())
	s := open(t, spool.Config{Disk: disk})
	put(t, s, "one", "two")
	gone := []spooltest.Operation{spooltest.List, spooltest.Create, spooltest.Open, spooltest.Rename, spooltest.Remove, spooltest.Sync, spooltest.Lock}
	var got []string
	_, err := s.Drain(func(r spool.Request) spool.Request {
		got = append(got, string(r.Body))
		disk.Fail(fs.ErrNotExist, gone...)
		return spool.Request{}
	})
	if !slices.Equal(got, []string{"one"}) || !errors.Is(err, fs.ErrNotExist) || s.Counts().Ambiguous != 1 {
		t.Errorf("sent %q, %v, %+v", got, err, s.Counts())
	}
	disk.Fail(nil, gone...)
	if got, err := drain(s); !slices.Equal(got, []string{"two"}) || err != nil {
		t.Errorf("the directory is back, and %q is sent, %v", got, err)
	}
	disk.Fail(fs.ErrNotExist, spooltest.List, spooltest.Remove, spooltest.Sync)
	if err := s.Put(spool.Request{Body: []byte("three"), Points: 1}); err == nil || s.Counts().Ambiguous != 2 {
		t.Errorf("%v, %+v", err, s.Counts())
	}
}
