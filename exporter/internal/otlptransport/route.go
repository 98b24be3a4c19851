package otlptransport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"google.golang.org/grpc/resolver"
)

// route is how gRPC gets to a backend: what it resolves, and who opens the connections.
type route struct {
	target string
	dial   func(ctx context.Context, address string) (net.Conn, error) // nil for grpc-go's own way
}

const defaultGRPCPort = "443"

// newRoute does what grpc-go does by itself, with what the Config says in place of the environment: the proxy is asked
// for once, about https and the endpoint of the target, and a name is left to the proxy to resolve.
func newRoute(cfg Config) (route, error) {
	u := cfg.URL
	way := route{target: u.String()}
	if u.Scheme == "http" || u.Scheme == "https" {
		way.target = "dns:///" + u.Host
	}
	host := endpointHost(u)
	via, err := proxyOf(cfg, u.Scheme, host)
	if err != nil {
		return way, fmt.Errorf("which proxy to use: %w", bareURL(err))
	}
	if cfg.Dial == nil && via == nil {
		return way, nil
	}
	if strings.HasPrefix(way.target, "dns:") {
		way.target = "passthrough:///" + withPort(host) // whoever dials, or the proxy, resolves names
	}
	way.dial = dialer{dial: cfg.Dial, via: via, tls: cfg.TLS, agent: cfg.UserAgent}.open
	return way, nil
}

// endpointHost is the first host of u, with its port if there is one.
func endpointHost(u *url.URL) string {
	if u.Scheme == "http" || u.Scheme == "https" {
		return u.Host
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(u.Path+u.Opaque, "/"), ",")
	return first
}

func proxyOf(cfg Config, scheme, host string) (*url.URL, error) {
	if cfg.Proxy == nil || strings.HasPrefix(scheme, "unix") {
		return nil, nil
	}
	return cfg.Proxy(&http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: host}, Header: http.Header{}})
}

// bareURL takes off the *url.Error, which would show a proxy's URL with its password.
func bareURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), defaultGRPCPort)
}

// dialer opens connections, through a proxy where there is one.
type dialer struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil for the system's network
	via   *url.URL                                                             // nil for none
	tls   func() *tls.Config
	agent string
}

// open is for [grpc.WithContextDialer], which gets a socket's path with its scheme.
func (d dialer) open(ctx context.Context, address string) (net.Conn, error) {
	dial := d.dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return dial(ctx, "unix", strings.TrimPrefix(path, "//"))
	}
	if d.via == nil {
		return dial(ctx, "tcp", address)
	}
	conn, err := dial(ctx, "tcp", d.proxyAddress())
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", d.via.Host, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // what waits on it returns
	tunnel, err := d.connect(ctx, conn, address)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", d.via.Host, err)
	}
	return tunnel, nil
}

func (d dialer) proxyAddress() string {
	port := map[string]string{"http": "80", "https": "443"}[d.via.Scheme]
	if p := d.via.Port(); p != "" {
		port = p
	}
	return net.JoinHostPort(d.via.Hostname(), port)
}

// connect has the proxy open a tunnel to address. What the proxy says to it is not shown: it may repeat the password.
func (d dialer) connect(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	switch d.via.Scheme {
	case "http":
	case "https":
		config := d.tls().Clone()
		if config == nil {
			config = new(tls.Config)
		}
		config.ServerName = d.via.Hostname()
		secured := tls.Client(conn, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		conn = secured
	default:
		return nil, fmt.Errorf("the scheme %q is not one of a proxy for grpc: http or https", d.via.Scheme)
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Host: address}, Host: address, Header: http.Header{"User-Agent": {d.agent}}}
	if user := d.via.User; user != nil {
		password, _ := user.Password()
		login := http.Request{Header: http.Header{}}
		login.SetBasicAuth(user.Username(), password)
		request.Header.Set("Proxy-Authorization", login.Header.Get("Authorization"))
	}
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered CONNECT with HTTP %d", response.StatusCode)
	}
	return tunnelled{conn, reader}, nil
}

// tunnelled is a connection of which the reader may have read ahead.
type tunnelled struct {
	net.Conn
	reader *bufio.Reader
}

func (t tunnelled) Read(p []byte) (int, error) { return t.reader.Read(p) }

// addressList resolves ipv4:a:1,b:2 and ipv6:[a]:1,[b]:2, which gRPC defines and grpc-go lacks. It is the scheme.
type addressList string

func (l addressList) Scheme() string { return string(l) }

func (l addressList) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	var state resolver.State
	for text := range strings.SplitSeq(target.URL.Opaque, ",") {
		// A certificate is checked against the address it came from.
		address := resolver.Address{Addr: withPort(text), ServerName: withPort(text)}
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{address}})
	}
	return resolved{}, cc.UpdateState(state)
}

// resolved is a list that does not change.
type resolved struct{}

func (resolved) ResolveNow(resolver.ResolveNowOptions) {}

func (resolved) Close() {}
