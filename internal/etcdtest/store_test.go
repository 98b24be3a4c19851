package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promdiscovery "github.com/prometheus/prometheus/discovery"
	promhttp "github.com/prometheus/prometheus/discovery/http"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/duotel/duotel/discovery"
)

// follower takes note of what a store tells.
type follower struct {
	mu       sync.Mutex
	rejected map[string]error
	events   []discovery.Event
	loads    int
}

func (f *follower) Load(uint64, []discovery.Entry) { f.mu.Lock(); defer f.mu.Unlock(); f.loads++ }

func (f *follower) Apply(_ uint64, events []discovery.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = append(f.events, events...)
}

func (f *follower) Reject(name string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rejected[name] = err
}

func (f *follower) Disconnected(error) {}

func (f *follower) see(g func() string) func() string {
	return func() string { f.mu.Lock(); defer f.mu.Unlock(); return g() }
}

func follow(t *testing.T, p process) *follower {
	t.Helper()
	f := &follower{rejected: map[string]error{}}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { p.store.Follow(ctx, f) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return f
}

// TestD3PoisonedEntriesCostThemselves has entries that are broken before the list is read and others that become so afterwards.
func TestD3PoisonedEntriesCostThemselves(t *testing.T) {
	s := newServer(t)
	poison := map[string][2]string{ // the value, and what the refusal says
		"unknown": {`{"group":"g","id":"unknown","address":"a:1","colour":"red"}`, "colour"},
		"number":  {`{"group":"g","id":"number","address":"a:1","labels":{"zone":7}}`, "labels"},
		"null":    {`{"group":"g","id":"null","address":"a:1","labels":{"zone":null}}`, "null"},
		"empty":   {`{"group":"g","id":"empty","address":"a:1","labels":{"":"x"}}`, `Labels=""`},
		"utf8":    {"{\"group\":\"g\",\"id\":\"utf8\",\"address\":\"a:1\",\"labels\":{\"zone\":\"\xff\"}}", "UTF-8"},
		"other":   {`{"group":"g","id":"another","address":"a:1"}`, "g/another"},
		"a/b":     {`{"group":"g","id":"b","address":"a:1"}`, "key"},
		"large":   {strings.Repeat(" ", 1<<20+1), "at most"},
		"foreign": {"hello", "is not a target"},
	}
	for _, order := range []string{"before", "after"} {
		var p process
		if order == "after" {
			p = newProcess(t, s)
			register(t, p, target("g", "good"))
		}
		for id, what := range poison {
			s.put("/targets/g/"+id, what[0])
		}
		if order == "before" {
			p = newProcess(t, s)
			register(t, p, target("g", "good"))
		}
		f := follow(t, p)
		eventually(t, order+": refusals", fmt.Sprint(len(poison)), f.see(func() string { return fmt.Sprint(len(f.rejected)) }))
		for id, what := range poison {
			if err := f.rejected["/targets/g/"+id]; err == nil || !strings.Contains(err.Error(), what[1]) {
				t.Errorf("%s: refused %s with %v; want it to say %q", order, id, err, what[1])
			}
		}
		eventually(t, order+": listed", "g/good", func() string { return ids(p) })
		if n := p.store.Stats().Rejected; n < uint64(len(poison)) {
			t.Errorf("%s: %d counted; want %d at least", order, n, len(poison))
		}
		if got := prometheusReads(t, p); got != 1 {
			t.Errorf("%s: Prometheus reads %d targets; want the good one", order, got)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.raw.Delete(t.Context(), prefix, clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
	}
}

// prometheusReads returns how many targets Prometheus's own code reads.
func prometheusReads(t *testing.T, p process) (n int) {
	t.Helper()
	web := httptest.NewServer(p.Handler())
	defer web.Close()
	defer web.CloseClientConnections()
	registerer := prometheus.NewRegistry()
	sd := promhttp.DefaultSDConfig
	sd.URL = web.URL
	reader, err := promhttp.NewDiscovery(&sd, promdiscovery.DiscovererOptions{
		SetName: "test", Metrics: sd.NewDiscovererMetrics(registerer, promdiscovery.NewRefreshMetrics(registerer)),
	})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := reader.Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range groups {
		n += len(g.Targets)
	}
	return n
}

// TestGoodEntryThatBecomesBrokenIsLeftOut shows that the last good value is not served in the place of a broken one.
func TestGoodEntryThatBecomesBrokenIsLeftOut(t *testing.T) {
	s := newServer(t)
	p := newProcess(t, s)
	register(t, p, target("g", "one"))
	s.put("/targets/g/one", "{}")
	eventually(t, "listed", "", func() string { return ids(p) })
}

// TestD4KeysThatGoWhileTheListIsRead has keys deleted between the pages of the list, and compacted away.
func TestD4KeysThatGoWhileTheListIsRead(t *testing.T) {
	s := newServer(t)
	writer := newProcess(t, s)
	var many []discovery.Target
	for id := range 2000 { // several pages
		one := target("g", fmt.Sprintf("%04d", id))
		one.TTL = discovery.Duration(time.Second) // so long is a group kept that vanishes behind the registry's back
		many = append(many, one)
	}
	if err := writer.Sync(t.Context(), "g", many); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var busy sync.WaitGroup
	busy.Go(func() {
		for id := 0; ; id = (id + 7) % 2000 {
			select {
			case <-stop:
				return
			default:
			}
			response, err := s.raw.Delete(context.Background(), fmt.Sprintf("%s/targets/g/%04d", prefix, id))
			if err == nil && id%100 == 0 {
				_, _ = s.raw.Compact(context.Background(), response.Header.Revision)
			}
		}
	})
	var readers []process
	for range 3 {
		readers = append(readers, newProcess(t, s))
	}
	for _, r := range readers {
		eventually(t, "loaded", "true", func() string { return fmt.Sprint(strings.HasPrefix(body(r), "200")) })
	}
	close(stop)
	busy.Wait()
	if err := writer.Sync(t.Context(), "g", many[:3]); err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		eventually(t, "listed", "g/0000 g/0001 g/0002", func() string { return ids(r) })
	}
	if got := strings.TrimPrefix(s.keys(), "/removed "); got != "/targets/g/0000 /targets/g/0001 /targets/g/0002" {
		t.Errorf("left in etcd: %s", got)
	}
}

// wire is a proxy before etcd that can be cut, which is what the death of a process looks like from there.
type wire struct {
	listener net.Listener
	mu       sync.Mutex
	cut      bool
	open     []net.Conn
	done     sync.WaitGroup
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l}
	w.done.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			w.mu.Lock()
			if err != nil || w.cut {
				in.Close()
				if err == nil {
					out.Close()
				}
			} else {
				w.open = append(w.open, in, out)
				w.done.Go(func() { io.Copy(out, in); out.Close() })
				w.done.Go(func() { io.Copy(in, out); in.Close() })
			}
			w.mu.Unlock()
		}
	})
	t.Cleanup(func() { w.sever(); l.Close(); w.done.Wait() })
	return w
}

func (w *wire) sever() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.open {
		c.Close()
	}
	w.open = nil
}

func (w *wire) mend() { w.mu.Lock(); defer w.mu.Unlock(); w.cut = false }

// behind returns the server as seen through a wire.
func (s *server) behind(w *wire) *server {
	other := *s
	other.client.Host = w.listener.Addr().String()
	return &other
}

func TestD7KilledProcessIsGoneWithinTheTTLAndNotBefore(t *testing.T) {
	s := newServer(t)
	w := newWire(t, s.client.Host)
	victim, other := newProcess(t, s.behind(w)), newProcess(t, s)
	register(t, victim, target("g", "victim"))
	eventually(t, "listed", "g/victim", func() string { return ids(other) })
	time.Sleep(2 * leaseTTL)
	if got := ids(other); got != "g/victim" {
		t.Fatalf("listed = %q; want the living process after two TTLs", got)
	}
	w.sever()
	took := eventually(t, "listed", "", func() string { return ids(other) })
	// The lease was renewed a third of its time ago at most; etcd looks twice a second, the registry once.
	if took < leaseTTL/2 || took > leaseTTL+2500*time.Millisecond {
		t.Errorf("gone after %s; want about the TTL, %s", took, leaseTTL)
	}
	if got := ids(victim); got != "g/victim" {
		t.Errorf("the process that is cut off lists %q; want what it knew", got)
	}
	w.mend()
	eventually(t, "listed", "g/victim", func() string { return ids(other) })
}

func TestD8LateCloseOfTheOldProcessLeavesTheNewOne(t *testing.T) {
	s := newServer(t)
	older, newer := newProcess(t, s), newProcess(t, s)
	old := register(t, older, target("g", "one"))
	register(t, newer, target("g", "one"))
	if err := old.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := older.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := older.store.Close(t.Context()); err != nil { // revokes the lease
		t.Fatal(err)
	}
	time.Sleep(leaseTTL)
	if got := ids(newer); got != "g/one" || !strings.Contains(s.keys(), "/targets/g/one") {
		t.Errorf("listed = %q, in etcd %q; want the successor", got, s.keys())
	}
}

func TestD9OutageIsServedAndConverges(t *testing.T) {
	s := newServer(t)
	a, b := newProcess(t, s), newProcess(t, s)
	register(t, a, target("g", "held"))
	if err := a.Sync(t.Context(), "h", []discovery.Target{target("h", "1"), target("h", "2")}); err != nil {
		t.Fatal(err)
	}
	short := target("g", "heartbeat")
	short.TTL = discovery.Duration(2 * time.Second)
	if _, err := b.Put(t.Context(), short, 0); err != nil {
		t.Fatal(err)
	}
	const all = "g/heartbeat g/held h/1 h/2"
	eventually(t, "listed", all, func() string { return ids(b) })
	s.stop()
	for end := time.Now().Add(3 * leaseTTL); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ids(a) != all || ids(b) != all || !strings.HasPrefix(body(a), "200") {
			t.Fatalf("listed = %q and %q during the outage; want %q", ids(a), ids(b), all)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := a.Register(ctx, target("g", "new")); err == nil {
		t.Error("a registration during the outage succeeded")
	}
	s.start()
	began := time.Now()
	register(t, b, target("g", "new"))
	want := "g/held g/new h/1 h/2" // the heartbeat had one TTL to come, and did not
	eventually(t, "listed", want, func() string { return ids(a) })
	eventually(t, "listed", want, func() string { return ids(b) })
	if took := time.Since(began); took > 2*time.Second+3*time.Second {
		t.Errorf("converged after %s", took)
	}
	time.Sleep(2 * leaseTTL) // beyond the life of the old leases
	if ids(a) != want || ids(b) != want {
		t.Errorf("listed = %q and %q; want %q to last", ids(a), ids(b), want)
	}
}

func TestD10RevokedLeaseIsReplacedAndAllPutAgain(t *testing.T) {
	s := newServer(t)
	a, b := newProcess(t, s), newProcess(t, s)
	one := register(t, a, target("g", "1"))
	register(t, a, target("g", "2"))
	eventually(t, "listed", "g/1 g/2", func() string { return ids(b) })
	entry, err := s.raw.Get(t.Context(), prefix+"/targets/g/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw.Revoke(t.Context(), clientv3.LeaseID(entry.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	took := eventually(t, "put again", "2", func() string { return fmt.Sprint(a.store.Stats().PutAgain) })
	if took > leaseTTL {
		t.Errorf("put again after %s; want within one TTL, %s", took, leaseTTL)
	}
	eventually(t, "listed", "g/1 g/2", func() string { return ids(b) })
	// Its generation is another now, and the registrant does not know that.
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "listed", "g/2", func() string { return ids(b) })
}

// TestRevokedLeaseIsSeenByTheNextRegistration has the lease gone between two signs of life of it.
func TestRevokedLeaseIsSeenByTheNextRegistration(t *testing.T) {
	s := newServer(t)
	a := newProcess(t, s)
	register(t, a, target("g", "1"))
	entry, err := s.raw.Get(t.Context(), prefix+"/targets/g/1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw.Revoke(t.Context(), clientv3.LeaseID(entry.Kvs[0].Lease)); err != nil {
		t.Fatal(err)
	}
	register(t, a, target("g", "2"))
	eventually(t, "listed", "g/1 g/2", func() string { return ids(a) })
}

// TestSuccessorIsNotTakenBack has a process lose its lease after another has registered under its name.
func TestSuccessorIsNotTakenBack(t *testing.T) {
	s := newServer(t)
	w := newWire(t, s.client.Host)
	older, newer := newProcess(t, s.behind(w)), newProcess(t, s)
	register(t, older, target("g", "1"))
	w.sever()
	successor := target("g", "1")
	successor.Address = "10.0.0.2:9464"
	register(t, newer, successor)
	time.Sleep(leaseTTL + time.Second)
	w.mend()
	eventually(t, "yielded", "1", func() string { return fmt.Sprint(older.store.Stats().Yielded) })
	eventually(t, "the old one's answer", "true", func() string { return fmt.Sprint(strings.Contains(body(older), "10.0.0.2")) })
}

// TestD10CompactionDuringADisconnect cuts a reader off, changes everything, and compacts what he has not seen.
func TestD10CompactionDuringADisconnect(t *testing.T) {
	s := newServer(t)
	w := newWire(t, s.client.Host)
	reader, writer := newProcess(t, s.behind(w)), newProcess(t, s)
	one := register(t, writer, target("g", "1"))
	eventually(t, "listed", "g/1", func() string { return ids(reader) })
	w.sever()
	register(t, writer, target("g", "2"))
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	now, err := s.raw.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw.Compact(t.Context(), now.Header.Revision); err != nil {
		t.Fatal(err)
	}
	w.mend()
	eventually(t, "listed", "g/2", func() string { return ids(reader) })
}

func TestD15RacingRegistriesHaveOneTruthConcurrentSafe(t *testing.T) {
	s := newServer(t)
	a, b := newProcess(t, s), newProcess(t, s)
	for n := range 20 {
		var race sync.WaitGroup
		for i, p := range []process{a, b} {
			race.Go(func() {
				mine := target("g", "contested")
				mine.Address = fmt.Sprintf("10.0.%d.%d:9464", i, n)
				if _, err := p.Register(t.Context(), mine); err != nil {
					t.Error(err)
				}
				own := []discovery.Target{}
				for id := range 70 { // more than a transaction holds
					own = append(own, target("s", fmt.Sprintf("%d-%d-%02d", i, n, id)))
				}
				if err := p.Sync(t.Context(), "s", own); err != nil && !errors.Is(err, discovery.ErrReplaced) {
					t.Error(err)
				}
			})
		}
		race.Wait()
		got := s.keys()
		first, second := strings.Count(got, fmt.Sprintf("/s/0-%d-", n)), strings.Count(got, fmt.Sprintf("/s/1-%d-", n))
		if first+second != 70 || first != 0 && second != 0 || strings.Count(got, "/s/") != 70 {
			t.Fatalf("round %d: %d targets of one and %d of the other; want one of the two groups, whole", n, first, second)
		}
	}
	eventually(t, "the answers agree", "true", func() string { return fmt.Sprint(body(a) == body(b)) })
	if got := ids(a); strings.Count(got, "g/") != 1 || strings.Count(got, "s/") != 70 {
		t.Errorf("listed = %q; want one contested target and one whole group", got)
	}
	if got := s.keys(); strings.Contains(got, "/sync/") {
		t.Errorf("left in etcd: %s", got)
	}
}

// TestHeartbeats shows that an entry nobody holds lives by its signs of life, in every registry, and leaves nothing behind.
func TestHeartbeats(t *testing.T) {
	s := newServer(t)
	a, b := newProcess(t, s), newProcess(t, s)
	short := target("g", "1")
	short.TTL = discovery.Duration(2 * time.Second)
	generation, err := a.Put(t.Context(), short, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		time.Sleep(time.Second)
		p := []process{a, b}[generation%2]
		if again, err := p.Put(t.Context(), short, generation); err != nil || again != generation {
			t.Fatalf("generation %d, then %d, error %v", generation, again, err)
		}
	}
	if ids(a) != "g/1" || ids(b) != "g/1" {
		t.Fatalf("listed = %q and %q; want it alive", ids(a), ids(b))
	}
	eventually(t, "listed", "", func() string { return ids(b) })
	eventually(t, "left in etcd", "", s.keys)
}

// TestReasons shows that what somebody asked for is told apart from what died.
func TestReasons(t *testing.T) {
	s := newServer(t)
	a := newProcess(t, s)
	one := register(t, a, target("g", "1"))
	register(t, a, target("g", "2"))
	f := follow(t, a)
	eventually(t, "lists", "1", f.see(func() string { return fmt.Sprint(f.loads) }))
	if err := one.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "tells of a change", "1", f.see(func() string { return fmt.Sprint(len(f.events)) }))
	if err := a.store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(len(f.events), f.events[0].Entry.Target.ID, f.events[0].Reason); got != "11removed" && got != "1 1 removed" {
		t.Errorf("events = %+v; want the removal of 1 for the reason removed", f.events)
	}
}
