package etcdtest

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/discovery/etcd"
)

// The server's own log rotation leaves this one behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

const (
	prefix   = "/test"
	leaseTTL = 2 * time.Second
	patience = 20 * time.Second // for what must happen
)

// server is an etcd that can be stopped, and started again with its data at its address.
type server struct {
	t            *testing.T
	dir          string
	client, peer url.URL
	tls          *transport.TLSInfo // nil for none
	etcd         *embed.Etcd
	raw          *clientv3.Client
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), client: free(t), peer: free(t)}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// free returns the URL of a port that nobody has.
func free(t *testing.T) url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: "http", Host: l.Addr().String()}
}

func (s *server) start() {
	s.t.Helper()
	cfg := embed.NewConfig()
	cfg.Dir, cfg.Name = s.dir, "one"
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{s.client}, []url.URL{s.client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{s.peer}, []url.URL{s.peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 20, 200 // the shortest lease is 1.5 elections
	cfg.UnsafeNoFsync = true
	client := clientv3.Config{Endpoints: []string{s.client.Host}, Logger: zap.NewNop()}
	if s.tls != nil {
		cfg.ClientTLSInfo = *s.tls
		config, err := s.tls.ClientConfig()
		if err != nil {
			s.t.Fatal(err)
		}
		client.TLS = config
	}
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	var err error
	if s.etcd, err = embed.StartEtcd(cfg); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
	case <-time.After(patience):
		s.t.Fatal("etcd does not start")
	}
	if s.raw, err = clientv3.New(client); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) stop() {
	if s.etcd != nil {
		_ = s.raw.Close()
		s.etcd.Close()
		s.etcd = nil
	}
}

// put writes what the store has not written.
func (s *server) put(key, value string) {
	s.t.Helper()
	if _, err := s.raw.Put(s.t.Context(), prefix+key, value); err != nil {
		s.t.Fatal(err)
	}
}

// keys returns what is in etcd.
func (s *server) keys() string {
	s.t.Helper()
	all, err := s.raw.Get(s.t.Context(), prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, kv := range all.Kvs {
		names = append(names, strings.TrimPrefix(string(kv.Key), prefix))
	}
	return strings.Join(names, " ")
}

func logger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// process is one registry with a store of its own, as in a process of its own.
type process struct {
	*discovery.Registry
	store *etcd.Store
}

func newProcess(t *testing.T, s *server) process {
	t.Helper()
	store, err := etcd.Open("etcd://"+s.client.Host+prefix, etcd.Config{TTL: leaseTTL, DialTimeout: time.Second, Logger: logger(t)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := discovery.New(discovery.Config{
		Store: store, Logger: logger(t), MeterProvider: noop.NewMeterProvider(),
		Addresses: discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := process{r, store}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		_ = p.Close(ctx) // the server may be gone already; goleak sees what stays
		_ = p.store.Close(ctx)
	})
	return p
}

func target(group, id string) discovery.Target {
	return discovery.Target{Group: group, ID: id, Address: "10.0.0.1:9464"}
}

// ids returns what a registry lists.
func ids(p process) string {
	list, err := p.Targets(discovery.Query{})
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, l := range list {
		names = append(names, l.Target.Key().String())
	}
	return strings.Join(names, " ")
}

// body is the answer to Prometheus.
func body(p process) string {
	w := httptest.NewRecorder()
	p.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/sd", nil))
	return fmt.Sprint(w.Code, " ", w.Body)
}

// eventually waits until f returns want, and returns how long that took.
func eventually(t *testing.T, what, want string, f func() string) time.Duration {
	t.Helper()
	began := time.Now()
	for got := f(); got != want; got = f() {
		if time.Since(began) > patience {
			t.Fatalf("%s = %q; want %q", what, got, want)
		}
		time.Sleep(10 * time.Millisecond) // the registry is watched from outside, as Prometheus would
	}
	return time.Since(began)
}

func register(t *testing.T, p process, target discovery.Target) *discovery.Registration {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	registration, err := p.Register(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	return registration
}

// keysAs is keys for an etcd that wants to know who asks.
func (s *server) keysAs(t *testing.T, user, password string) string {
	t.Helper()
	config, err := s.tls.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{s.client.Host}, Logger: zap.NewNop(), TLS: config, Username: user, Password: password, DialTimeout: time.Second})
	if err != nil {
		return err.Error()
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	all, err := client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, kv := range all.Kvs {
		names = append(names, string(kv.Key))
	}
	return strings.Join(names, " ")
}
