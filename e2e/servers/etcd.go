package servers

import (
	"testing"
)

// Etcd is a running etcd of one member.
type Etcd struct {
	*Process
	// Address is host:port for clients.
	Address string

	peer, dir string
}

// StartEtcd starts an etcd with an empty store.
func StartEtcd(tb testing.TB) *Etcd {
	tb.Helper()
	e := &Etcd{dir: tb.TempDir()}
	e.start(tb, func() { e.Address, e.peer = FreeAddress(tb), FreeAddress(tb) })
	return e
}

// Restart starts it again where it was, with what it had.
func (e *Etcd) Restart(tb testing.TB) {
	tb.Helper()
	e.start(tb, func() {})
}

func (e *Etcd) start(tb testing.TB, pick func()) {
	tb.Helper()
	e.Process = StartProcess(tb, "etcd", build(tb, EtcdTool), func() Launch {
		pick()
		client, peer := "http://"+e.Address, "http://"+e.peer
		return Launch{Ready: client + "/health", Args: []string{
			"--name=e2e", "--data-dir=" + e.dir, "--log-level=error",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=e2e=" + peer,
		}}
	})
}

// Kill ends it without a goodbye.
func (e *Etcd) Kill() {
	_ = e.cmd.Process.Kill()
	<-e.exited
}
