package sd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/duotel/duotel/discovery"
)

const worker = `{"address":"10.0.0.7:9464","scheme":"https","path":"/m","params":{"part":["a b"]},"labels":{"zone":"a"},"meta":{"build":"7"}}`

func TestD1EmptyRegistryIsAnEmptyList(t *testing.T) {
	p := start(t)
	status, header, text, err := p.try(http.MethodGet, "sd", "")
	if err != nil || status != http.StatusOK || text != "[]" || header.Get("Content-Type") != "application/json" {
		t.Errorf("HTTP %d %q %q, %v; want 200 [] application/json", status, text, header.Get("Content-Type"), err)
	}
	p.expect(http.MethodGet, "healthz", "", 200, "ok")
	p.expect(http.MethodGet, "nothing", "", 404, "")
}

// TestD5WhatIsRegisteredReachesPrometheus goes through the whole life of a target.
func TestD5WhatIsRegisteredReachesPrometheus(t *testing.T) {
	p := start(t)
	p.expect(http.MethodPut, "v1/targets/workers/w-1", worker, 204, "")
	p.expect(http.MethodGet, "sd", "", 200, `[{"targets":["10.0.0.7:9464"],"labels":{"__meta_duotel_build":"7","__meta_duotel_group":"workers","__meta_duotel_health":"healthy",`+
		`"__meta_duotel_id":"w-1","__metrics_path__":"/m","__param_part":"a b","__scheme__":"https","zone":"a"}}]`)
	p.expect(http.MethodGet, "v1/targets?group=workers", "", 200, `"health":"healthy"`)
	p.expect(http.MethodGet, "sd?grup=workers", "", 400, "grup")
	p.expect(http.MethodPut, "v1/groups/workers", `[{"id":"w-2","address":"10.0.0.8:1"}]`, 204, "")
	p.expect(http.MethodGet, "sd?group=workers", "", 200, `"__meta_duotel_id":"w-2"`)
	p.expect(http.MethodDelete, "v1/targets/workers/w-2", "", 204, "")
	p.expect(http.MethodDelete, "v1/targets/workers/w-2", "", 404, "not registered")
	p.expect(http.MethodGet, "sd", "", 200, "[]")
	p.expect(http.MethodPost, "v1/targets/workers/w-2", worker, 405, "")
}

func TestOwnMetrics(t *testing.T) {
	p := start(t)
	p.expect(http.MethodPut, "v1/targets/workers/w-1", worker, 204, "")
	p.expect(http.MethodGet, "sd", "", 200, "w-1")
	for _, want := range []string{
		`duotel_discovery_targets{health="healthy",otel_scope_name="github.com/duotel/duotel/discovery"} 1`,
		`duotel_discovery_age_seconds{otel_scope_name="github.com/duotel/duotel/discovery"} 0`,
		`duotel_discovery_answers_total{otel_scope_name="github.com/duotel/duotel/discovery",outcome="served"} 1`,
		`http_route="/v1/targets/{group}/{id}"`, `service_name="duotel-sd"`,
	} {
		p.expect(http.MethodGet, "metrics", "", 200, want)
	}
}

// TestRestartBeginsWithWhatWasKnown stops and starts the server on one file.
func TestRestartBeginsWithWhatWasKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	first := start(t, "-store", "file:"+path, "-allow-addresses", "127.0.0.0/8,::1")
	first.expect(http.MethodPut, "v1/targets/workers/w-1", worker, 204, "")
	first.expect(http.MethodPut, "v1/targets/workers/w-2", `{"address":"127.0.0.1:1"}`, 204, "")
	first.stop()
	second := start(t, "-store", "file:"+path) // and with another policy
	second.expect(http.MethodGet, "v1/targets", "", 200, `"id":"w-1"`)
	if _, text := second.do(http.MethodGet, "v1/targets", ""); strings.Contains(text, "w-2") {
		t.Errorf("%s: has an address that is not allowed any more", text)
	}
	second.expect(http.MethodGet, "", "", 200, "<code>workers/w-2</code>")
}

// TestD3PoisonedEntriesAreLeftOut has a file that somebody has edited.
func TestD3PoisonedEntriesAreLeftOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "targets.json")
	text := `[{"group":"a","id":"1","address":"10.0.0.1:1"}, null, {"group":"a","id":"2","address":"10.0.0.2:1","labels":{"a":7}}]`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "-store", "file:"+path)
	p.expect(http.MethodGet, "sd", "", 200, "10.0.0.1:1")
	p.expect(http.MethodGet, "", "", 200, "<code>entry 2</code>")
	p.expect(http.MethodGet, "", "", 200, "<code>entry 3</code>")
	p.expect(http.MethodGet, "metrics", "", 200, `duotel_discovery_rejected_total{otel_scope_name="github.com/duotel/duotel/discovery"} 2`)
}

// TestD2WithoutItsEtcdTheServerServesAndKnowsNothing has an etcd that is not there: a 503 keeps Prometheus's list.
func TestD2WithoutItsEtcdTheServerServesAndKnowsNothing(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	p := startGuarded(t, "-store", "etcd://"+address+"/duotel")
	p.expect(http.MethodGet, "sd", "", 503, "not been read")
	p.expect(http.MethodGet, "readyz", "", 503, "not ready")
	p.expect(http.MethodGet, "healthz", "", 200, "ok")
	p.expect(http.MethodGet, "", "", 200, "not been read yet")
}

func TestD13AddressesThatLeadInsideAreRefused(t *testing.T) {
	p := start(t, "-allow-addresses", "127.9.0.0/16", "-only-addresses", "10.0.0.0/8,fe80::/10")
	for address, status := range map[string]int{
		"10.0.0.1:80": 204, "127.9.0.1:80": 204, "node.example:80": 204,
		"192.0.2.1:80": 400, "127.0.0.1:80": 400, "localhost:80": 400, "a.localhost.:80": 400, "[::1]:80": 400, "[::ffff:127.0.0.1]:80": 400,
		"169.254.169.254:80": 400, "[fe80::1]:80": 400, "0.0.0.0:80": 400, "224.0.0.1:80": 400, "127.1:80": 400, "0x7f000001:80": 400,
	} {
		p.expect(http.MethodPut, "v1/targets/a/1", fmt.Sprintf(`{"address":%q}`, address), status, "")
		if status == 400 {
			p.expect(http.MethodPut, "v1/groups/b", fmt.Sprintf(`[{"id":"1","address":%q}]`, address), status, "Address")
		}
	}
	p.expect(http.MethodGet, "sd?group=b", "", 200, "[]")
}

// TestD13TheProbeFollowsNoRedirect has a target that sends the probe to where it must not go.
func TestD13TheProbeFollowsNoRedirect(t *testing.T) {
	var reached atomic.Bool
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer inside.Close()
	outside := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusFound))
	defer outside.Close()
	p := start(t, "-probe=1s", "-allow-addresses", "127.0.0.1")
	p.expect(http.MethodPut, "v1/targets/a/1", fmt.Sprintf(`{"address":%q,"ttl":"1h"}`, outside.Listener.Addr()), 204, "")
	p.until("unhealthy", func() bool { _, text := p.do(http.MethodGet, "sd?health=unhealthy", ""); return text != "[]" })
	p.expect(http.MethodGet, "sd?health=passing", "", 200, "[]")
	if reached.Load() {
		t.Error("the probe has followed the redirect")
	}
}

// TestD16LimitsHold sends what is too large, and then sees that the server is as well as before.
func TestD16LimitsHold(t *testing.T) {
	p := start(t)
	p.expect(http.MethodPut, "v1/targets/a/1", `{"address":"10.0.0.1:1","labels":{"a":"`+strings.Repeat("x", 1<<20)+`"}}`, 413, "too large")
	many := "[" + strings.Repeat(`{"id":"1","address":"10.0.0.1:1"},`, 99_999) + `{"id":"1","address":"10.0.0.1:1"}]`
	p.expect(http.MethodPut, "v1/groups/a", many, 400, "at most 10000")
	p.expect(http.MethodGet, "sd", "", 200, "[]")
	p.expect(http.MethodGet, "", "", 200, "at most 10000")
}

// TestD16AThousandRegistrantsAtOnceConcurrentSafe has each try again while it is told to, as [discovery.Client] does.
func TestD16AThousandRegistrantsAtOnceConcurrentSafe(t *testing.T) {
	const registrants = 1000
	p := start(t)
	var all sync.WaitGroup
	begin := make(chan struct{})
	for i := range registrants {
		all.Go(func() {
			<-begin
			for {
				status, header, text, err := p.try(http.MethodPut, fmt.Sprintf("v1/targets/crowd/m-%d", i), worker)
				if err == nil && status == http.StatusServiceUnavailable && header.Get("Retry-After") != "" && strings.Contains(text, "try again") {
					continue
				}
				if err != nil || status != http.StatusNoContent {
					t.Errorf("registrant %d: HTTP %d %q, %v", i, status, text, err)
				}
				return
			}
		})
	}
	close(begin)
	all.Wait()
	_, text := p.do(http.MethodGet, "sd", "")
	if got := strings.Count(text, `"targets"`); got != registrants {
		t.Errorf("%d are listed; want %d", got, registrants)
	}
	if kib := peakKiB(t, p); kib > 512<<10 {
		t.Errorf("the server has used %d KiB; want its memory bounded", kib)
	}
}

// peakKiB returns the most memory that the process has had, where the system tells.
func peakKiB(t *testing.T, p *process) (kib int) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Log("the memory is not known here:", err)
		return 0
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kib
}

// TestStopLetsRequestsFinish has a request whose body is not there yet when the server is told to stop.
func TestStopLetsRequestsFinish(t *testing.T) {
	p := start(t)
	conn, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(p.base, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	body := `{"address":"10.0.0.1:1"}`
	fmt.Fprintf(conn, "PUT /v1/targets/a/1 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body))
	answer := bufio.NewReader(conn)
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("answer = %q, %v; want 100, when the server wants the body", line, err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		p.stop()
	}()
	p.until("stopping", func() bool { return strings.Contains(p.log.String(), "sd: stopping") })
	fmt.Fprint(conn, body)
	if _, err := answer.ReadString('\n'); err != nil { // the empty line after 100
		t.Fatal(err)
	}
	if line, err := answer.ReadString('\n'); err != nil || !strings.Contains(line, "204") {
		t.Errorf("answer = %q, %v; want 204", line, err)
	}
	<-stopped
}

func TestRefusalsAreFewAndTheLatest(t *testing.T) {
	r := &refusals{}
	h := r.watch(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, strings.Repeat("é", 1000), http.StatusBadRequest)
	}))
	for i := range 3 * maxRefusals {
		for range 2 {
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, fmt.Sprintf("/v1/targets/a/%d", i), nil))
		}
	}
	recent := r.recent()
	if len(recent) != maxRefusals || recent[0].Path != "/v1/targets/a/149" || recent[0].Count != 2 || len(recent[0].Reason) > maxRefusalReason+8 {
		t.Errorf("%d refusals, the latest %+v", len(recent), recent[0])
	}
}

var _ store = (*discovery.Memory)(nil)

// TestTheEndWithoutEtcd ends well although etcd, which cannot be told, is gone: what the server held there ends with its lease.
func TestTheEndWithoutEtcd(t *testing.T) {
	last := quietEnd("etcd://h:1/x", func(context.Context) error { return errors.New("the lease was not revoked") }, slog.New(slog.DiscardHandler))
	if err := last(t.Context()); err != nil {
		t.Errorf("etcd: %v", err)
	}
	full := errors.New("no space left on device")
	last = quietEnd("file:/x", func(context.Context) error { return full }, slog.New(slog.DiscardHandler))
	if err := last(t.Context()); !errors.Is(err, full) {
		t.Errorf("a file that cannot be written is no error: %v", err)
	}
}
