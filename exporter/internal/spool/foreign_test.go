package spool_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/duotel/duotel/exporter/internal/spool"
)

const (
	// foreign is the name of a request that sorts before all others.
	foreignName = "duotel-1000000000000000000-0000000001-0123456789abcdef.otlp"
	longAgo     = 1000 * time.Hour
)

// tree is every name below dir, with what is in it.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		switch {
		case err != nil || rel == ".":
		case d.Type().IsRegular():
			content, err := os.ReadFile(name)
			out[rel] = string(content)
			return err
		default:
			out[rel] = d.Type().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// F48: what others keep in the directory is theirs, however much it looks like something of ours.
func TestWhatOthersKeepInTheDirectoryStays(t *testing.T) {
	dir := t.TempDir()
	files := []string{
		"backup.tar.partial", "probe-1.partial", "x.partial", "db-00.corrupt", "db.otlp", "1.otlp.corrupt",
		"1234567890123456789-1-000001.otlp", "1234567890123456789-1-000001.otlp.corrupt",
		"duotel-.otlp", "duotel-1.otlp.partial", "copy of " + foreignName, foreignName + ".bak",
		foreignName + ".partial", foreignName + ".PARTIAL", "work.partial/important", foreignName + "/important", "sub.corrupt/" + foreignName,
		foreignName + ".corrupt/important",
	}
	for i := range 20 {
		files = append(files, fmt.Sprintf("db-%02d.corrupt", i))
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("theirs"), 0o600)); err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-longAgo)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)
	s := open(t, spool.Config{Dir: dir, MaxBytes: 100})
	for range 3 {
		put(t, s, "one", "two", "three", "four", "five", "six")
		if got := drained(t, s); len(got) == 0 {
			t.Error("nothing came out")
		}
	}
	after := tree(t, dir)
	delete(after, "duotel.lock")
	if !maps.Equal(before, after) {
		t.Errorf("before\n%q\nafter\n%q", before, after)
	}
	if c := s.Counts(); c.Corrupt != 0 {
		t.Errorf("%+v", c)
	}
}

// A link under a request's name is neither followed nor removed.
func TestLinksStay(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(elsewhere, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", ".partial", ".corrupt"} {
		if err := os.Symlink(elsewhere, filepath.Join(dir, foreignName+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, spool.Config{Dir: dir, MaxBytes: 50, Now: func() time.Time { return time.Now().Add(longAgo) }})
	put(t, s, "one", "two", "three")
	if got := drained(t, s); !slices.Equal(got, []string{"two", "three"}) {
		t.Errorf("got %q", got)
	}
	for _, suffix := range []string{"", ".partial", ".corrupt"} {
		if _, err := os.Lstat(filepath.Join(dir, foreignName+suffix)); err != nil {
			t.Error(err)
		}
	}
	if content, err := os.ReadFile(elsewhere); string(content) != "theirs" {
		t.Errorf("%q, %v", content, err)
	}
}

// sparse makes a file that is said to be large and takes no room.
func sparse(t *testing.T, name string, size int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// F48: a file under a request's name costs no memory, whatever its size, and takes no request's room.
func TestAFileThatIsTooLargeIsSetAsideUnread(t *testing.T) {
	for _, size := range []int64{3 << 30, spool.MaxRequest + 21} {
		dir := t.TempDir()
		s := open(t, spool.Config{Dir: dir, MaxAge: 100 * 365 * 24 * time.Hour})
		put(t, s, "good")
		sparse(t, filepath.Join(dir, foreignName), size)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if got := drained(t, s); !slices.Equal(got, []string{"good"}) {
			t.Errorf("got %q", got)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%d bytes: took %d bytes of memory", size, got)
		}
		if c := s.Counts(); c.Corrupt != 1 || c.Dropped != 0 {
			t.Errorf("%+v", c)
		}
		if _, err := os.Stat(filepath.Join(dir, foreignName+".corrupt")); err != nil {
			t.Error(err)
		}
	}
}

// A file that is too large and begins like a request of ours is not one either, and its points are not counted as lost.
func TestAFileThatIsTooLargeIsNotDropped(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, foreignName)
	if err := os.WriteFile(name, fileOf(t, spool.Request{Body: []byte("request"), Points: 7}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 3<<30); err != nil {
		t.Fatal(err)
	}
	s := open(t, spool.Config{Dir: dir, MaxAge: time.Hour})
	if got := drained(t, s); len(got) != 0 {
		t.Errorf("got %d", len(got))
	}
	if c := s.Counts(); c.Corrupt != 1 || c.Dropped != 0 || c.DroppedPoints != 0 {
		t.Errorf("%+v", c)
	}
}

// A file too large for the bounds that is newer than the requests is not what they are dropped for.
func TestALargeFileDropsNoRequests(t *testing.T) {
	dir := t.TempDir()
	s := open(t, spool.Config{Dir: dir})
	put(t, s, "one", "two")
	sparse(t, filepath.Join(dir, "duotel-9000000000000000000-0000000001-0123456789abcdef.otlp"), 3<<30)
	if err := s.Refresh(); err != nil {
		t.Fatal(err)
	}
	put(t, s, "three")
	if got := drained(t, s); !slices.Equal(got, []string{"one", "two", "three"}) {
		t.Errorf("got %q", got)
	}
}

// A file that is too old, or for which there is no room, and is no request, is not removed but set aside.
func TestWhatIsNoRequestIsNotDropped(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, foreignName)
	if err := os.WriteFile(name, []byte("theirs, although the name is ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, spool.Config{Dir: dir, MaxAge: time.Hour})
	put(t, s, "one")
	if got := drained(t, s); !slices.Equal(got, []string{"one"}) {
		t.Errorf("got %q", got)
	}
	if content, err := os.ReadFile(name + ".corrupt"); string(content) != "theirs, although the name is ours" {
		t.Errorf("%q, %v", content, err)
	}
	if c := s.Counts(); c.Corrupt != 1 || c.Dropped != 0 || c.DroppedPoints != 0 {
		t.Errorf("%+v", c)
	}
}

// Of the files that were set aside the latest eight are kept, and all that do not begin as ours do.
func TestCorruptFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 {
		content := "DUOTEL\x001 and damaged from here"
		if i < 5 {
			content = "theirs"
		}
		name := fmt.Sprintf("duotel-10000000000000000%02d-0000000001-0123456789abcdef.otlp.corrupt", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open(t, spool.Config{Dir: dir})
	if left, _ := filepath.Glob(filepath.Join(dir, "*.corrupt")); len(left) != 5+8 {
		t.Errorf("%d are left: %q", len(left), left)
	}
}
