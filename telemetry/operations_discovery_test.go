package telemetry_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"

	"github.com/duotel/duotel/telemetry"
)

// registering starts a process whose registry answers its first signs of life with these statuses, and then with 204, and waits until
// the state has been reached.
func registering(state telemetry.DiscoveryState, statuses ...int) func(*scene) {
	return func(s *scene) {
		var asked atomic.Int32
		registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			status := http.StatusNoContent
			if n := int(asked.Add(1)); n <= len(statuses) {
				status = statuses[n-1]
			}
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(status)
		}))
		s.Cleanup(registry.Close)
		s.listedAt(registry.URL, state)
	}
}

func (s *scene) listedAt(url string, state telemetry.DiscoveryState) {
	s.Helper()
	s.start(listening(url))
	if s.sdk == nil {
		s.Fatal(s.said[inError])
	}
	eventually(s.T, string(state), func() bool { return s.sdk.Status().Discovery.State == state })
}

var discovered = map[string]func(*scene){
	"the process is listed": registering(telemetry.DiscoveryListed),
	"it cannot be listed":   func(s *scene) { s.listedAt("http://127.0.0.1:1", telemetry.DiscoveryFailing) },
	"the registry refuses it": registering(telemetry.DiscoveryFailing,
		http.StatusForbidden, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden, http.StatusForbidden),
	"it is well again": registering(telemetry.DiscoveryListed, http.StatusServiceUnavailable),
}
