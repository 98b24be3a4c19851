package spool_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/exporter/internal/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(tb testing.TB, cfg spool.Config) *spool.Spool {
	tb.Helper()
	s, err := spool.Open(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func put(tb testing.TB, s *spool.Spool, requests ...string) {
	tb.Helper()
	for _, r := range requests {
		if err := s.Put(spool.Request{Body: []byte(r), Points: 1}); err != nil {
			tb.Fatal(err)
		}
	}
}

func drained(tb testing.TB, s *spool.Spool) []string {
	tb.Helper()
	var out []string
	left, err := s.Drain(func(r spool.Request) (rest spool.Request) {
		out = append(out, string(r.Body))
		if r.Points != 1 {
			tb.Errorf("%q has %d points, want 1", r.Body, r.Points)
		}
		return rest
	})
	if left || err != nil {
		tb.Errorf("left %v, %v", left, err)
	}
	return out
}

func TestRequestsComeOutInOrderOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	s := open(t, spool.Config{Dir: dir})
	put(t, s, "one", "two", "three")
	if requests, size := s.Usage(); requests != 3 || size == 0 {
		t.Errorf("usage is %d requests, %d bytes", requests, size)
	}
	later := open(t, spool.Config{Dir: dir}) // as after a restart
	if got := drained(t, later); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("got %q", got)
	}
	if got := drained(t, later); len(got) != 0 {
		t.Errorf("again: %q", got)
	}
}

func TestDrainStopsAtWhatIsKept(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir()})
	put(t, s, "sent", "kept", "after")
	left, err := s.Drain(func(r spool.Request) spool.Request {
		if string(r.Body) == "sent" {
			return spool.Request{}
		}
		return r
	})
	if !left || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
	if got := drained(t, s); !slices.Equal(got, []string{"kept", "after"}) {
		t.Errorf("got %q", got)
	}
}

// What is left of a request takes its place in the order, and its age.
func TestTheRestOfARequestTakesItsPlace(t *testing.T) {
	now := time.Now()
	cfg := spool.Config{Dir: t.TempDir(), MaxAge: time.Hour, Now: func() time.Time { return now }}
	s := open(t, cfg)
	if err := s.Put(spool.Request{Body: []byte("sent and unsent"), Points: 3}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(50 * time.Minute)
	put(t, s, "after")
	left, err := s.Drain(func(spool.Request) spool.Request { return spool.Request{Body: []byte("unsent"), Points: 1} })
	if !left || err != nil {
		t.Errorf("left %v, %v", left, err)
	}
	var next string
	left, err = s.Drain(func(r spool.Request) spool.Request { next = string(r.Body); return r })
	if !left || err != nil || next != "unsent" {
		t.Errorf("next is %q, left %v, %v", next, left, err)
	}
	now = now.Add(20 * time.Minute)
	expired := open(t, cfg)
	if got := drained(t, expired); !slices.Equal(got, []string{"after"}) || expired.Counts().DroppedPoints != 1 {
		t.Errorf("got %q, dropped %+v", got, expired.Counts())
	}
}

func TestBoundsDropTheOldest(t *testing.T) {
	s := open(t, spool.Config{Dir: t.TempDir(), MaxBytes: 100})
	for i := range 10 {
		put(t, s, fmt.Sprint(i, strings.Repeat("x", 9)))
	}
	if _, size := s.Usage(); size > 100 {
		t.Errorf("%d bytes", size)
	}
	got := drained(t, s)
	if len(got) != 3 || got[0][0] != '7' || s.Counts().DroppedPoints != 7 {
		t.Errorf("kept %q, dropped %+v", got, s.Counts())
	}
	if err := s.Put(spool.Request{Body: make([]byte, 200), Points: 1}); err == nil {
		t.Error("a request over the limit by itself was taken")
	}
}

func TestAgeDropsTheOldest(t *testing.T) {
	now := time.Now()
	s := open(t, spool.Config{Dir: t.TempDir(), MaxAge: time.Hour, Now: func() time.Time { return now }})
	put(t, s, "old")
	now = now.Add(50 * time.Minute)
	put(t, s, "young")
	now = now.Add(20 * time.Minute)
	if got := drained(t, s); !slices.Equal(got, []string{"young"}) || s.Counts().Dropped != 1 {
		t.Errorf("got %q, dropped %+v", got, s.Counts())
	}
}

func TestBadFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir})
	put(t, s, "first", "torn", "flipped", "last")
	files, err := filepath.Glob(filepath.Join(dir, "*.otlp"))
	if err != nil || len(files) != 4 {
		t.Fatal(files, err)
	}
	content, err := os.ReadFile(files[2])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	foreign := filepath.Join(dir, "notes.txt")
	for name, data := range map[string][]byte{
		files[1]: []byte("DUO"), files[2]: content, foreign: []byte("mine"),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := drained(t, s); !slices.Equal(got, []string{"first", "last"}) {
		t.Errorf("got %q", got)
	}
	if s.Counts().Corrupt != 2 {
		t.Errorf("%d corrupt, want 2", s.Counts().Corrupt)
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.corrupt")); len(aside) != 2 {
		t.Errorf("set aside: %v", aside)
	}
	if kept, err := os.ReadFile(foreign); err != nil || string(kept) != "mine" {
		t.Errorf("a foreign file was touched: %q, %v", kept, err)
	}
}

// What a writer that was killed left behind goes away in time, and is never handed out.
func TestAbandonedPartialFilesAreRemoved(t *testing.T) {
	dir := t.TempDir()
	for i, content := range []string{"DUOTEL\x001 and half of it", "DUO", "", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		name := fmt.Sprintf("duotel-1000000000000000000-000000000%d-0123456789abcdef.otlp.partial", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, spool.Config{Dir: dir})
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial")); len(left) != 4 {
		t.Errorf("fresh partial files, perhaps of live writers, were removed: %q are left", left)
	}
	open(t, spool.Config{Dir: dir, Now: func() time.Time { return time.Now().Add(time.Hour) }})
	if left, _ := filepath.Glob(filepath.Join(dir, "*.partial")); len(left) != 0 {
		t.Errorf("still there: %q", left)
	}
}

func TestOneDrainsAtATime(t *testing.T) {
	dir := t.TempDir()
	a, b := open(t, spool.Config{Dir: dir}), open(t, spool.Config{Dir: dir})
	put(t, a, "x")
	done := func(spool.Request) (rest spool.Request) { return rest }
	_, err := a.Drain(func(spool.Request) (rest spool.Request) {
		if _, err := b.Drain(done); !errors.Is(err, spool.ErrBusy) {
			t.Errorf("a second drain: %v", err)
		}
		return rest
	})
	if err != nil {
		t.Error(err)
	}
}

func TestConcurrentSafe(t *testing.T) {
	dir := t.TempDir()
	const writers, each = 4, 25
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			s := open(t, spool.Config{Dir: dir})
			for i := range each {
				put(t, s, fmt.Sprint(w, "/", i))
				_, err := s.Drain(func(r spool.Request) (rest spool.Request) {
					mu.Lock()
					defer mu.Unlock()
					seen[string(r.Body)]++
					return rest
				})
				if err != nil && !errors.Is(err, spool.ErrBusy) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for _, r := range drained(t, open(t, spool.Config{Dir: dir})) {
		seen[r]++
	}
	for r, n := range seen {
		if n != 1 {
			t.Errorf("%s was handed out %d times", r, n)
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d of %d", len(seen), writers*each)
	}
}

func TestFilesAreForTheirOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	put(t, open(t, spool.Config{Dir: dir}), "x")
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range append(files, dir) {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestOpenFailsWhereNothingCanBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := spool.Open(spool.Config{Dir: file}); err == nil {
		t.Error("a file was taken for a directory")
	}
}

// Whatever is in a file under a request's name, the others come out, and the points are not more than it can hold.
func FuzzForeignContent(f *testing.F) {
	whole, lying := fileOf(f, spool.Request{Body: []byte("request"), Points: 3}), fileOf(f, spool.Request{Body: []byte("request"), Points: 1 << 62})
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(lying)
	f.Add([]byte("DUOTEL\x001\x00\x00\x00\x00"))
	f.Add([]byte("DUOTEL"))
	f.Add(make([]byte, 64))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		s := open(t, spool.Config{Dir: dir})
		put(t, s, "good")
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("duotel-%019d-0000000001-0123456789abcdef.otlp", time.Now().Add(-time.Minute).UnixNano())), content, 0o600); err != nil {
			t.Fatal(err)
		}
		var got [][]byte
		if _, err := s.Drain(func(r spool.Request) (rest spool.Request) {
			got = append(got, bytes.Clone(r.Body))
			if r.Points < 0 || r.Points > int64(len(content)) && string(r.Body) != "good" {
				t.Errorf("%d points in %d bytes", r.Points, len(content))
			}
			return rest
		}); err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 || string(got[len(got)-1]) != "good" {
			t.Errorf("the good request did not come out: %q", got)
		}
		if c := s.Counts(); int(c.Corrupt)+len(got) != 2 {
			t.Errorf("%+v, and %d came out", c, len(got))
		}
	})
}

// fileOf is what a spool writes for a request.
func fileOf(tb testing.TB, r spool.Request) []byte {
	tb.Helper()
	dir := tb.TempDir()
	if err := open(tb, spool.Config{Dir: dir}).Put(r); err != nil {
		tb.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.otlp"))
	if err != nil || len(files) != 1 {
		tb.Fatal(files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		tb.Fatal(err)
	}
	return content
}

// Whatever a file is called, what does not begin as ours do is still there in the end, under its name or set aside.
func FuzzForeignName(f *testing.F) {
	for _, name := range []string{
		foreignName, foreignName + ".partial", foreignName + ".corrupt", "x.partial", "x.corrupt", "x.otlp", "duotel-.otlp",
		"duotel-9999999999999999999-0000000001-0123456789abcdef.otlp", "1234567890123456789-1-000001.otlp",
	} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		old := time.Now().Add(-longAgo)
		if filepath.Base(path) != name || os.WriteFile(path, []byte("theirs"), 0o600) != nil || os.Chtimes(path, old, old) != nil {
			return // no name of a file
		}
		s := open(t, spool.Config{Dir: dir, MaxBytes: 100})
		put(t, s, "one", "two", "three", "four", "five")
		if got := drained(t, s); len(got) == 0 || got[len(got)-1] != "five" {
			t.Errorf("got %q", got)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			content, err = os.ReadFile(path + ".corrupt")
		}
		if string(content) != "theirs" {
			t.Errorf("%q: %q, %v", name, content, err)
		}
	})
}
