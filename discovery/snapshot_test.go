package discovery_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/discovery"
)

func TestRestartBeginsWithWhatWasKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	open := func() *discovery.Memory {
		m, err := discovery.OpenMemory(path, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	synctest.Test(t, func(t *testing.T) {
		store := open()
		r := start(t, discovery.Config{Store: store})
		if _, err := r.Put(t.Context(), target("a", "1"), 0); err != nil {
			t.Fatal(err)
		}
		if err := r.Sync(t.Context(), "b", []discovery.Target{target("b", "2")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second) // written without Close, as before a kill
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"group":"b"`) {
			t.Fatalf("file = %s, error %v", text, err)
		}
		if err := store.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		store := open()
		r := start(t, discovery.Config{Store: store})
		synctest.Wait()
		if got := ids(t, r, discovery.Query{}); got != "a/1 b/2" {
			t.Errorf("listed = %q; want what was known", got)
		}
		time.Sleep(time.Duration(discovery.DefaultTTL) + silence)
		if got := ids(t, r, discovery.Query{}); got != "" {
			t.Errorf("listed = %q; want nothing that has shown no sign of life", got)
		}
		if err := store.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if left, _ := filepath.Glob(path + ".new-*"); len(left) != 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

// TestD3BrokenEntriesAreLeftOut has a snapshot that somebody has edited: what is broken is named, the rest is served.
func TestD3BrokenEntriesAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	text := `[{"group":"a","id":"1","address":"10.0.0.1:1"}, null, {"group":"a","id":"2","address":"10.0.0.2:1","labels":{"":"x"}}, 7, {"group":"a","id":"3","address":"10.0.0.3:1"}]`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store, err := discovery.OpenMemory(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		r := start(t, discovery.Config{Store: store, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		synctest.Wait()
		if got := ids(t, r, discovery.Query{}); got != "a/1 a/3" {
			t.Errorf("listed = %q; want the two that are whole", got)
		}
		for _, name := range []string{"entry 2", "entry 3", "entry 4"} {
			if strings.Count(log.String(), name) != 1 {
				t.Errorf("log = %s; want one line about %s", log.String(), name)
			}
		}
		if err := store.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSnapshotThatIsNone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	if err := os.WriteFile(path, []byte(`{"not":"a list"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := discovery.OpenMemory(path, nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error = %v; want one that names the file", err)
	}
}

func TestSnapshotThatCannotBeWrittenIsReported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	var reports []error
	synctest.Test(t, func(t *testing.T) {
		store, err := discovery.OpenMemory(filepath.Join(dir, "targets.json"), func(err error) { reports = append(reports, err) })
		if err != nil {
			t.Fatal(err)
		}
		r := start(t, discovery.Config{Store: store})
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Register(t.Context(), target("a", "1")); err != nil {
			t.Errorf("error = %v; want the list to work without the file", err)
		}
		if err := store.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if len(reports) == 0 {
		t.Error("nothing was reported")
	}
}

// TestProcessesOutliveARestart has processes that go on giving signs of life to a registry that restarts with its file: each is known by its generation, and
// its successor is told from it.
func TestProcessesOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	generations := map[string]uint64{}
	for _, restarted := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			store, err := discovery.OpenMemory(path, func(err error) { t.Error(err) })
			if err != nil {
				t.Fatal(err)
			}
			r := start(t, discovery.Config{Store: store})
			synctest.Wait()
			for _, id := range []string{"c", "b", "a"} {
				if restarted {
					if got, err := r.Put(t.Context(), target("g", id), generations[id]); err != nil || got != generations[id] {
						t.Errorf("%s, generation %d, gives a sign of life after the restart: %d, %v", id, generations[id], got, err)
					}
					continue
				}
				if generations[id], err = r.Put(t.Context(), target("g", id), 0); err != nil {
					t.Fatal(err)
				}
			}
			if restarted {
				if got, err := r.Put(t.Context(), target("g", "a"), 0); err != nil || got <= generations["a"] || got <= generations["c"] {
					t.Errorf("a successor has generation %d, %v, after %v", got, err, generations)
				}
			}
			if err := store.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}
