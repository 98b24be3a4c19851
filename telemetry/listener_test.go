package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

var always = func() error { return nil }

func page(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

func startListener(t *testing.T, cfg ListenerConfig, handler http.Handler, ready func() error) *listener {
	t.Helper()
	cfg.Host, cfg.Port = "127.0.0.1", -1
	l, err := openListener(cfg, handler, ready, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return l
}

// ask sends one request over a connection of its own.
func ask(t *testing.T, url string, cfg *tls.Config, user, password string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestListener(t *testing.T) {
	var notReady error
	l := startListener(t, ListenerConfig{}, page("metrics"), func() error { return notReady })
	want := func(path string, status int, body string) {
		t.Helper()
		if gotStatus, got := ask(t, "http://"+l.addr()+path, nil, "", ""); gotStatus != status || !strings.Contains(got, body) {
			t.Errorf("%s: got %d %q, want %d %q", path, gotStatus, got, status, body)
		}
	}
	want("/metrics", 200, "metrics")
	want("/healthz", 200, "ok")
	want("/readyz", 200, "ok")
	want("/", 404, "")
	notReady = errors.New("the first collection has not been made")
	want("/readyz", 503, "not ready: the first collection has not been made")
	want("/healthz", 200, "ok")
}

// TestReadyUntilShutdown asks an SDK's listener over the network, and then what it would say to a request
// that comes in while the SDK stops: by the time Shutdown has begun the port is closed.
func TestReadyUntilShutdown(t *testing.T) {
	s, err := New(t.Context(), Config{ServiceName: "shop", Listener: ListenerConfig{Host: "127.0.0.1", Port: -1}})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/readyz", "/healthz", "/metrics"} {
		if status, body := ask(t, "http://"+s.ListenerAddr()+path, nil, "", ""); status != http.StatusOK {
			t.Errorf("%s: got %d %s", path, status, body)
		}
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/readyz": "503 not ready: the process is stopping\n", "/healthz": "200 ok\n", "/metrics": "503"} {
		w := httptest.NewRecorder()
		s.listener.server.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if got := fmt.Sprint(w.Code, " ", w.Body); !strings.HasPrefix(got, want) {
			t.Errorf("%s while stopping: got %q, want %q", path, got, want)
		}
	}
}

func TestListenerHasLimits(t *testing.T) {
	s := newListenerServer(nil, slog.New(slog.DiscardHandler))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

func TestListenerAddress(t *testing.T) {
	tests := []struct {
		cfg  ListenerConfig
		want string
	}{
		{ListenerConfig{Host: "::1"}, "[::1]:9464"},
		{ListenerConfig{Port: 9000}, "localhost:9000"},
		{ListenerConfig{Host: "0.0.0.0", Port: -1}, "0.0.0.0:0"},
	}
	for _, test := range tests {
		if got := test.cfg.address(); got != test.want {
			t.Errorf("%+v: got %s, want %s", test.cfg, got, test.want)
		}
	}
}

func TestListenerTLSAndBasicAuth(t *testing.T) {
	l := startListener(t, ListenerConfig{WebConfigFile: "testdata/web/good.yml"}, page("metrics"), always)
	trust, _, err := PushConfig{Certificate: "testdata/web/server.crt"}.files(slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	url := "https://" + l.addr() + "/metrics"
	if status, body := ask(t, url, trust(), "scraper", "fakepassword"); status != 200 || body != "metrics" {
		t.Errorf("got %d %s", status, body)
	}
	for _, user := range []string{"", "scraper", "stranger"} {
		if status, body := ask(t, url, trust(), user, "wrong"); status != 401 {
			t.Errorf("user %q: got %d %s, want 401", user, status, body)
		}
	}
	if status, _ := ask(t, url, nil, "scraper", "fakepassword"); status != 0 {
		t.Errorf("a client that does not trust the certificate got %d", status)
	}
}

func TestListenerMutualTLS(t *testing.T) {
	l := startListener(t, ListenerConfig{WebConfigFile: "testdata/web/mtls.yml"}, page("metrics"), always)
	files, _, err := PushConfig{
		Certificate:       "testdata/web/server.crt",
		ClientCertificate: "testdata/web/server.crt", ClientKey: "testdata/web/server.key",
	}.files(slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	client := files()
	url := "https://" + l.addr() + "/metrics"
	if status, body := ask(t, url, client, "", ""); status != 200 {
		t.Errorf("got %d %s", status, body)
	}
	client.Certificates = nil
	if status, body := ask(t, url, client, "", ""); status != 0 {
		t.Errorf("without a certificate: got %d %s", status, body)
	}
}

// Each file has one defect, and says in its first line what the error must say.
func TestListenerBadWebConfig(t *testing.T) {
	files, err := filepath.Glob("testdata/web/*.bad.yml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		says := strings.TrimPrefix(line, "# says: ")
		l, err := openListener(ListenerConfig{Host: "127.0.0.1", Port: -1, WebConfigFile: file}, nil, always, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s: no error", file)
			_ = l.shutdown(t.Context())
			continue
		}
		for _, part := range []string{`Listener.WebConfigFile="` + file + `": `, says} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%v\ndoes not say %q", err, part)
			}
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("a secret in %v", err)
		}
	}
}

func TestListenerBusyPort(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	port := busy.Addr().(*net.TCPAddr).Port
	_, err = openListener(ListenerConfig{Host: "127.0.0.1", Port: port}, nil, always, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{`OTEL_EXPORTER_PROMETHEUS_PORT="` + strconv.Itoa(port) + `"`, busy.Addr().String(), "address already in use"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\ndoes not say %q", err, part)
		}
	}
}

// A request that never ends is cut off at the deadline.
func TestListenerShutdownKeepsDeadline(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	l := startListener(t, ListenerConfig{}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(entered)
		<-release
	}), always)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		ask(t, "http://"+l.addr()+"/metrics", nil, "", "")
	}()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := l.shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	<-answered
	close(release)
	// Asking the port might find another process.
	if err := l.net.(*net.TCPListener).SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after shutdown the listener is open (%v)", err)
	}
}

func TestListenerShutdownAtOnce(t *testing.T) {
	for range 20 {
		l := startListener(t, ListenerConfig{WebConfigFile: "testdata/web/good.yml"}, nil, always)
		if err := l.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestListenerShutdownWithSilentClients has clients that connected and sent no request, or not all of one's header: net/http's
// Shutdown would wait for each of them until it is five seconds old. A scrape under way is answered to its end all the same.
func TestListenerShutdownWithSilentClients(t *testing.T) {
	for name, test := range map[string]struct{ config, sent string }{
		"nothing":              {"", ""},
		"half a header":        {"", "GET /metrics HTTP/1.1\r\nHost: x\r\n"},
		"nothing, TLS":         {"testdata/web/good.yml", ""},
		"half a handshake TLS": {"testdata/web/good.yml", "\x16\x03\x01\x02\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			l := startListener(t, ListenerConfig{WebConfigFile: test.config}, nil, always)
			conn := dialListener(t, l)
			if _, err := io.WriteString(conn, test.sent); err != nil {
				t.Fatal(err)
			}
			for l.silent.count() == 0 { // it is accepted
				runtime.Gosched()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // less than net/http's five
			defer cancel()
			if err := l.shutdown(ctx); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadAll(conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("the connection is open after shutdown")
			}
		})
	}
}

func TestListenerShutdownKeepsScrapesBesideSilentClients(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	l := startListener(t, ListenerConfig{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "whole")
	}), always)
	silent := dialListener(t, l)
	for l.silent.count() == 0 {
		runtime.Gosched()
	}
	answered := make(chan string)
	go func() {
		_, body := ask(t, "http://"+l.addr()+"/metrics", nil, "", "")
		answered <- body
	}()
	<-entered
	stopped := make(chan error)
	go func() { stopped <- l.shutdown(t.Context()) }()
	if _, err := io.ReadAll(silent); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the silent connection is open while shutdown waits for a scrape")
	}
	close(release)
	if body := <-answered; body != "whole" {
		t.Errorf("the scrape under way was answered %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// dialListener connects and gives up reading after a while.
func dialListener(t *testing.T, l *listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	return conn
}

func (s *silentConns) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}
