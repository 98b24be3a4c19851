package discovery_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/discovery"
)

// scripted is a store that tells its follower what a test says.
type scripted struct {
	*discovery.Memory
	tell chan func(discovery.Follower)
}

func (s scripted) Follow(ctx context.Context, f discovery.Follower) {
	for {
		select {
		case tell := <-s.tell:
			tell(f)
		case <-ctx.Done():
			return
		}
	}
}

// follow returns a registry that follows what is told, and its log.
func follow(t *testing.T) (*discovery.Registry, func(func(discovery.Follower)), *strings.Builder) {
	store := scripted{discovery.NewMemory(), make(chan func(discovery.Follower))}
	log := &strings.Builder{}
	r := start(t, discovery.Config{Store: store, Logger: slog.New(slog.NewTextHandler(log, nil))})
	return r, func(tell func(discovery.Follower)) {
		store.tell <- tell
		synctest.Wait()
	}, log
}

func rejected(r *discovery.Registry) string {
	var names []string
	for _, rejection := range r.Status().Rejected {
		names = append(names, rejection.Name)
	}
	return strings.Join(names, " ")
}

func TestStatusNamesWhatIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, tell, log := follow(t)
		if r.Status().Loaded {
			t.Error("loaded before the store was read")
		}
		list := func(f discovery.Follower) {
			f.Reject("/prefix/a", errors.New("no JSON"))
			f.Load(1, nil)
		}
		tell(list)
		tell(list) // the connection was lost and came back
		if status := r.Status(); !status.Loaded || status.Age != 0 || rejected(r) != "/prefix/a" || status.Rejected[0].Err.Error() != "no JSON" {
			t.Errorf("status = %+v", status)
		}
		if n := strings.Count(log.String(), "/prefix/a"); n != 1 {
			t.Errorf("named %d times; want once while it is there", n)
		}
		tell(func(f discovery.Follower) { f.Load(2, nil) })
		tell(func(f discovery.Follower) { f.Load(3, nil) })
		if got := rejected(r); got != "" {
			t.Errorf("left out = %q; want nothing once the store has it no more", got)
		}
		tell(func(f discovery.Follower) { f.Disconnected(errors.New("refused")) })
		time.Sleep(time.Minute)
		if age := r.Status().Age; age != time.Minute {
			t.Errorf("age = %s; want a minute", age)
		}
	})
}

// TestD13WhatOthersStoredIsJudgedToo has entries that a registry with another policy has put into the store.
func TestD13WhatOthersStoredIsJudgedToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, tell, _ := follow(t)
		entry := func(id, address string) discovery.Entry {
			return discovery.Entry{Target: discovery.Target{Group: "a", ID: id, Address: address, TTL: discovery.Duration(time.Hour)}, Generation: 1}
		}
		tell(func(f discovery.Follower) {
			f.Load(1, []discovery.Entry{entry("1", "10.0.0.1:1"), entry("2", "169.254.169.254:80")})
		})
		if got := ids(t, r, discovery.Query{}); got != "a/1" || rejected(r) != "a/2" {
			t.Errorf("listed = %q, left out = %q", got, rejected(r))
		}
		tell(func(f discovery.Follower) {
			f.Apply(2, []discovery.Event{{Entry: entry("1", "[::1]:80")}, {Entry: entry("2", "10.0.0.2:1")}})
		})
		if got := ids(t, r, discovery.Query{}); got != "a/2" || rejected(r) != "a/1" {
			t.Errorf("after a change: listed = %q, left out = %q", got, rejected(r))
		}
	})
}

func TestListedTellsItsAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		began := time.Now()
		generation, err := r.Put(t.Context(), target("a", "1"), 0)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if _, err := r.Put(t.Context(), target("a", "1"), generation); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		list, err := r.Targets(discovery.Query{})
		if err != nil || len(list) != 1 || !list[0].Since.Equal(began) || !list[0].Seen.Equal(began.Add(10*time.Second)) {
			t.Errorf("listed = %+v, %v; want since %s and seen 10 s later", list, err, began)
		}
	})
}
