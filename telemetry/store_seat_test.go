package telemetry

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/duotel/duotel/discovery"
)

// forgetful is a store of which the test takes things away.
type forgetful struct {
	*discovery.Memory
	refresh error
	closed  int
}

func (f *forgetful) Refresh(ctx context.Context, key discovery.Key, generation uint64) error {
	if f.refresh != nil {
		return f.refresh
	}
	return f.Memory.Refresh(ctx, key, generation)
}

func (f *forgetful) Close() error { f.closed++; return nil }

// TestStoreSeatComesBack registers anew what the store has forgotten, and leaves the name to whoever has taken it.
func TestStoreSeatComesBack(t *testing.T) {
	store := &forgetful{Memory: discovery.NewMemory()}
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("p@ss\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &storeSeat{passwordFile: file, open: func(_ context.Context, at discovery.StoreConfig) (discovery.Store, error) {
		if at.Password.Reveal() != "p@ss" {
			t.Errorf("the password is %q", at.Password.Reveal())
		}
		return store, nil
	}}
	own := discovery.Target{Group: "g", ID: "i", Address: "10.0.0.1:1"}
	first, err := p.sign(t.Context(), own, 0)
	if err != nil || first == 0 {
		t.Fatalf("generation %d, %v", first, err)
	}
	if again, err := p.sign(t.Context(), own, first); err != nil || again != first {
		t.Errorf("sign of life: generation %d, %v", again, err)
	}
	if err := store.Remove(t.Context(), own.Key(), first, discovery.Expired); err != nil {
		t.Fatal(err)
	}
	second, err := p.sign(t.Context(), own, first)
	if err != nil || second == first || second == 0 {
		t.Errorf("after it was forgotten: generation %d, %v", second, err)
	}
	store.refresh = errors.New("no quorum for me with p@ss")
	if _, err := p.sign(t.Context(), own, second); !errors.Is(err, store.refresh) || strings.Contains(err.Error(), "p@ss") || !strings.Contains(err.Error(), "no quorum") {
		t.Errorf("outage: %v", err)
	}
	store.refresh = nil
	if _, err := store.Put(t.Context(), own, true); err != nil {
		t.Fatal(err)
	}
	if _, err := p.sign(t.Context(), own, second); !errors.Is(err, discovery.ErrReplaced) {
		t.Errorf("replaced: %v", err)
	}
	if err := p.leave(t.Context(), own.Key(), second); !errors.Is(err, discovery.ErrReplaced) {
		t.Errorf("the late goodbye: %v", err)
	}
	if err := p.close(t.Context()); err != nil || store.closed != 1 {
		t.Errorf("closed %d times, %v", store.closed, err)
	}
}

// TestStoreSeatWithoutAStore says so, and has nothing to close.
func TestStoreSeatWithoutAStore(t *testing.T) {
	p := &storeSeat{open: func(context.Context, discovery.StoreConfig) (discovery.Store, error) { return nil, nil }}
	if _, err := p.sign(t.Context(), discovery.Target{}, 0); err == nil || !strings.Contains(err.Error(), "neither a store nor an error") {
		t.Errorf("%v", err)
	}
	if err := p.close(t.Context()); err != nil {
		t.Error(err)
	}
}
