package oracletest_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"
	promdiscovery "github.com/prometheus/prometheus/discovery"
	promhttp "github.com/prometheus/prometheus/discovery/http"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/discovery"
)

// sdReader is Prometheus's discovery/http, asking whatever handler it is given.
type sdReader struct {
	handler atomic.Pointer[http.Handler]
	reader  *promhttp.Discovery
}

func newSDReader(f *testing.F) *sdReader {
	f.Helper()
	s := &sdReader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { (*s.handler.Load()).ServeHTTP(w, req) }))
	f.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	registerer := prometheus.NewRegistry()
	sd := promhttp.DefaultSDConfig
	sd.URL = server.URL + "/sd"
	var err error
	s.reader, err = promhttp.NewDiscovery(&sd, promdiscovery.DiscovererOptions{
		SetName: "test", Metrics: sd.NewDiscovererMetrics(registerer, promdiscovery.NewRefreshMetrics(registerer)),
	})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

// agrees sees that Prometheus reads from a registry all that it lists, with labels that Prometheus can use.
func (s *sdReader) agrees(t *testing.T, r *discovery.Registry) (n int) {
	t.Helper()
	listed, err := r.Targets(discovery.Query{})
	if err != nil {
		t.Fatal(err)
	}
	handler := r.Handler()
	s.handler.Store(&handler)
	groups, err := s.reader.Refresh(t.Context())
	if err != nil {
		t.Fatalf("Prometheus refuses the list of %+v: %v", listed, err)
	}
	read := map[string]model.LabelSet{}
	for _, group := range groups {
		if len(group.Targets) == 0 {
			continue // Prometheus's own word for a group that is not there any more
		}
		if err := group.Labels.Validate(); err != nil || len(group.Targets) != 1 {
			t.Errorf("%+v: %v", group, err)
		}
		for name := range group.Labels {
			if !model.LegacyValidation.IsValidLabelName(string(name)) {
				t.Errorf("label %q is none that every Prometheus takes", name)
			}
		}
		key := string(group.Labels["__meta_duotel_group"]) + "/" + string(group.Labels["__meta_duotel_id"])
		read[key] = group.Labels.Merge(group.Targets[0])
	}
	if len(read) != len(listed) {
		t.Errorf("Prometheus reads %d targets of %d", len(read), len(listed))
	}
	for _, l := range listed {
		got := read[l.Target.Key().String()]
		want := model.LabelSet{
			"__address__": model.LabelValue(l.Target.Address), "__metrics_path__": model.LabelValue(l.Target.Path),
			"__scheme__": model.LabelValue(l.Target.Scheme), "__meta_duotel_health": model.LabelValue(l.Health),
		}
		for name, values := range l.Target.Params {
			want[model.LabelName("__param_"+name)] = model.LabelValue(values[0])
		}
		for name, value := range l.Target.Labels {
			want[model.LabelName(name)] = model.LabelValue(value)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: Prometheus reads %s=%q; want %q", l.Target.Key(), name, got[name], value)
			}
		}
	}
	return len(listed)
}

// registryOver returns a registry that ends with the test and has read its store.
func registryOver(t *testing.T, store discovery.Store) *discovery.Registry {
	t.Helper()
	r, err := discovery.New(discovery.Config{Store: store, Logger: slog.New(slog.DiscardHandler), MeterProvider: noop.NewMeterProvider()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	})
	for range r.Watch(t.Context(), discovery.Query{}) {
		break
	}
	return r
}

// FuzzRegistrationAgainstPrometheus registers whatever a client may send, as a target and as a group: what is
// taken has to be what Prometheus reads, and what is not has to be the client's fault.
func FuzzRegistrationAgainstPrometheus(f *testing.F) {
	s := newSDReader(f)
	for _, body := range []string{
		`{"address":"10.0.0.1:9464","scheme":"https","path":"/m é","params":{"a":["b&c"]},"labels":{"l":"\u2028<>"},"meta":{"a.b":"\u0000"},"ttl":"1h"}`,
		`{"address":"[2001:db8::1]:1","labels":{"__x":"1"}}`, `{"address":"a:1","meta":{"":""}}`, `{"address":"a:1","labels":{"a":"\ud800"}}`, `null`, `[]`, "\xff",
	} {
		f.Add(body, `[`+body+`]`)
	}
	f.Fuzz(func(t *testing.T, target, group string) {
		r := registryOver(t, discovery.NewMemory())
		api := r.API(nil)
		taken := 0
		for path, body := range map[string]string{"/v1/targets/one/1": target, "/v1/groups/many": group} {
			req := httptest.NewRequest(http.MethodPut, path, strings.NewReader(body))
			req.RemoteAddr = "127.0.0.1:1"
			w := httptest.NewRecorder()
			api.ServeHTTP(w, req)
			switch w.Code {
			case http.StatusNoContent:
				taken++
			case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			default:
				t.Errorf("%s: HTTP %d %s; want 204, 400 or 413", path, w.Code, w.Body)
			}
		}
		if n := s.agrees(t, r); taken == 0 && n > 0 {
			t.Errorf("%d targets of requests that were refused", n)
		}
	})
}

// FuzzStoreAgainstPrometheus has a store that somebody else has written.
func FuzzStoreAgainstPrometheus(f *testing.F) {
	s := newSDReader(f)
	for _, text := range []string{
		`[{"group":"a","id":"1","address":"10.0.0.1:1"},{"group":"a","id":"1","address":"10.0.0.2:1"},{"group":"b","id":"1","address":"127.0.0.1:1"}]`,
		`[null, 7, {"group":"a","id":"2","address":"10.0.0.2:1","labels":{"":"x"}}, {"group":"a","id":"3","address":"10.0.0.3:1","labels":{"a":7}}]`,
		`[{"Group":"a","ID":"1","ADDRESS":"10.0.0.1:1","meta":{"é":"1","è":"2"}}]`, "[\"\xff\"]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "targets.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		store, err := discovery.OpenMemory(path, nil)
		if err != nil {
			return // said at the start, before anything is served
		}
		t.Cleanup(func() { _ = store.Close(t.Context()) })
		s.agrees(t, registryOver(t, store))
	})
}
