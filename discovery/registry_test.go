package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/discovery"
)

// mute is a store that has never been read.
type mute struct{ discovery.Store }

func (mute) Follow(ctx context.Context, _ discovery.Follower) { <-ctx.Done() }

func TestD1EmptyRegistryIsAnEmptyList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		synctest.Wait()
		w := get(r.Handler(), "/sd", nil)
		if w.Code != http.StatusOK || w.Body.String() != "[]" || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d %q %q; want 200 [] application/json", w.Code, w.Body, w.Header().Get("Content-Type"))
		}
	})
}

func TestD2BeforeTheFirstListIs503(t *testing.T) {
	r := start(t, discovery.Config{Store: mute{discovery.NewMemory()}})
	for _, url := range []string{"/sd", "/sd?group=a"} {
		if w := get(r.Handler(), url, nil); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %q; want 503", url, w.Code, w.Body)
		}
	}
	if _, err := r.Targets(discovery.Query{}); !errors.Is(err, discovery.ErrNotLoaded) {
		t.Errorf("error = %v; want ErrNotLoaded", err)
	}
}

func TestD5SchemePathAndParametersReachPrometheus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		_, err := r.Register(t.Context(), discovery.Target{
			Group: "workers", ID: "w-1", Address: "[2001:db8::7]:8443", Scheme: "https", Path: "/deep/metrics",
			Params: map[string][]string{"module": {"a b"}},
			Labels: map[string]string{"circuit_id": "c1"},
			Meta:   map[string]string{"service.version": "1.2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		groups := answer(t, get(r.Handler(), "/sd", nil).Body)
		if len(groups) != 1 || groups[0].Targets[0] != "[2001:db8::7]:8443" {
			t.Fatalf("groups = %v", groups)
		}
		want := map[string]string{
			"__scheme__": "https", "__metrics_path__": "/deep/metrics", "__param_module": "a b", "circuit_id": "c1",
			"__meta_duotel_service_version": "1.2", "__meta_duotel_group": "workers", "__meta_duotel_id": "w-1", "__meta_duotel_health": "healthy",
		}
		if got := groups[0].Labels; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("labels = %v\nwant     %v", got, want)
		}
	})
}

func TestD6LastTargetOfAGroupRemovedIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		one, err := r.Register(t.Context(), target("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Sync(t.Context(), "b", []discovery.Target{target("", "1"), target("", "2"), target("b", "3")}); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, r, discovery.Query{}); got != "a/1 b/1 b/2 b/3" {
			t.Fatalf("listed = %q", got)
		}
		if err := one.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Sync(t.Context(), "b", nil); err != nil {
			t.Fatal(err)
		}
		if w := get(r.Handler(), "/sd", nil); w.Body.String() != "[]" {
			t.Errorf("the list = %s; want it empty, also when most of a group goes on purpose", w.Body)
		}
		if err := one.Update(t.Context(), target("a", "1")); !errors.Is(err, discovery.ErrClosed) {
			t.Errorf("error = %v; want ErrClosed", err)
		}
	})
}

func TestD7SilentTargetIsGoneAfterItsTTLAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		short := target("a", "1")
		short.TTL = discovery.Duration(10 * time.Second)
		generation, err := r.Put(t.Context(), short, 0)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 { // alive for five TTLs
			time.Sleep(9 * time.Second)
			if again, err := r.Put(t.Context(), short, generation); err != nil || again != generation {
				t.Fatalf("generation %d, then %d, error %v", generation, again, err)
			}
		}
		time.Sleep(9 * time.Second)
		if got := ids(t, r, discovery.Query{}); got != "a/1" {
			t.Errorf("listed = %q; want a/1 within its TTL", got)
		}
		time.Sleep(silence)
		if got := ids(t, r, discovery.Query{}); got != "" {
			t.Errorf("listed = %q; want nothing after the TTL", got)
		}
		// Back with the old generation: it is registered anew.
		again, err := r.Put(t.Context(), short, generation)
		if err != nil || again == generation || ids(t, r, discovery.Query{}) != "a/1" {
			t.Errorf("generation %d after %d, error %v, listed %q", again, generation, err, ids(t, r, discovery.Query{}))
		}
	})
}

func TestD8LateCloseRemovesNoSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		old, err := r.Register(t.Context(), target("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Register(t.Context(), target("a", "1")); err != nil { // the same, to the letter
			t.Fatal(err)
		}
		if err := old.Close(t.Context()); err != nil {
			t.Errorf("close = %v; want nil for a registration that was replaced", err)
		}
		if got := ids(t, r, discovery.Query{}); got != "a/1" {
			t.Errorf("listed = %q; want the successor", got)
		}
		// The same through the API's calls: an old sign of life does not take the name back either.
		first, _ := r.Put(t.Context(), target("a", "2"), 0)
		second, _ := r.Put(t.Context(), target("a", "2"), 0)
		if _, err := r.Put(t.Context(), target("a", "2"), first); !errors.Is(err, discovery.ErrReplaced) {
			t.Errorf("sign of life of the old generation: %v; want ErrReplaced", err)
		}
		if err := r.Remove(t.Context(), discovery.Key{Group: "a", ID: "2"}, first); !errors.Is(err, discovery.ErrReplaced) {
			t.Errorf("removal by the old generation: %v; want ErrReplaced", err)
		}
		if err := r.Remove(t.Context(), discovery.Key{Group: "a", ID: "2"}, second); err != nil {
			t.Error(err)
		}
	})
}

// TestD11MassExpiryIsQuarantine shows that a fleet that falls silent at once stays for one TTL, marked, that
// who comes back is healthy, and that who does not is gone.
func TestD11MassExpiryIsQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		put := func(id int) {
			member := target("fleet", fmt.Sprint(id))
			member.TTL = discovery.Duration(10 * time.Second)
			if _, err := r.Put(t.Context(), member, 0); err != nil {
				t.Fatal(err)
			}
		}
		for id := range 10 {
			put(id)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		unknown := discovery.Query{Health: []discovery.Health{discovery.Unknown}}
		if got := ids(t, r, unknown); strings.Count(got, "fleet/") != 10 {
			t.Fatalf("unknown = %q; want all ten", got)
		}
		if body := get(r.Handler(), "/sd?health=passing", nil).Body.String(); strings.Count(body, `"__meta_duotel_health":"unknown"`) != 10 {
			t.Errorf("answer = %s; want ten targets marked unknown", body)
		}
		put(3)
		time.Sleep(5 * time.Second)
		if got := ids(t, r, discovery.Query{Health: []discovery.Health{discovery.Healthy}}); got != "fleet/3" {
			t.Errorf("healthy = %q; want who is back", got)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := ids(t, r, unknown); got != "" {
			t.Errorf("unknown = %q; want none after one more TTL", got)
		}
	})
}

// TestFewExpireWithoutQuarantine shows that the death of a small part, or of a group of one or two, is no mass expiry.
func TestFewExpireWithoutQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		for id := range 10 {
			member := target("fleet", fmt.Sprint(id))
			if id < 5 {
				member.TTL = discovery.Duration(10 * time.Second)
			}
			if _, err := r.Put(t.Context(), member, 0); err != nil {
				t.Fatal(err)
			}
		}
		for id := range 2 {
			pair := target("pair", fmt.Sprint(id))
			pair.TTL = discovery.Duration(10 * time.Second)
			if _, err := r.Put(t.Context(), pair, 0); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := ids(t, r, discovery.Query{}); got != "fleet/5 fleet/6 fleet/7 fleet/8 fleet/9" {
			t.Errorf("listed = %q; want half of the fleet and nothing of the pair", got)
		}
	})
}

func TestWatchYieldsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		lists := make(chan int)
		go func() {
			defer close(lists)
			for list := range r.Watch(ctx, discovery.Query{Groups: []string{"a"}}) {
				lists <- len(list)
			}
		}()
		if n := <-lists; n != 0 {
			t.Errorf("first list has %d targets; want none", n)
		}
		if err := r.Sync(t.Context(), "a", []discovery.Target{target("a", "1"), target("a", "2")}); err != nil {
			t.Fatal(err)
		}
		if n := <-lists; n != 2 {
			t.Errorf("second list has %d targets; want both", n)
		}
		cancel()
		for range lists {
			t.Error("a list after the context's end")
		}
	})
}

func TestCloseRemovesWhatThisProcessHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := discovery.NewMemory()
		mine := start(t, discovery.Config{Store: store})
		other := start(t, discovery.Config{Store: store})
		if _, err := mine.Register(t.Context(), target("a", "mine")); err != nil {
			t.Fatal(err)
		}
		if _, err := other.Register(t.Context(), target("a", "other")); err != nil {
			t.Fatal(err)
		}
		if err := mine.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := ids(t, other, discovery.Query{}); got != "a/other" {
			t.Errorf("listed = %q; want what the other process holds", got)
		}
	})
}

func TestSyncChangesNothingWhenATargetIsNotValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		if err := r.Sync(t.Context(), "a", []discovery.Target{target("a", "1")}); err != nil {
			t.Fatal(err)
		}
		err := r.Sync(t.Context(), "a", []discovery.Target{target("a", "2"), target("a", "2"), target("b", "3"), {ID: "4", Address: "nonsense"}})
		for _, want := range []string{`ID="2": is there twice`, `Group="b": is another group`, `Address="nonsense"`} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v; want it to say %s", err, want)
			}
		}
		if got := ids(t, r, discovery.Query{}); got != "a/1" {
			t.Errorf("listed = %q; want what was", got)
		}
	})
}

// TestD11SilenceIsSpread has a fleet whose members gave their last signs of life at different moments, as they do, and fall silent together: the first
// go one by one, and are back once it is plain that most of the group has vanished. Nothing of it expires while the store cannot be reached.
func TestD11SilenceIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &severable{Memory: discovery.NewMemory()}
		r := start(t, discovery.Config{Store: store})
		for id := range 12 {
			if _, err := r.Put(t.Context(), target("fleet", fmt.Sprint(id)), 0); err != nil {
				t.Fatal(err)
			}
			time.Sleep(800 * time.Millisecond) // a sign of life each within a third of the TTL
		}
		time.Sleep(discovery.DefaultTTL + silence)
		synctest.Wait()
		unknown := discovery.Query{Health: []discovery.Health{discovery.Unknown}}
		if got := ids(t, r, unknown); strings.Count(got, "fleet/") != 12 {
			t.Fatalf("unknown = %q; want all twelve", got)
		}
		store.sever(errors.New("refused"))
		time.Sleep(5 * time.Minute)
		if got := ids(t, r, unknown); strings.Count(got, "fleet/") != 12 {
			t.Errorf("the store is down: unknown = %q; want all twelve", got)
		}
		if age := r.Status().Age; age < 299*time.Second || age > 301*time.Second {
			t.Errorf("age = %v; want the five minutes since the store was lost", age)
		}
	})
}

// severable is a store that can be lost.
type severable struct {
	*discovery.Memory

	mu       sync.Mutex
	follower discovery.Follower
}

func (s *severable) Follow(ctx context.Context, f discovery.Follower) {
	s.mu.Lock()
	s.follower = f
	s.mu.Unlock()
	s.Memory.Follow(ctx, f)
}

func (s *severable) sever(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follower.Disconnected(err)
}

// TestD8LateGoodbyeAcrossARestart has a registry that restarts without knowing anybody: the goodbye of a process that was registered before
// removes nobody who is registered since.
func TestD8LateGoodbyeAcrossARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := start(t, discovery.Config{})
		old, err := before.Put(t.Context(), target("a", "1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		after := start(t, discovery.Config{})
		if _, err := after.Put(t.Context(), target("a", "1"), 0); err != nil {
			t.Fatal(err)
		}
		if err := after.Remove(t.Context(), discovery.Key{Group: "a", ID: "1"}, old); !errors.Is(err, discovery.ErrReplaced) || ids(t, after, discovery.Query{}) != "a/1" {
			t.Errorf("the late goodbye: %v, listed %q", err, ids(t, after, discovery.Query{}))
		}
	})
}
