package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duotel/duotel/discovery"
)

const (
	// askEvery is how often etcd is asked whether it answers. Nothing may expire while it does not.
	askEvery = time.Second
	// pageEntries is how many entries are read at once.
	pageEntries = 500
)

type kv = *mvccpb.KeyValue

// Follow implements [discovery.Store].
func (s *Store) Follow(ctx context.Context, f discovery.Follower) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	wait := s.newBackOff()
	for {
		err := s.follow(ctx, f, wait.Reset)
		if ctx.Err() != nil {
			return
		}
		if !errors.Is(err, rpctypes.ErrCompacted) {
			f.Disconnected(err)
		}
		pause(ctx, wait.NextBackOff())
	}
}

// follow reads everything, tells of every change after that, and returns why it cannot any more.
func (s *Store) follow(ctx context.Context, f discovery.Follower, connected func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &teller{store: s, follower: f, known: map[discovery.Key]discovery.Entry{}}
	revision, err := t.load(ctx)
	if err != nil {
		return err
	}
	connected()
	client, err := s.dial(ctx)
	if err != nil {
		return err
	}
	// Without a leader the watch would be silent; it has to fail instead.
	watch := client.Watch(clientv3.WithRequireLeader(ctx), s.keys.all(), clientv3.WithPrefix(), clientv3.WithRev(revision+1))
	asks := time.NewTicker(askEvery)
	defer asks.Stop()
	for {
		select {
		case response, ok := <-watch:
			if !ok {
				return errors.New("etcd: the watch has ended")
			}
			if err := response.Err(); err != nil {
				return fmt.Errorf("etcd: watch: %w", err)
			}
			t.tell(response.Events)
		case <-asks.C:
			// The list is asked of a quorum, as a write would be: a member that is cut off from the others does not count.
			if _, err := s.commit(ctx, nil, []clientv3.Op{clientv3.OpGet(s.keys.removed(), clientv3.WithKeysOnly())}, nil); err != nil {
				return err
			}
		}
	}
}

// read calls f for everything below prefix, page by page at one revision, and returns that.
func (s *Store) read(ctx context.Context, prefix string, f func(kv)) (revision int64, err error) {
	client, err := s.dial(ctx)
	if err != nil {
		return 0, err
	}
	end := clientv3.GetPrefixRangeEnd(prefix)
	for from := prefix; ; {
		within, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
		page, err := client.Get(within, from, clientv3.WithRange(end), clientv3.WithLimit(pageEntries), clientv3.WithRev(revision))
		cancel()
		if err != nil {
			return 0, s.because(fmt.Errorf("etcd: read: %w", err))
		}
		if revision == 0 {
			revision = page.Header.Revision
		}
		for _, kv := range page.Kvs {
			f(kv)
			from = string(kv.Key) + "\x00"
		}
		if !page.More {
			return revision, nil
		}
	}
}

// teller turns what etcd says into what a follower hears.
type teller struct {
	store    *Store
	follower discovery.Follower
	known    map[discovery.Key]discovery.Entry
}

// load tells everything, and returns the revision of it.
func (t *teller) load(ctx context.Context) (int64, error) {
	var entries []discovery.Entry
	type refusal struct {
		name string
		err  error
	}
	var refused []refusal
	revision, err := t.store.read(ctx, t.store.keys.targets(), func(kv kv) {
		entry, err := t.store.keys.decode(kv)
		if err == nil && len(entries) >= discovery.MaxTargets {
			err = fmt.Errorf("etcd: there are more than %d entries", discovery.MaxTargets)
		}
		switch {
		case err == nil:
			entries = append(entries, entry)
			t.known[entry.Target.Key()] = entry
		case len(refused) < discovery.MaxGroupTargets: // what is beyond is not kept in memory
			refused = append(refused, refusal{string(kv.Key), err})
		}
	})
	if err != nil {
		return 0, err
	}
	t.store.count(func(s *Stats) { s.Lists++ })
	t.follower.Load(uint64(revision), entries)
	for _, r := range refused { // after the list, because a list forgets what was refused before it
		t.reject(r.name, r.err)
	}
	return revision, nil
}

func (t *teller) reject(name string, err error) {
	t.store.count(func(s *Stats) { s.Rejected++ })
	t.follower.Reject(t.store.keys.shown(name), err)
}

// tell tells of the changes of one answer, revision by revision.
func (t *teller) tell(events []*clientv3.Event) {
	for len(events) > 0 {
		revision := events[0].Kv.ModRevision
		n := 1
		for n < len(events) && events[n].Kv.ModRevision == revision {
			n++
		}
		t.moment(revision, events[:n])
		events = events[n:]
	}
}

// moment tells of the changes of one revision.
func (t *teller) moment(revision int64, events []*clientv3.Event) {
	reason := discovery.Expired
	for _, event := range events {
		if event.Type == clientv3.EventTypePut && string(event.Kv.Key) == t.store.keys.removed() {
			reason = discovery.Removed
		}
	}
	var out []discovery.Event
	for _, event := range events {
		key := string(event.Kv.Key)
		switch put := event.Type == clientv3.EventTypePut; {
		case t.store.keys.isTarget(key) && put:
			out = append(out, t.listed(event.Kv)...)
		case t.store.keys.isTarget(key):
			out = append(out, t.ended(key, reason)...)
		case t.store.keys.isAlive(key) && put:
			out = append(out, t.sign(event.Kv)...)
		}
	}
	t.follower.Apply(uint64(revision), out)
}

// listed is an entry that was put. A broken one takes the place of what was there all the same.
func (t *teller) listed(kv kv) []discovery.Event {
	entry, err := t.store.keys.decode(kv)
	if err == nil && len(t.known) >= discovery.MaxTargets {
		if _, ok := t.known[entry.Target.Key()]; !ok {
			err = fmt.Errorf("etcd: there are more than %d entries", discovery.MaxTargets)
		}
	}
	if err != nil {
		t.reject(string(kv.Key), err)
		return t.ended(string(kv.Key), discovery.Expired)
	}
	t.known[entry.Target.Key()] = entry
	return []discovery.Event{{Entry: entry}}
}

func (t *teller) ended(name string, reason discovery.Reason) []discovery.Event {
	key, ok := t.store.keys.parse(name)
	entry, known := t.known[key]
	if !ok || !known {
		return nil
	}
	delete(t.known, key)
	return []discovery.Event{{Entry: entry, Reason: reason}}
}

// sign is a sign of life, of the entry that it was meant for.
func (t *teller) sign(kv kv) []discovery.Event {
	key, _ := t.store.keys.parse(string(kv.Key))
	entry, ok := t.known[key]
	if !ok || string(kv.Value) != strconv.FormatUint(entry.Generation, 10) {
		return nil
	}
	return []discovery.Event{{Entry: entry}}
}
