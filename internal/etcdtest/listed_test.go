package etcdtest

import (
	"testing"

	"github.com/duotel/duotel/discovery/etcd"
	"github.com/duotel/duotel/telemetry"
)

// TestProcessListsItself has a process list itself straight in etcd by the line that the documents show, and a registry that follows the same
// etcd see it come, and go with Shutdown.
func TestProcessListsItself(t *testing.T) {
	s := newServer(t)
	registry := newProcess(t, s)
	cfg := telemetry.Config{
		ServiceName:        "shop",
		ResourceAttributes: map[string]string{"service.instance.id": "one"},
		Listener:           telemetry.ListenerConfig{Host: "127.0.0.1", Port: -1},
		Discovery:          telemetry.DiscoveryConfig{URL: "etcd://" + s.client.Host + prefix},
	}
	sdk, err := telemetry.New(t.Context(), cfg, telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "lists the process", "shop/one", func() string { return ids(registry) })
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "lists nobody", "", func() string { return ids(registry) })
}
