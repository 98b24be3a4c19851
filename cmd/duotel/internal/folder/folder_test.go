package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func file(path, text string) File { return File{Path: path, Data: []byte(text)} }

func read(t *testing.T, dir, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func must(t *testing.T, dir string, force bool, files ...File) Result {
	t.Helper()
	r, err := Write(dir, files, force)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "kit")
	if r := must(t, dir, false, file("a.json", "1"), file("rules/b.yaml", "2")); r != (Result{Written: 2}) {
		t.Errorf("first run: %+v", r)
	}
	before := time.Now().Add(-time.Hour)
	for _, p := range []string{"a.json", "rules/b.yaml", List} {
		if err := os.Chtimes(filepath.Join(dir, p), before, before); err != nil {
			t.Fatal(err)
		}
	}
	if r := must(t, dir, false, file("a.json", "1"), file("rules/b.yaml", "2")); r != (Result{Unchanged: 2}) {
		t.Errorf("second run: %+v", r)
	}
	for _, p := range []string{"a.json", "rules/b.yaml", List} {
		if info, err := os.Stat(filepath.Join(dir, p)); err != nil || info.ModTime().After(before.Add(time.Second)) {
			t.Errorf("%s was touched by a run that changed nothing (%v)", p, err)
		}
	}
	if r := must(t, dir, false, file("a.json", "3")); r != (Result{Written: 1, Removed: 1}) || read(t, dir, "a.json") != "3" {
		t.Errorf("third run: %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, "rules/b.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("b.yaml is no longer generated and is still there: %v", err)
	}
}

// TestForeign wants a file that somebody else wrote, and one of ours that was changed, to stay, and nothing else to be written.
func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		name, edit string
		next       []File
	}{
		{"somebody else's", "mine.json", []File{file("a.json", "2"), file("mine.json", "generated")}},
		{"changed since", "a.json", []File{file("a.json", "2"), file("b.json", "3")}},
		{"changed, and to be removed", "a.json", []File{file("b.json", "3")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, dir, false, file("a.json", "1"))
			if err := os.WriteFile(filepath.Join(dir, tt.edit), []byte("by hand"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Write(dir, tt.next, false)
			var foreign *ForeignError
			if !errors.As(err, &foreign) || len(foreign.Paths) != 1 || foreign.Paths[0] != tt.edit || !strings.Contains(err.Error(), "-force") {
				t.Fatalf("error %v; want one that names %s", err, tt.edit)
			}
			if read(t, dir, tt.edit) != "by hand" {
				t.Errorf("%s was overwritten", tt.edit)
			}
			if _, err := os.Stat(filepath.Join(dir, "b.json")); err == nil {
				t.Error("b.json was written although the run was refused")
			}
			must(t, dir, true, tt.next...)
			for _, f := range tt.next {
				if read(t, dir, f.Path) != string(f.Data) {
					t.Errorf("%s was not overwritten with force", f.Path)
				}
			}
		})
	}
}

func TestBadPathsAndLists(t *testing.T) {
	dir := t.TempDir()
	for _, files := range [][]File{{file("../x", "")}, {file("/x", "")}, {file(List, "")}, {file("a", ""), file("a", "")}} {
		if _, err := Write(dir, files, true); err == nil {
			t.Errorf("%q was written", files[0].Path)
		}
	}
	for _, line := range []string{"nonsense", strings.Repeat("0", 64) + "  ../../etc/passwd"} {
		if err := os.WriteFile(filepath.Join(dir, List), []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Write(dir, nil, true); err == nil || !strings.Contains(err.Error(), List+":1") {
			t.Errorf("list %q: error %v; want one that names file and line", line, err)
		}
	}
}
