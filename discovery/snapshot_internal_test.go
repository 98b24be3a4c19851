package discovery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestASnapshotThatCouldNotBeReadIsNotWritten has more targets than the file may hold: the older copy stays, and whoever listens hears of it.
func TestASnapshotThatCouldNotBeReadIsNotWritten(t *testing.T) {
	before := maxSnapshotBytes
	maxSnapshotBytes = 300
	t.Cleanup(func() { maxSnapshotBytes = before })
	path := filepath.Join(t.TempDir(), "targets.json")
	var said []string
	store, err := OpenMemory(path, func(err error) { said = append(said, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"1", strings.Repeat("2", 100), strings.Repeat("3", 100)} {
		if _, err := store.Put(t.Context(), Target{Group: "a", ID: id, Address: "10.0.0.1:1"}, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(said) == 0 || !strings.Contains(said[len(said)-1], "more than 300 bytes; the file keeps an older copy") {
		t.Errorf("said %q", said)
	}
	if again, err := OpenMemory(path, nil); err != nil {
		t.Errorf("the next start: %v", err)
	} else if err := again.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(path + ".new-*"); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}
