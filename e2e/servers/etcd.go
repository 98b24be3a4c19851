package servers

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
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

// Compact throws away the history of all keys up to now, so that nobody can go on watching from before.
func (e *Etcd) Compact(tb testing.TB) {
	tb.Helper()
	var at struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	e.ask(tb, "range", `{"key":"AA=="}`, &at)
	e.ask(tb, "compaction", fmt.Sprintf(`{"revision":%q,"physical":true}`, at.Header.Revision), &at)
}

// ask is one request of etcd's JSON API.
func (e *Etcd) ask(tb testing.TB, method, body string, into any) {
	tb.Helper()
	resp, err := http.Post("http://"+e.Address+"/v3/kv/"+method, "application/json", strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || json.Unmarshal(text, into) != nil {
		tb.Fatalf("etcd %s %s: %s %v %s", method, body, resp.Status, err, text)
	}
}

// Kill ends it without a goodbye.
func (e *Etcd) Kill() {
	_ = e.cmd.Process.Kill()
	<-e.exited
}
