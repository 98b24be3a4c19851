package exporter_test

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/duotel/duotel/exporter"
)

// overSocket serves b over gRPC on one more listener.
func (b *backend) overSocket(tb testing.TB, listener net.Listener, options ...grpc.ServerOption) {
	tb.Helper()
	g := grpc.NewServer(options...)
	colmetricpb.RegisterMetricsServiceServer(g, b)
	var serving sync.WaitGroup
	serving.Go(func() { _ = g.Serve(listener) })
	tb.Cleanup(func() {
		g.Stop()
		serving.Wait()
	})
}

// F39: what gRPC itself can dial, the push can.
func TestF39GRPCTargets(t *testing.T) {
	b := newLoopback(t)
	host := strings.TrimPrefix(b.urls[exporter.ProtocolGRPC], "http://")
	_, port, _ := net.SplitHostPort(host)
	own := manual.NewBuilderWithScheme("duoteltest")
	own.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: host}}})
	resolver.Register(own)
	dead := listen(t)
	_ = dead.Close()
	targets := map[string]string{
		"host and port":    host,
		"dns":              "dns:///localhost:" + port,
		"dns, opaque":      "dns:" + host,
		"passthrough":      "passthrough:///" + host,
		"ipv4":             "ipv4:" + host,
		"ipv4, two":        "ipv4:" + dead.Addr().String() + "," + host,
		"a registered one": "duoteltest:///any",
	}
	if runtime.GOOS != "windows" {
		path := filepath.Join(t.TempDir(), "otel.sock")
		listener, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		b.overSocket(t, listener)
		targets["unix"], targets["unix, with slashes"] = "unix:"+path, "unix://"+path
	}
	if runtime.GOOS == "linux" {
		name := "duotel-" + port
		listener, err := net.Listen("unix", "@"+name)
		if err != nil {
			t.Fatal(err)
		}
		b.overSocket(t, listener)
		targets["unix-abstract"] = "unix-abstract:" + name
	}
	if listener, err := net.Listen("tcp", "[::1]:0"); err == nil { // not every machine has IPv6
		b.overSocket(t, listener)
		targets["ipv6"] = "ipv6:" + listener.Addr().String()
	}
	for name, target := range targets {
		t.Run(name, func(t *testing.T) {
			before := len(b.all())
			p, _ := newPush(t, exporter.PushConfig{Endpoint: target, Protocol: exporter.ProtocolGRPC, Insecure: true})
			if err := p.ForceFlush(t.Context()); err != nil || len(b.all()) != before+1 {
				t.Errorf("%s: %v, and %d requests arrived", target, err, len(b.all())-before)
			}
			// A Proxy and a Dial are asked for no socket, and answer "direct" for the rest.
			p, _ = newPush(t, exporter.PushConfig{
				Endpoint: target, Protocol: exporter.ProtocolGRPC, Insecure: true,
				Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }, Dial: new(net.Dialer).DialContext,
			})
			if err := p.ForceFlush(t.Context()); err != nil {
				t.Errorf("%s, with a dialer: %v", target, err)
			}
		})
	}
}

// Every target that cannot be is an error before anything is opened.
func TestF39BadTargets(t *testing.T) {
	tests := []struct{ target, says string }{
		{"xds:///shop", `import _ "google.golang.org/grpc/xds"`},
		{"unix:", "names nothing"},
		{"unix://run/otel.sock", "three slashes"},
		{"unix-abstract:", "names nothing"},
		{"dns:///", "names nothing"},
		{"dns://8.8.8.8/", "has no host"},
		{"ipv4:shop:4317", `"shop:4317" is not an address of ipv4`},
		{"ipv4:[::1]:4317", "not an address of ipv4"},
		{"ipv6:10.0.0.1:4317", "not an address of ipv6"},
		{"ipv4:10.0.0.1:4317,", `"" is not an address`},
		{"dns:///host:4317?token=hunter2", "a query"},
		{"consul:///shop", "no http or https scheme"},
	}
	for _, test := range tests {
		_, err := exporter.NewPush(t.Context(), exporter.PushConfig{Endpoint: test.target, Protocol: exporter.ProtocolGRPC})
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v\ndoes not say %q", test.target, err, test.says)
		}
	}
	if _, err := exporter.NewPush(t.Context(), exporter.PushConfig{Endpoint: "unix:/run/otel.sock"}); err == nil {
		t.Error("http/protobuf takes a socket")
	}
}

// connectProxy is an HTTP proxy that tunnels every CONNECT to one address, or refuses.
type connectProxy struct {
	to     string
	refuse string // the body of a refusal

	mu    sync.Mutex
	asked []string
	login string
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked, p.login = append(p.asked, r.Method+" "+r.Host), r.Header.Get("Proxy-Authorization")
	p.mu.Unlock()
	if p.refuse != "" {
		http.Error(w, p.refuse+p.login, http.StatusProxyAuthRequired)
		return
	}
	there, err := net.Dial("tcp", p.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer here.Close()
	_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	var copying sync.WaitGroup
	defer copying.Wait()
	copying.Go(func() {
		_, _ = io.Copy(there, bufio.NewReader(buffered))
		_ = there.Close()
	})
	_, _ = io.Copy(here, there)
	_ = here.Close()
}

// F39: a grpc push goes through the proxy, which resolves the host; the backend here has a name nobody knows.
func TestF39GRPCThroughAProxy(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		for endpoint, connect := range map[string]string{
			"http://backend.invalid:4317": "CONNECT backend.invalid:4317", "backend.invalid": "CONNECT backend.invalid:443",
			"dns:///backend.invalid:4317": "CONNECT backend.invalid:4317", "ipv4:192.0.2.1:9": "CONNECT 192.0.2.1:9",
		} {
			t.Run(scheme+" "+endpoint, func(t *testing.T) {
				b := newLoopback(t)
				proxy := &connectProxy{to: strings.TrimPrefix(b.urls[exporter.ProtocolGRPC], "http://")}
				server := httptest.NewUnstartedServer(proxy)
				if scheme == "https" {
					server.StartTLS()
				} else {
					server.Start()
				}
				t.Cleanup(server.Close)
				var asked string
				p, _ := newPush(t, exporter.PushConfig{
					Endpoint: endpoint, Protocol: exporter.ProtocolGRPC, Insecure: true, TLS: clientTLS(server),
					Proxy: func(r *http.Request) (*url.URL, error) {
						asked = r.URL.String()
						u, err := url.Parse(server.URL)
						u.User = url.UserPassword("me", "hunter2")
						return u, err
					},
				})
				t.Cleanup(func() { _ = p.Shutdown(t.Context()) }) // before the server, which waits for the tunnel
				if err := p.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
				proxy.mu.Lock()
				defer proxy.mu.Unlock()
				if len(b.all()) != 1 || len(proxy.asked) == 0 || proxy.asked[0] != connect || proxy.login != "Basic bWU6aHVudGVyMg==" {
					t.Errorf("%d requests; the proxy was asked %v, with %q; want %s", len(b.all()), proxy.asked, proxy.login, connect)
				}
				if !strings.HasPrefix(asked, "https://") {
					t.Errorf("the function was asked about %s", asked)
				}
			})
		}
	}
}

func clientTLS(server *httptest.Server) *tls.Config {
	if server.TLS == nil {
		return nil
	}
	return server.Client().Transport.(*http.Transport).TLSClientConfig
}

// F39: a proxy that refuses, or cannot be one, is a failure that names it and repeats no password of it.
func TestF39ProxyFailures(t *testing.T) {
	refusing := httptest.NewServer(&connectProxy{refuse: "no: "})
	t.Cleanup(refusing.Close)
	for proxy, says := range map[string]string{
		strings.Replace(refusing.URL, "://", "://me:hunter2@", 1): "HTTP 407",
		"socks5://me:hunter2@127.0.0.1:1":                         "127.0.0.1:1",
		"http://me:hunter2@127.0.0.1:1":                           "127.0.0.1:1",
	} {
		p, log := newPush(t, exporter.PushConfig{
			Endpoint: "backend.invalid:4317", Protocol: exporter.ProtocolGRPC, Timeout: 1e9, ExportTimeout: 1e9,
			Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy) },
		})
		err := p.ForceFlush(t.Context())
		text := cmp.Or(err, io.EOF).Error() + log.String()
		if !strings.Contains(text, says) || strings.Contains(text, "hunter2") || strings.Contains(text, "bWU6aHVudGVyMg") {
			t.Errorf("%s: %s\nwant %q", proxy, text, says)
		}
	}
}
