package discovery_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duotel/duotel/discovery"
)

// page is a target's page whose status can be changed.
func page(t *testing.T, status *atomic.Int64) (address string, asked *atomic.Int64) {
	t.Helper()
	asked = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if code := int(status.Load()); code/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
		} else {
			w.WriteHeader(code)
		}
	}))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), asked
}

// waitFor returns when the only target has that health.
func waitFor(t *testing.T, r *discovery.Registry, want discovery.Health) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for list := range r.Watch(ctx, discovery.Query{}) {
		if len(list) == 1 && list[0].Health == want {
			return
		}
	}
	t.Fatalf("the target did not become %s", want)
}

func TestProbeHasHysteresis(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusOK)
	address, asked := page(t, &status)
	r := start(t, discovery.Config{Addresses: loopback, Probe: &discovery.Probe{Interval: 10 * time.Millisecond}})
	member := target("a", "1")
	member.Address = address
	if _, err := r.Register(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	waitFor(t, r, discovery.Healthy)
	before := asked.Load()
	status.Store(http.StatusInternalServerError)
	waitFor(t, r, discovery.Unhealthy)
	if n := asked.Load() - before; n < 2 {
		t.Errorf("unhealthy after %d probes; want two failures", n)
	}
	if got := ids(t, r, discovery.Query{Health: []discovery.Health{discovery.Healthy, discovery.Unknown}}); got != "" {
		t.Errorf("passing = %q; want nothing", got)
	}
	status.Store(http.StatusUnauthorized) // it is there, and wants credentials that a registry has not
	waitFor(t, r, discovery.Healthy)
}

// TestD13RedirectsAreNotFollowed shows that a redirect, which could lead anywhere, is a failure.
func TestD13RedirectsAreNotFollowed(t *testing.T) {
	var status atomic.Int64
	status.Store(http.StatusFound)
	address, _ := page(t, &status)
	r := start(t, discovery.Config{Addresses: loopback, Probe: &discovery.Probe{Interval: 10 * time.Millisecond}})
	member := target("a", "1")
	member.Address = address
	if _, err := r.Register(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	waitFor(t, r, discovery.Unhealthy)
}

func TestNewRefusesAProbeThatIsNone(t *testing.T) {
	for _, probe := range []discovery.Probe{{Interval: -1}, {Timeout: -1}, {Concurrency: -1}} {
		if _, err := discovery.New(discovery.Config{Probe: &probe}); err == nil {
			t.Errorf("%+v: no error", probe)
		}
	}
}
