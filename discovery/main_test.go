package discovery_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"

	"github.com/duotel/duotel/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// loopback is the policy of tests whose targets are on this machine.
var loopback = discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// start returns a registry that ends with the test.
func start(t *testing.T, cfg discovery.Config) *discovery.Registry {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = noop.NewMeterProvider()
	}
	r, err := discovery.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// target returns a valid target.
func target(group, id string) discovery.Target {
	return discovery.Target{Group: group, ID: id, Address: "10.0.0.1:9464"}
}

// ids returns group/id of what the registry lists, joined.
func ids(t *testing.T, r *discovery.Registry, q discovery.Query) string {
	t.Helper()
	list, err := r.Targets(q)
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(list))
	for _, l := range list {
		names = append(names, l.Target.Key().String())
	}
	return strings.Join(names, " ")
}

// get asks the handler.
func get(h http.Handler, url string, header http.Header) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodGet, url, nil)
	for name, values := range header {
		req.Header[name] = values
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// group is one element of the answer.
type group struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// answer decodes what Prometheus would read.
func answer(t *testing.T, body io.Reader) []group {
	t.Helper()
	var groups []group
	decoder := json.NewDecoder(body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&groups); err != nil {
		t.Fatal(err)
	}
	return groups
}

// silence is longer than any check of the registry takes.
const silence = 3 * time.Second
