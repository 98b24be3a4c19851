package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duotel/duotel/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *http.ServeMux {
	t.Helper()
	registry, err := discovery.New(discovery.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close(context.Background()) })
	mux := http.NewServeMux()
	newCoordinator(registry).mount(mux)
	return mux
}

func send(t *testing.T, mux *http.ServeMux, method, path, body string, status int) string {
	t.Helper()
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != status {
		t.Fatalf("%s %s: status %d; want %d: %s", method, path, w.Code, status, w.Body)
	}
	return w.Body.String()
}

// discovered returns, by address, the labels that Prometheus puts on the series.
func discovered(t *testing.T, mux *http.ServeMux) map[string]map[string]string {
	t.Helper()
	var groups []struct {
		Targets []string
		Labels  map[string]string
	}
	if err := json.Unmarshal([]byte(send(t, mux, http.MethodGet, "/sd", "", http.StatusOK)), &groups); err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]string{}
	for _, g := range groups {
		labels := map[string]string{}
		for name, value := range g.Labels {
			if !strings.HasPrefix(name, "__") {
				labels[name] = value
			}
		}
		for _, address := range g.Targets {
			found[address] = labels
		}
	}
	return found
}

func labels(circuit, session, worker string) map[string]string {
	return map[string]string{"circuit_id": circuit, "session_id": session, "worker_authority": worker}
}

// TestDiscoveredAreTheHealthyRoutes goes through the life of two circuits.
func TestDiscoveredAreTheHealthyRoutes(t *testing.T) {
	mux := start(t)
	steps := []struct {
		name, method, path, body string
		want                     map[string]map[string]string
	}{
		{
			"create, one route unhealthy", "PUT", "/circuits/17",
			`{"session_id":"s-1","worker_authority":"w-1:10200","routes":[{"id":"a","address":"10.0.0.1:80","healthy":true},{"id":"b","address":"10.0.0.2:80"}]}`,
			map[string]map[string]string{"10.0.0.1:80": labels("17", "s-1", "w-1:10200")},
		},
		{
			"another circuit with a route of the same id", "PUT", "/circuits/18",
			`{"session_id":"s-2","worker_authority":"w-1:10200","routes":[{"id":"a","address":"10.0.0.3:80","healthy":true}]}`,
			map[string]map[string]string{"10.0.0.1:80": labels("17", "s-1", "w-1:10200"), "10.0.0.3:80": labels("18", "s-2", "w-1:10200")},
		},
		{
			"update: health turns, the worker changes", "PUT", "/circuits/17",
			`{"session_id":"s-1","worker_authority":"w-2:10200","routes":[{"id":"a","address":"10.0.0.1:80"},{"id":"b","address":"10.0.0.2:80","healthy":true}]}`,
			map[string]map[string]string{"10.0.0.2:80": labels("17", "s-1", "w-2:10200"), "10.0.0.3:80": labels("18", "s-2", "w-1:10200")},
		},
		{
			"the last route goes", "PUT", "/circuits/17", `{"session_id":"s-1","worker_authority":"w-2:10200","routes":[]}`,
			map[string]map[string]string{"10.0.0.3:80": labels("18", "s-2", "w-1:10200")},
		},
		{"delete the other", "DELETE", "/circuits/18", "", map[string]map[string]string{}},
	}
	for _, s := range steps {
		send(t, mux, s.method, s.path, s.body, http.StatusNoContent)
		if got := discovered(t, mux); !reflect.DeepEqual(got, s.want) {
			t.Fatalf("%s: discovered %v; want %v", s.name, got, s.want)
		}
	}
}

// TestRefusedChangesNothing sends one defect each to a circuit that is there.
func TestRefusedChangesNothing(t *testing.T) {
	mux := start(t)
	send(t, mux, "PUT", "/circuits/17", `{"session_id":"s","worker_authority":"w","routes":[{"id":"a","address":"10.0.0.1:80","healthy":true}]}`, http.StatusNoContent)
	before, listed := discovered(t, mux), send(t, mux, "GET", "/circuits", "", http.StatusOK)
	tests := []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/circuits/17", `{"session_id":"","worker_authority":"w"}`, 400, `session_id=""`},
		{"PUT", "/circuits/17", `{"session_id":"s","worker_authority":""}`, 400, `worker_authority=""`},
		{"PUT", "/circuits/17", `{"sesion_id":"s"}`, 400, `sesion_id`},
		{"PUT", "/circuits/17", `{"session_id":"s","worker_authority":"w","routes":[{"id":"a","address":"nowhere","healthy":true}]}`, 400, `Address="nowhere"`},
		{"DELETE", "/circuits/99", "", 404, `id="99"`},
	}
	for _, tt := range tests {
		if got := send(t, mux, tt.method, tt.path, tt.body, tt.status); !strings.Contains(got, tt.says) {
			t.Errorf("%s %s: %q does not say %q", tt.method, tt.body, got, tt.says)
		}
		if got := discovered(t, mux); !reflect.DeepEqual(got, before) {
			t.Errorf("%s %s: discovered %v; want %v", tt.method, tt.body, got, before)
		}
		if got := send(t, mux, "GET", "/circuits", "", http.StatusOK); got != listed {
			t.Errorf("%s %s: circuits %s; want %s", tt.method, tt.body, got, listed)
		}
	}
}
