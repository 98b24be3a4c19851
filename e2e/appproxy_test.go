package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/servers"
)

// TestAppproxy has the real Prometheus ask the coordinator of the example whom to scrape, and wants its targets and the labels of their
// series to be exactly the healthy routes after every event of a circuit.
func TestAppproxy(t *testing.T) {
	coordinator := servers.StartService(t, servers.Program(t, "examples/appproxy"), nil, "-addr", "127.0.0.1:0", "-traefik")
	base := "http://" + coordinator.Address
	p := servers.StartPrometheus(t, servers.PrometheusConfig{Jobs: []servers.Job{{Name: "appproxy", Protocol: protocols["text"], SD: base + "/sd"}}})
	p.Await(30*time.Second, `count(up{component=~"coordinator|worker|traefik"} == 1) == 3`)

	route := func() string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			fmt.Fprint(w, "# TYPE app_sessions gauge\napp_sessions 1\n")
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	a, b := route(), route()
	steps := []struct {
		name, method, path, body string
		want                     map[string]string // address: the three labels
	}{
		{"create", http.MethodPut, "/circuits/17", fmt.Sprintf(`{"session_id":"s-1","worker_authority":"w-1","routes":[{"id":"a","address":%q,"healthy":true},{"id":"b","address":%q}]}`, a, b), map[string]string{a: "17 s-1 w-1"}},
		{"update", http.MethodPut, "/circuits/17", fmt.Sprintf(`{"session_id":"s-1","worker_authority":"w-2","routes":[{"id":"a","address":%q},{"id":"b","address":%q,"healthy":true}]}`, a, b), map[string]string{b: "17 s-1 w-2"}},
		{"another", http.MethodPut, "/circuits/18", fmt.Sprintf(`{"session_id":"s-2","worker_authority":"w-1","routes":[{"id":"a","address":%q,"healthy":true}]}`, a), map[string]string{a: "18 s-2 w-1", b: "17 s-1 w-2"}},
		{"delete", http.MethodDelete, "/circuits/17", "", map[string]string{a: "18 s-2 w-1"}},
		{"delete the last", http.MethodDelete, "/circuits/18", "", map[string]string{}},
	}
	for _, s := range steps {
		req, err := http.NewRequestWithContext(t.Context(), s.method, base+s.path, strings.NewReader(s.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNoContent {
			t.Fatalf("%s: %s", s.name, resp.Status)
		}
		want := slices.Sorted(maps.Keys(s.want))
		await(t, 60*time.Second, fmt.Sprintf("after %q exactly %v to be scraped", s.name, want), func() bool {
			found := map[string]string{}
			for _, sample := range p.Query(`app_sessions{job="appproxy"} and on (instance) up{job="appproxy"} == 1`) {
				l := sample.Labels
				found[l["instance"]] = l["circuit_id"] + " " + l["session_id"] + " " + l["worker_authority"]
			}
			return maps.Equal(found, s.want)
		})
	}
	addPrometheus(duotel, "the example appproxy: targets and labels after each event of a circuit", len(steps), "0")
}
