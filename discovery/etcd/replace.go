package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duotel/duotel/discovery"
)

const (
	// chunkTargets is how many entries one transaction writes: two operations each and one more, of etcd's 128.
	chunkTargets = 60
	// chunkBytes bounds the values of one transaction, of etcd's 1.5 MiB.
	chunkBytes = 256 << 10
	// attempts is how often a group is read again that others write to at the same time.
	attempts = 10
)

var errMoved = errors.New("etcd: the group has changed meanwhile")

// Replace implements [discovery.Store]. It takes several transactions for a large group. Of two that replace the same group at
// once the later one wins whole, and the earlier one returns [discovery.ErrReplaced].
func (s *Store) Replace(ctx context.Context, group string, targets []discovery.Target, held bool) (revision uint64, err error) {
	values := map[discovery.Key]string{}
	var order []discovery.Key
	for _, t := range targets {
		if values[t.Key()], err = encode(t); err != nil {
			return 0, err
		}
		order = append(order, t.Key())
	}
	if err := crowded(group, int64(len(order)), 0); err != nil {
		return 0, err
	}
	err = s.attached(ctx, func(lease clientv3.LeaseID) error {
		r := &replacement{store: s, group: group, order: order, values: values, held: held, lease: lease}
		err := r.run(ctx)
		revision = r.revision
		return err
	})
	return revision, err
}

// replacement is one call of Replace.
type replacement struct {
	store  *Store
	group  string
	order  []discovery.Key
	values map[discovery.Key]string
	held   bool
	lease  clientv3.LeaseID

	turn     uint64 // the revision of the group's sync key: who has begun last has it
	revision uint64 // of the last transaction
}

func (r *replacement) run(ctx context.Context) error {
	// The key goes with the lease, so that a process that dies in between leaves nothing behind.
	sync := r.store.keys.syncing(r.group)
	begun, err := r.store.commit(ctx, nil, []clientv3.Op{clientv3.OpPut(sync, "", clientv3.WithLease(r.lease))}, nil)
	if err != nil {
		return err
	}
	r.turn = uint64(begun.Header.Revision)
	for range attempts {
		if err = r.once(ctx); !errors.Is(err, errMoved) {
			break
		}
	}
	if err != nil {
		return err
	}
	return r.commit(ctx, nil, []clientv3.Op{clientv3.OpDelete(sync)})
}

// commit runs a transaction, unless a later replacement of the group has begun.
func (r *replacement) commit(ctx context.Context, ifs []clientv3.Cmp, ops []clientv3.Op) error {
	sync := r.store.keys.syncing(r.group)
	response, err := r.store.commit(ctx, append(ifs, is(sync, r.turn)), ops, []clientv3.Op{clientv3.OpGet(sync)})
	if err != nil {
		return err
	}
	if !response.Succeeded {
		if kvs := response.Responses[0].GetResponseRange().Kvs; len(kvs) == 1 && uint64(kvs[0].ModRevision) == r.turn {
			return errMoved
		}
		return fmt.Errorf("%w: group %s", discovery.ErrReplaced, r.group)
	}
	r.revision = uint64(response.Header.Revision)
	return nil
}

// listed is what etcd has of an entry.
type listed struct {
	value      string
	generation uint64
	lease      clientv3.LeaseID
}

// once makes the group what it should be, from what it is now.
func (r *replacement) once(ctx context.Context) error {
	now := map[discovery.Key]listed{}
	var stray []discovery.Key
	_, err := r.store.read(ctx, r.store.keys.group(r.group), func(kv kv) {
		if key, ok := r.store.keys.parse(string(kv.Key)); ok {
			now[key] = listed{string(kv.Value), uint64(kv.ModRevision), clientv3.LeaseID(kv.Lease)}
			if _, wanted := r.values[key]; !wanted {
				stray = append(stray, key)
			}
		}
	})
	if err != nil {
		return err
	}
	var changed, same []discovery.Key
	for _, key := range r.order {
		l, ok := now[key]
		owned := r.held && l.lease == r.lease || !r.held && l.lease == clientv3.NoLease
		if ok && owned && l.value == r.values[key] {
			same = append(same, key)
		} else {
			changed = append(changed, key)
		}
	}
	if err := r.putAll(ctx, changed); err != nil {
		return err
	}
	if err := r.refreshAll(ctx, same, now); err != nil {
		return err
	}
	return r.dropAll(ctx, stray, now)
}

func (r *replacement) putAll(ctx context.Context, names []discovery.Key) error {
	lease := r.lease
	if !r.held {
		lease = clientv3.NoLease
	}
	for len(names) > 0 {
		var ops []clientv3.Op
		n, size := 0, 0
		for ; n < len(names) && n < chunkTargets && (n == 0 || size+len(r.values[names[n]]) <= chunkBytes); n++ {
			size += len(r.values[names[n]])
			ops = append(ops, r.store.put(names[n], r.values[names[n]], lease)...)
		}
		if err := r.commit(ctx, nil, ops); err != nil {
			return err
		}
		for _, key := range names[:n] {
			if r.held {
				r.store.keepInMind(key, r.values[key], r.revision)
			}
		}
		names = names[n:]
	}
	return nil
}

// refreshAll gives the signs of life of what is as it was. What is held needs none.
func (r *replacement) refreshAll(ctx context.Context, names []discovery.Key, now map[discovery.Key]listed) error {
	if r.held {
		return nil
	}
	return r.chunks(names, now, func(ifs []clientv3.Cmp, chunk []discovery.Key) error {
		var ops []clientv3.Op
		for _, key := range chunk {
			ops = append(ops, clientv3.OpPut(r.store.keys.alive(key), strconv.FormatUint(now[key].generation, 10)))
		}
		return r.commit(ctx, ifs, ops)
	})
}

func (r *replacement) dropAll(ctx context.Context, names []discovery.Key, now map[discovery.Key]listed) error {
	return r.chunks(names, now, func(ifs []clientv3.Cmp, chunk []discovery.Key) error {
		if err := r.commit(ctx, ifs, r.store.drop(discovery.Removed, chunk...)); err != nil {
			return err
		}
		for _, key := range chunk {
			r.store.release(key, now[key].generation)
		}
		return nil
	})
}

// chunks calls f for a transaction's worth of names each, with the comparisons that say that nothing has happened to them.
func (r *replacement) chunks(names []discovery.Key, now map[discovery.Key]listed, f func([]clientv3.Cmp, []discovery.Key) error) error {
	for len(names) > 0 {
		n := min(len(names), chunkTargets)
		var ifs []clientv3.Cmp
		for _, key := range names[:n] {
			ifs = append(ifs, is(r.store.keys.target(key), now[key].generation))
		}
		if err := f(ifs, names[:n]); err != nil {
			return err
		}
		names = names[n:]
	}
	return nil
}
