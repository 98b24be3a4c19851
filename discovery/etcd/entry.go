package etcd

import (
	"context"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duotel/duotel/discovery"
)

// commit runs a transaction within the time of one request.
func (s *Store) commit(ctx context.Context, ifs []clientv3.Cmp, then, otherwise []clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.DialTimeout)
	defer cancel()
	client, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	response, err := client.Txn(ctx).If(ifs...).Then(then...).Else(otherwise...).Commit()
	if err != nil {
		return nil, s.because(fmt.Errorf("etcd: %w", err))
	}
	return response, nil
}

// is compares a key's generation.
func is(key string, generation uint64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(key), "=", int64(generation))
}

// Put implements [discovery.Store].
func (s *Store) Put(ctx context.Context, t discovery.Target, held bool) (uint64, error) {
	value, err := encode(t)
	if err != nil {
		return 0, err
	}
	if err := s.room(ctx, t.Key()); err != nil {
		return 0, err
	}
	if held {
		return s.hold(ctx, t.Key(), value)
	}
	response, err := s.commit(ctx, nil, s.put(t.Key(), value, clientv3.NoLease), nil)
	if err != nil {
		return 0, err
	}
	return uint64(response.Header.Revision), nil
}

// put is the writing of an entry. A sign of life of the one before is none of the new one.
func (s *Store) put(key discovery.Key, value string, lease clientv3.LeaseID) []clientv3.Op {
	return []clientv3.Op{clientv3.OpPut(s.keys.target(key), value, clientv3.WithLease(lease)), clientv3.OpDelete(s.keys.alive(key))}
}

// room returns an error where a new entry would make its group, or all of them, too large. Two processes that ask
// at the same time may both be let in.
func (s *Store) room(ctx context.Context, key discovery.Key) error {
	count := func(key string) clientv3.Op {
		return clientv3.OpGet(key, clientv3.WithPrefix(), clientv3.WithCountOnly())
	}
	response, err := s.commit(ctx, []clientv3.Cmp{is(s.keys.target(key), 0)}, []clientv3.Op{count(s.keys.group(key.Group)), count(s.keys.targets())}, nil)
	if err != nil || !response.Succeeded {
		return err
	}
	return crowded(key.Group, response.Responses[0].GetResponseRange().Count+1, response.Responses[1].GetResponseRange().Count+1)
}

func crowded(group string, size, all int64) error {
	if size > discovery.MaxGroupTargets {
		return fmt.Errorf("etcd: Group=%q: would have %d targets; at most %d", group, size, discovery.MaxGroupTargets)
	}
	if all > discovery.MaxTargets {
		return fmt.Errorf("etcd: Group=%q: there would be %d targets in all groups; at most %d", group, all, discovery.MaxTargets)
	}
	return nil
}

// Refresh implements [discovery.Store]. An entry that is held needs no sign of life, and none is written.
func (s *Store) Refresh(ctx context.Context, key discovery.Key, generation uint64) error {
	generation = s.current(key, generation)
	name := s.keys.target(key)
	response, err := s.commit(ctx,
		[]clientv3.Cmp{is(name, generation), clientv3.Compare(clientv3.LeaseValue(name), "=", clientv3.NoLease)},
		[]clientv3.Op{clientv3.OpPut(s.keys.alive(key), strconv.FormatUint(generation, 10))},
		[]clientv3.Op{clientv3.OpGet(name, clientv3.WithKeysOnly())})
	if err != nil || response.Succeeded {
		return err
	}
	return gone(response, key, generation)
}

// gone says why a transaction that named a generation was not done: nil where it was there after all.
func gone(response *clientv3.TxnResponse, key discovery.Key, generation uint64) error {
	kvs := response.Responses[0].GetResponseRange().Kvs
	switch {
	case len(kvs) == 0:
		return fmt.Errorf("%w: %s", discovery.ErrNotRegistered, key)
	case uint64(kvs[0].ModRevision) != generation:
		return fmt.Errorf("%w: %s", discovery.ErrReplaced, key)
	}
	return nil
}

// Remove implements [discovery.Store].
func (s *Store) Remove(ctx context.Context, key discovery.Key, generation uint64, reason discovery.Reason) error {
	s.mu.Lock()
	_, mine := s.held[key]
	s.mu.Unlock()
	if mine {
		if err := enter(ctx, s.turn); err != nil {
			return err
		}
		defer leave(s.turn)
	}
	now := s.current(key, generation)
	response, err := s.commit(ctx, []clientv3.Cmp{is(s.keys.target(key), now)}, s.drop(reason, key),
		[]clientv3.Op{clientv3.OpGet(s.keys.target(key), clientv3.WithKeysOnly())})
	if err != nil {
		return err
	}
	s.release(key, now)
	if response.Succeeded {
		return nil
	}
	return gone(response, key, now)
}

// drop is the removal of entries, with the note that it was meant.
func (s *Store) drop(reason discovery.Reason, names ...discovery.Key) []clientv3.Op {
	var ops []clientv3.Op
	for _, key := range names {
		ops = append(ops, clientv3.OpDelete(s.keys.target(key)), clientv3.OpDelete(s.keys.alive(key)))
	}
	if reason == discovery.Removed {
		ops = append(ops, clientv3.OpPut(s.keys.removed(), ""))
	}
	return ops
}
