package etcd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/duotel/duotel/discovery"
)

// maxValueBytes bounds an entry. etcd refuses requests of 1.5 MiB; a valid target is smaller than this one.
const maxValueBytes = 1 << 20

// keys names what is in etcd.
type keys string

func (k keys) targets() string                 { return string(k) + "/targets/" }
func (k keys) group(group string) string       { return k.targets() + group + "/" }
func (k keys) target(key discovery.Key) string { return k.group(key.Group) + key.ID }
func (k keys) alive(key discovery.Key) string  { return string(k) + "/alive/" + key.String() }
func (k keys) syncing(group string) string     { return string(k) + "/sync/" + group }
func (k keys) removed() string                 { return string(k) + "/removed" }
func (k keys) all() string                     { return string(k) + "/" }
func (k keys) isTarget(key string) bool        { return strings.HasPrefix(key, k.targets()) }
func (k keys) isAlive(key string) bool         { return strings.HasPrefix(key, string(k)+"/alive/") }
func (k keys) shown(key string) string         { return strings.TrimPrefix(key, string(k)) }

// parse returns the name in a key of a target or of its sign of life.
func (k keys) parse(key string) (discovery.Key, bool) {
	parts := strings.Split(strings.TrimPrefix(key, string(k)), "/")
	if len(parts) != 4 || parts[2] == "" || parts[3] == "" {
		return discovery.Key{}, false
	}
	return discovery.Key{Group: parts[2], ID: parts[3]}, true
}

// encode returns t as it is written.
func encode(t discovery.Target) (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("etcd: %w", err)
	}
	if t, err = discovery.DecodeTarget(text); err != nil {
		return "", err
	}
	// With the defaults set, equal targets have equal texts.
	if text, err = json.Marshal(t); err != nil {
		return "", fmt.Errorf("etcd: %w", err)
	}
	if len(text) > maxValueBytes {
		return "", fmt.Errorf("etcd: target %s: has %d bytes; at most %d", t.Key(), len(text), maxValueBytes)
	}
	return string(text), nil
}

// decode returns the entry that etcd lists, or what is wrong with it.
func (k keys) decode(kv *mvccpb.KeyValue) (discovery.Entry, error) {
	name, ok := k.parse(string(kv.Key))
	if !ok {
		return discovery.Entry{}, errors.New("etcd: the key is not that of a target; targets/<group>/<id>")
	}
	if len(kv.Value) > maxValueBytes {
		return discovery.Entry{}, fmt.Errorf("etcd: has %d bytes; at most %d", len(kv.Value), maxValueBytes)
	}
	t, err := discovery.DecodeTarget(kv.Value)
	if err != nil {
		return discovery.Entry{}, err
	}
	if t.Key() != name {
		return discovery.Entry{}, fmt.Errorf("etcd: the target is named %s; the name in the key", t.Key())
	}
	return discovery.Entry{Target: t, Generation: uint64(kv.ModRevision), Held: kv.Lease != 0}, nil
}
