package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
)

// fleet is a registry of two servers on one etcd, and a Prometheus that asks each of them.
type fleet struct {
	t        *testing.T
	etcd     *servers.Etcd
	link     *servers.Link // between the second registry and etcd
	registry [2]*servers.Service
	p        *servers.Prometheus
}

func startFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, etcd: servers.StartEtcd(t)}
	f.link = servers.StartLink(t, f.etcd.Address)
	addresses := [2]string{f.etcd.Address, f.link.Address}
	cfg := servers.PrometheusConfig{}
	for i := range f.registry {
		f.registry[i] = servers.StartService(t, servers.Program(t, "cmd/duotel"), nil,
			"sd", "-listen", "127.0.0.1:0", "-store", "etcd://"+addresses[i]+"/e2e", "-allow-addresses", "127.0.0.0/8")
		cfg.Jobs = append(cfg.Jobs, servers.Job{Name: fmt.Sprint("sd-", i), Protocol: protocols["text"], SD: f.url(i) + "/sd"})
	}
	f.p = servers.StartPrometheus(t, cfg)
	return f
}

func (f *fleet) url(i int) string { return "http://" + f.registry[i].Address }

// service starts a process that registers itself at one of the two, and returns it with the address that it is listed at.
func (f *fleet) service(at int, id string) *servers.Service {
	f.t.Helper()
	address := servers.FreeAddress(f.t)
	return servers.StartService(f.t, servers.Program(f.t, "examples/flyte"), []string{
		"OTEL_SERVICE_NAME=fleet", "OTEL_RESOURCE_ATTRIBUTES=service.instance.id=" + id,
		"DUOTEL_DISCOVERY=" + f.url(at) + "/", "DUOTEL_DISCOVERY_ADDRESS=" + address,
	}, "-addr", address)
}

// answer is what one of the two tells Prometheus.
func (f *fleet) answer(i int) string {
	f.t.Helper()
	resp, err := http.Get(f.url(i) + "/sd")
	if err != nil {
		f.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		f.t.Fatalf("registry %d: %s %v: %s", i, resp.Status, err, body)
	}
	return string(body)
}

// scraped waits until Prometheus scrapes exactly these services, by both registries, and all of them are up.
func (f *fleet) scraped(when string, want ...*servers.Service) {
	f.t.Helper()
	var addresses []string
	for _, s := range want {
		addresses = append(addresses, s.Address)
	}
	slices.Sort(addresses)
	await(f.t, 75*time.Second, fmt.Sprintf("%s: both registries to list exactly %v", when, addresses), func() bool {
		for i := range f.registry {
			var up []string
			for _, s := range f.p.Query(fmt.Sprintf(`up{job="sd-%d"} == 1`, i)) {
				up = append(up, s.Labels["instance"])
			}
			slices.Sort(up)
			if !slices.Equal(up, addresses) {
				return false
			}
		}
		return true
	})
}

// TestDiscoveryFleet has services come, go, be killed and replaced while etcd fails, and wants Prometheus to scrape the right ones at every
// moment that is waited for.
func TestDiscoveryFleet(t *testing.T) {
	f := startFleet(t)
	await(t, 30*time.Second, "both registries to know that nothing is registered", func() bool {
		return strings.TrimSpace(f.answer(0)) == "[]" && strings.TrimSpace(f.answer(1)) == "[]"
	})

	a, b := f.service(0, "a"), f.service(1, "b")
	f.scraped("two services come", a, b)
	if f.answer(0) != f.answer(1) {
		t.Errorf("the registries differ:\n%s\n%s", f.answer(0), f.answer(1))
	}

	// A rolling deploy: the successor has the same id, and the old process says goodbye when it is there already.
	successor := f.service(1, "a")
	f.scraped("the successor is there", successor, b)
	a.Stop()
	time.Sleep(3 * time.Second) // the late goodbye has had its time
	f.scraped("the predecessor has gone", successor, b)

	b.Kill()
	killed := time.Now()
	// Its last sign of life was at most a third of its TTL, of 30 s, before it was killed.
	for time.Since(killed) < 18*time.Second {
		if !strings.Contains(f.answer(0), b.Address) || !strings.Contains(f.answer(1), b.Address) {
			t.Fatalf("%v after it was killed, within its TTL, the process is not listed", time.Since(killed))
		}
		time.Sleep(time.Second)
	}
	await(t, 34*time.Second-time.Since(killed), "what was killed to leave both lists within its TTL", func() bool {
		return !strings.Contains(f.answer(0), b.Address) && !strings.Contains(f.answer(1), b.Address)
	})
	f.scraped("what was killed has expired", successor)

	f.cutOff(successor)

	f.etcd.Kill()
	for range 5 {
		if !strings.Contains(f.answer(0), successor.Address) || !strings.Contains(f.answer(1), successor.Address) {
			t.Fatal("the list is not served while etcd is down")
		}
		time.Sleep(time.Second)
	}
	f.etcd.Restart(t)
	c := f.service(0, "c")
	f.scraped("etcd is back, and another service has come", successor, c)
	f.promtool(successor.Address, c.Address)

	c.Stop()
	f.scraped("one says goodbye", successor)
	successor.Stop()
	f.scraped("all have gone")
	await(t, 30*time.Second, "the list to be empty", func() bool {
		return strings.TrimSpace(f.answer(0)) == "[]" && strings.TrimSpace(f.answer(1)) == "[]"
	})
	addPrometheus(duotel, "HTTP SD: moments of a fleet on two registries and one etcd", 9, "0")
}

// cutOff partitions the second registry from etcd, and compacts etcd under it. It serves the list that it has, says how old that is, and knows
// everything again within a TTL when the network is back.
func (f *fleet) cutOff(stays *servers.Service) {
	f.t.Helper()
	f.link.Partition()
	came := f.service(0, "during-the-partition")
	await(f.t, 30*time.Second, "the first registry to list what has come", func() bool { return strings.Contains(f.answer(0), came.Address) })
	f.etcd.Compact(f.t)
	await(f.t, 30*time.Second, "the second registry to say how old its list is", func() bool {
		if text := f.answer(1); !strings.Contains(text, stays.Address) || strings.Contains(text, came.Address) {
			f.t.Fatalf("cut off from etcd, the second registry answers %s", text)
		}
		resp, err := http.Head(f.url(1) + "/sd")
		if err != nil {
			f.t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.Header.Get("Age") != "0"
	})
	f.link.Heal()
	await(f.t, 30*time.Second, "both registries to answer alike again", func() bool {
		return strings.Contains(f.answer(1), came.Address) && f.answer(0) == f.answer(1)
	})
	f.scraped("the network is back", stays, came)
	came.Stop()
	f.scraped("what came during the partition has gone", stays)
}

// promtool wants Prometheus's own tool to read the list as it is.
func (f *fleet) promtool(addresses ...string) {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "prometheus.yml")
	config := fmt.Sprintf("scrape_configs:\n  - job_name: fleet\n    http_sd_configs: [{url: %q}]\n", f.url(1)+"/sd")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		f.t.Fatal(err)
	}
	out := servers.Run(f.t, 0, servers.Promtool(f.t), "check", "service-discovery", "--timeout=5s", file, "fleet")
	for _, address := range addresses {
		if !strings.Contains(out, address) || !strings.Contains(out, "__meta_duotel_service_name") {
			f.t.Errorf("promtool does not find %s with its meta labels: %s", address, out)
		}
	}
}
