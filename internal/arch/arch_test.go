package arch

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestRules holds this module to its rules.
func TestRules(t *testing.T) {
	got, err := Check(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range got {
		t.Error(v)
	}
}

// TestReadsTheModule shows that TestRules has the module before it and not an empty folder.
func TestReadsTheModule(t *testing.T) {
	pkgs, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, p := range pkgs {
		seen[p.dir] = true
	}
	for _, rule := range imports {
		for _, dir := range append(rule.except, rule.dir) {
			if !strings.HasSuffix(dir, "/internal") && !seen[dir] {
				t.Errorf("a rule names %q, and no package is there", dir)
			}
		}
	}
}

// run checks a tree of one or more files and fails unless it can be read.
func run(t *testing.T, files map[string]string) []Violation {
	t.Helper()
	root := fstest.MapFS{"go.mod": {Data: []byte("module " + Module + "\n")}}
	for name, src := range files {
		root[name] = &fstest.MapFile{Data: []byte(src)}
	}
	got, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// want fails unless exactly one violation was found, of the given rule, with text in it.
func want(t *testing.T, got []Violation, rule, text string) {
	t.Helper()
	if len(got) != 1 || got[0].Rule != rule || !strings.Contains(got[0].String(), text) {
		t.Errorf("violations = %v; want one of rule %q that says %q", got, rule, text)
	}
}

func TestUnreadableSource(t *testing.T) {
	root := fstest.MapFS{"exporter/pull.go": {Data: []byte("package exporter\nfunc {")}}
	if _, err := Check(root); err == nil || !strings.Contains(err.Error(), "exporter/pull.go") {
		t.Errorf("error = %v; want one that names the file", err)
	}
}

func TestSkippedFolders(t *testing.T) {
	bad := "package p\n\n// TODO\n"
	got := run(t, map[string]string{
		"bench/go.mod":            "module " + Module + "/bench\n",
		"bench/bench.go":          bad,
		"exporter/testdata/x.go":  bad,
		".cache/x.go":             bad,
		"exporter/_attic/x.go":    bad,
		"exporter/.#locked.go":    bad,
		"exporter/notes.txt":      bad,
		"exporter/sub/no_todo.go": "package sub\n",
	})
	if len(got) != 0 {
		t.Errorf("violations = %v; want none", got)
	}
}
