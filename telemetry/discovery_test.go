package telemetry_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

// registry is a real one behind a server, in front of which a test can stand.
type registry struct {
	*discovery.Registry
	url string
	// before is asked about each request before the registry is. It returns true where it has answered.
	before atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func (r *registry) meanwhile(f func(http.ResponseWriter, *http.Request) bool) { r.before.Store(&f) }

// ServeHTTP is the API.
func (r *registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if f := r.before.Load(); f != nil && (*f)(w, req) {
		return
	}
	r.API(nil).ServeHTTP(w, req)
}

func newRegistry(t *testing.T, start func(http.Handler) *httptest.Server) *registry {
	t.Helper()
	r := &registry{Registry: must(discovery.New(discovery.Config{
		Addresses: discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
		Logger:    slog.New(slog.DiscardHandler), MeterProvider: noop.NewMeterProvider(),
	}))}
	server := start(r)
	r.url = server.URL
	t.Cleanup(func() {
		server.Close()
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// listed waits until the registry has n targets, and returns them.
func (r *registry) listed(t *testing.T, n int) []discovery.Listed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for list := range r.Watch(ctx, discovery.Query{}) {
		if len(list) == n {
			return list
		}
	}
	t.Fatalf("the list never had %d targets", n)
	return nil
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %v", what, patience)
		}
	}
}

// listening is a Config with a listener on a free port.
func listening(url string) telemetry.Config {
	return telemetry.Config{
		ServiceName: "shop", ResourceAttributes: map[string]string{"service.instance.id": "shop-1", "service.version": "1.2"},
		Listener:  telemetry.ListenerConfig{Host: "127.0.0.1", Port: -1},
		Discovery: telemetry.DiscoveryConfig{URL: url},
	}
}

func pageOf(t *testing.T, url string) int {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	return res.StatusCode
}

// TestListedWhileThePageAnswers asks for the page whenever the registry hears of it: it must answer when the process comes, and still when it goes.
func TestListedWhileThePageAnswers(t *testing.T) {
	r := newRegistry(t, httptest.NewServer)
	var mu sync.Mutex
	var pages []string
	var sdk *telemetry.SDK
	known := make(chan struct{})
	r.meanwhile(func(_ http.ResponseWriter, req *http.Request) bool {
		<-known
		mu.Lock()
		defer mu.Unlock()
		pages = append(pages, fmt.Sprint(req.Method, " ", pageOf(t, "http://"+sdk.ListenerAddr()+"/metrics")))
		return false
	})
	sdk, log := newSDK(t, listening(r.url+"/"))
	close(known)
	list := r.listed(t, 1)
	want := discovery.Target{
		Group: "shop", ID: "shop-1", Address: sdk.ListenerAddr(), Scheme: "http", Path: "/metrics", TTL: discovery.Duration(discovery.DefaultTTL),
		Meta: map[string]string{"service_name": "shop", "service_version": "1.2", "service_instance_id": "shop-1"},
	}
	if got := list[0].Target; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("listed %+v, want %+v", got, want)
	}
	eventually(t, "the state", func() bool { return sdk.Status().Discovery.State == telemetry.DiscoveryListed })
	st := sdk.Status().Discovery
	if st.Since.IsZero() || st.LastSuccess.IsZero() || st.LastError != "" || st.Failures != 0 || st.Target != "shop/shop-1" || st.Address != sdk.ListenerAddr() || st.Registry != r.url+"/" {
		t.Errorf("status %+v", st)
	}
	page := scrape(sdk.MetricsHandler()).Body.String()
	if valueOn(t, page, "duotel_discovery_registered") != 1 || valueOn(t, page, "duotel_discovery_failures_total") != 0 || valueOn(t, page, "duotel_discovery_last_success_timestamp_seconds") < 1e9 {
		t.Error("the page does not say that the process is listed")
	}
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if list, err := r.Targets(discovery.Query{}); err != nil || len(list) != 0 {
		// The store has it at once; the list that is served hears of it a moment later.
		r.listed(t, 0)
	}
	if got := strings.Join(pages, ", "); got != "PUT 200, DELETE 200" {
		t.Errorf("the page's answers: %s", got)
	}
	if pageOf(t, "http://"+st.Address+"/metrics") != 0 {
		t.Error("the listener is open after Shutdown")
	}
	if st := sdk.Status().Discovery; st.State != telemetry.DiscoveryStopped {
		t.Errorf("status %+v", st)
	}
	if n := strings.Count(log.String(), "discovery: "); n != 1 || !strings.Contains(log.String(), `msg="discovery: listed" registry=`+r.url+"/ target=shop/shop-1 address="+st.Address) {
		t.Errorf("%d lines about discovery in\n%s", n, log)
	}
}

// TestRegistryThatIsDown at the start delays nothing, and has the process when it is up.
func TestRegistryThatIsDown(t *testing.T) {
	r := newRegistry(t, httptest.NewServer)
	r.meanwhile(func(w http.ResponseWriter, _ *http.Request) bool {
		http.Error(w, "not yet", http.StatusServiceUnavailable)
		return true
	})
	sdk, log := newSDK(t, listening(r.url))
	eventually(t, "a failure", func() bool { return sdk.Status().Discovery.Failures > 1 })
	st := sdk.Status().Discovery
	if st.State != telemetry.DiscoveryFailing || !strings.Contains(st.LastError, "HTTP 503: not yet") || st.ConsecutiveFailures < 2 || !st.LastSuccess.IsZero() {
		t.Errorf("status %+v", st)
	}
	page := scrape(sdk.MetricsHandler()).Body.String()
	if valueOn(t, page, "duotel_discovery_registered") != 0 || valueOn(t, page, "duotel_discovery_failures_total") < 2 || strings.Contains(page, "duotel_discovery_last_success") {
		t.Error("the page does not say that the process is not listed")
	}
	r.meanwhile(func(http.ResponseWriter, *http.Request) bool { return false })
	r.listed(t, 1)
	eventually(t, "the state", func() bool { return sdk.Status().Discovery.State == telemetry.DiscoveryListed })
	if st := sdk.Status().Discovery; st.LastError != "" || st.ConsecutiveFailures != 0 || st.Failures < 2 {
		t.Errorf("status %+v", st)
	}
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	said := log.String()
	if strings.Count(said, "discovery: failing; it is tried again") != 1 || strings.Count(said, "discovery: listed again") != 1 || strings.Count(said, "discovery: ") != 3 { // the third is in the error
		t.Errorf("the log has\n%s", said)
	}
}

// TestRegistryThatHangs has, at every moment, no more than half of Shutdown's time, and none of New's.
func TestRegistryThatHangs(t *testing.T) {
	for _, hang := range []string{http.MethodPut, http.MethodDelete} {
		t.Run(hang, func(t *testing.T) {
			r := newRegistry(t, httptest.NewServer)
			asked := make(chan struct{}, 10)
			r.meanwhile(func(_ http.ResponseWriter, req *http.Request) bool {
				if req.Method != hang {
					return false
				}
				_, _ = io.Copy(io.Discard, req.Body) // only then does the server see that the client has gone
				asked <- struct{}{}
				<-req.Context().Done()
				return true
			})
			begin := time.Now()
			sdk, _ := newSDK(t, listening(r.url))
			if took := time.Since(begin); took > slack {
				t.Errorf("New took %v", took)
			}
			if hang == http.MethodPut {
				<-asked
			} else {
				eventually(t, "the state", func() bool { return sdk.Status().Discovery.State == telemetry.DiscoveryListed })
			}
			address := sdk.ListenerAddr()
			err := shutdownBy(t, sdk, 500*time.Millisecond)
			if hang == http.MethodDelete && (err == nil || !strings.Contains(err.Error(), "shop/shop-1 stays listed for up to 30s")) {
				t.Errorf("Shutdown: %v", err)
			}
			if pageOf(t, "http://"+address+"/metrics") != 0 {
				t.Error("the listener is open after Shutdown")
			}
			if err != nil && strings.Contains(err.Error(), "requests were cut off") {
				t.Errorf("the listener had no time: %v", err)
			}
		})
	}
}

// TestSuccessorStays has another process register under the same name. The first one says so, stops, and its goodbye takes nothing.
func TestSuccessorStays(t *testing.T) {
	r := newRegistry(t, httptest.NewServer)
	sdk, _ := newSDK(t, listening(r.url))
	first := r.listed(t, 1)[0].Generation
	must(r.Put(t.Context(), discovery.Target{Group: "shop", ID: "shop-1", Address: "10.0.0.2:1"}, 0))
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if list := r.listed(t, 1); list[0].Generation == first || list[0].Target.Address != "10.0.0.2:1" {
		t.Errorf("listed %+v", list)
	}
}

// TestRegistryOverTLS has a registry with a certificate of its own that wants a token, which is written into its file only later.
func TestRegistryOverTLS(t *testing.T) {
	var server *httptest.Server
	r := newRegistry(t, func(h http.Handler) *httptest.Server {
		server = httptest.NewTLSServer(h)
		return server
	})
	r.meanwhile(func(w http.ResponseWriter, req *http.Request) bool {
		if token := req.Header.Get("Authorization"); token != "Bearer right" {
			http.Error(w, "no: "+token, http.StatusUnauthorized)
			return true
		}
		return false
	})
	cfg := listening(r.url)
	cfg.Discovery.Certificate = fileWith(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	cfg.Discovery.HeadersFile = fileWith(t, "headers", "Authorization=Bearer wrong-token")
	sdk, log := newSDK(t, cfg)
	eventually(t, "a failure", func() bool { return sdk.Status().Discovery.Failures > 0 })
	if st := sdk.Status().Discovery; !strings.Contains(st.LastError, "HTTP 401: no: (not shown)") || strings.Contains(st.LastError+log.String(), "wrong-token") {
		t.Errorf("status %+v, log\n%s", st, log)
	}
	rewrite(t, cfg.Discovery.HeadersFile, "Authorization=Bearer right")
	r.listed(t, 1)

	authority := string(must(os.ReadFile(cfg.Discovery.Certificate)))
	cfg.ResourceAttributes = map[string]string{"service.instance.id": "shop-2"}
	cfg.Discovery.Certificate = fileWith(t, "other.pem", string(must(os.ReadFile("testdata/web/server.crt"))))
	stranger, _ := newSDK(t, cfg)
	eventually(t, "a failure", func() bool { return stranger.Status().Discovery.Failures > 0 })
	if st := stranger.Status().Discovery; !strings.Contains(st.LastError, "certificate") {
		t.Errorf("with another authority: %+v", st)
	}
	rewrite(t, cfg.Discovery.Certificate, authority)
	r.listed(t, 2)
}

// TestRegistryThatRedirects is not followed: the headers would go along.
func TestRegistryThatRedirects(t *testing.T) {
	var led atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		led.Add(1)
		w.Header().Set("ETag", `"1"`)
	}))
	defer elsewhere.Close()
	r := newRegistry(t, httptest.NewServer)
	r.meanwhile(func(w http.ResponseWriter, req *http.Request) bool {
		http.Redirect(w, req, elsewhere.URL+"/?key=s3cr3t", http.StatusTemporaryRedirect)
		return true
	})
	sdk, log := newSDK(t, listening(r.url))
	eventually(t, "a failure", func() bool { return sdk.Status().Discovery.Failures > 0 })
	if st := sdk.Status().Discovery; !strings.Contains(st.LastError, "HTTP 307") || led.Load() != 0 || strings.Contains(log.String(), "s3cr3t") {
		t.Errorf("%d requests elsewhere, status %+v, log\n%s", led.Load(), st, log)
	}
}

// TestListedAsItIsServed has the scheme follow the listener's web configuration, and the address what is set.
func TestListedAsItIsServed(t *testing.T) {
	r := newRegistry(t, httptest.NewServer)
	cfg := listening(r.url)
	cfg.Listener.WebConfigFile = "testdata/web/good.yml"
	cfg.Discovery.Address = "shop-1.example:443"
	newSDK(t, cfg)
	if got := r.listed(t, 1)[0].Target; got.Scheme != "https" || got.Address != "shop-1.example:443" {
		t.Errorf("listed %+v", got)
	}
}

// TestMountedPageIsListedWhenItAnswers has no listener: the application serves the page itself, when it has got as far as that.
func TestMountedPageIsListedWhenItAnswers(t *testing.T) {
	r := newRegistry(t, httptest.NewServer)
	bound := must(net.Listen("tcp", "127.0.0.1:0"))
	address := bound.Addr().String()
	if err := bound.Close(); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 10)
	r.meanwhile(func(http.ResponseWriter, *http.Request) bool {
		asked <- struct{}{}
		return false
	})
	sdk, _ := newSDK(t, telemetry.Config{ServiceName: "shop", Discovery: telemetry.DiscoveryConfig{URL: r.url, Address: address}})
	select {
	case <-asked:
		t.Error("it is listed before anything listens")
	case <-time.After(300 * time.Millisecond): // time for what must not happen
	}
	bound = must(net.Listen("tcp", address))
	defer bound.Close()
	if got := r.listed(t, 1)[0].Target.Address; got != address {
		t.Errorf("listed %s", got)
	}
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// closing is a store that is closed, and counts how often.
type closing struct {
	*discovery.Memory
	closed atomic.Int32
}

func (c *closing) Close(context.Context) error { c.closed.Add(1); return nil }

// TestDiscoveryStore opens a store at the third attempt, is listed in it, held, and leaves it.
func TestDiscoveryStore(t *testing.T) {
	store := &closing{Memory: discovery.NewMemory()}
	r := must(discovery.New(discovery.Config{
		Store: store, Logger: slog.New(slog.DiscardHandler), MeterProvider: noop.NewMeterProvider(),
		Addresses: discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	}))
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	const url = "etcds://h1:2379,h2:2379/prefix"
	attempts := 0
	cfg := listening(url)
	cfg.Discovery.Username, cfg.Discovery.PasswordFile = "me", written(t, "s3cr3t\n")
	cfg.Discovery.Certificate = "testdata/web/server.crt"
	sdk, log := newSDK(t, cfg, telemetry.WithDiscoveryStore("etcd", func(_ context.Context, got discovery.StoreConfig) (discovery.Store, error) {
		attempts++
		switch {
		case got.URL != url || got.Username != "me" || got.Password.Reveal() != "s3cr3t" || got.TLS == nil || got.TLS.RootCAs == nil:
			t.Errorf("opened with %+v", got)
		case attempts == 1:
			return nil, errors.New("cannot open with " + got.Password.Reveal())
		case attempts == 2:
			panic("s3cr3t")
		}
		return store, nil
	}))
	(&registry{Registry: r}).listed(t, 1)
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	(&registry{Registry: r}).listed(t, 0)
	if n := store.closed.Load(); n != 1 {
		t.Errorf("the store was closed %d times", n)
	}
	st := sdk.Status().Discovery
	if st.Failures != 2 || !strings.Contains(log.String(), "cannot open with (not shown)") || strings.Contains(log.String()+fmt.Sprintf("%+v", st), "s3cr3t") {
		t.Errorf("status %+v, log\n%s", st, log)
	}
}

// TestDiscoveryStoreIsMissing wants the line of code that is.
func TestDiscoveryStoreIsMissing(t *testing.T) {
	memory := telemetry.WithDiscoveryStore("memory", func(context.Context, discovery.StoreConfig) (discovery.Store, error) {
		return discovery.NewMemory(), nil
	})
	tests := []struct {
		url  string
		opts []telemetry.Option
		says []string
	}{
		{"etcd://h:2379/p", []telemetry.Option{memory}, []string{`telemetry: DUOTEL_DISCOVERY="etcd://h:2379/p": `, `telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open)`, "github.com/duotel/duotel/discovery/etcd"}},
		{"etcds://h/p?token=s3cr3t", []telemetry.Option{memory}, []string{`Discovery.URL="etcds://h/p": has a query`}},
		{"etcd://me:s3cr3t@h/p", []telemetry.Option{memory}, []string{`(user not shown)": has a user name or password: DUOTEL_DISCOVERY_USERNAME and DUOTEL_DISCOVERY_PASSWORD_FILE`}},
		{"consul://h", nil, []string{`DUOTEL_DISCOVERY="consul://h": `, `the scheme "consul"`, `telemetry.WithDiscoveryStore("consul", …)`}},
		{"memory://h", []telemetry.Option{telemetry.WithDiscoveryStore("http", nil)}, []string{`telemetry: WithDiscoveryStore="http": `, `telemetry: WithDiscoveryStore="<nil>": is nil`}},
		{"memory://h", []telemetry.Option{memory, telemetry.WithDiscoveryStore("A B", func(context.Context, discovery.StoreConfig) (discovery.Store, error) { return nil, nil })}, []string{`telemetry: WithDiscoveryStore="A B": `, "lower-case"}},
	}
	for _, test := range tests {
		sdk, err := telemetry.New(t.Context(), listening(test.url), test.opts...)
		if err == nil {
			_ = sdk.Shutdown(t.Context())
			t.Errorf("%s: no error", test.url)
			continue
		}
		for _, part := range test.says {
			if !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("%s: %v\ndoes not say %q", test.url, err, part)
			}
		}
	}
}

// written returns the path of a file that holds text.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
