package telemetry_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

var bothProtocols = []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC}

// fileWith returns the path of a file of that name with that text, in a directory of its own.
func fileWith(tb testing.TB, name, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	rewrite(tb, path, text)
	return path
}

func rewrite(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// identity is an authority, and a certificate it signed for both sides of a connection.
type identity struct {
	name                        string
	authority, certificate, key string // PEM
	pair                        tls.Certificate
	pool                        *x509.CertPool
}

func newIdentity(tb testing.TB, name string) identity {
	tb.Helper()
	template := func(serial int64) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			IsCA: serial == 1, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		}
	}
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	root := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rootDER := must(x509.CreateCertificate(rand.Reader, template(1), template(1), root.Public(), root))
	authority := must(x509.ParseCertificate(rootDER))
	leafDER := must(x509.CreateCertificate(rand.Reader, template(2), authority, leaf.Public(), root))
	id := identity{
		name: name, authority: text("CERTIFICATE", rootDER), certificate: text("CERTIFICATE", leafDER),
		key: text("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(leaf))), pool: x509.NewCertPool(),
	}
	id.pool.AddCert(authority)
	id.pair = must(tls.X509KeyPair([]byte(id.certificate), []byte(id.key)))
	return id
}

// vault is a backend that asks for a client's certificate and remembers whose came with each request. Its own
// identity can be exchanged.
type vault struct {
	colmetricpb.UnimplementedMetricsServiceServer
	mu      sync.Mutex
	config  *tls.Config
	clients []string
}

// become makes new connections see id, and be accepted from it alone.
func (v *vault) become(id identity) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.config = &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{id.pair}, ClientCAs: id.pool,
		ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"h2", "http/1.1"},
	}
}

func (v *vault) note(state tls.ConnectionState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.clients = append(v.clients, state.PeerCertificates[0].Subject.CommonName)
}

func (v *vault) seen() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Compact(slices.Clone(v.clients))
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	v.note(*r.TLS)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (v *vault) Export(ctx context.Context, _ *colmetricpb.ExportMetricsServiceRequest) (*colmetricpb.ExportMetricsServiceResponse, error) {
	from, _ := peer.FromContext(ctx)
	v.note(from.AuthInfo.(credentials.TLSInfo).State)
	return new(colmetricpb.ExportMetricsServiceResponse), nil
}

// serve returns an endpoint of the vault.
func (v *vault) serve(tb testing.TB, protocol exporter.Protocol) string {
	tb.Helper()
	listener := must(net.Listen("tcp", "127.0.0.1:0"))
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		v.mu.Lock()
		defer v.mu.Unlock()
		return v.config, nil
	}}
	web := &http.Server{Handler: v, ErrorLog: log.New(io.Discard, "", 0)}
	rpc := grpc.NewServer(grpc.Creds(credentials.NewTLS(config)))
	colmetricpb.RegisterMetricsServiceServer(rpc, v)
	var serving sync.WaitGroup
	serving.Go(func() {
		if protocol == exporter.ProtocolGRPC {
			_ = rpc.Serve(listener)
			return
		}
		_ = web.Serve(tls.NewListener(listener, config))
	})
	tb.Cleanup(func() {
		_ = web.Close()
		rpc.Stop()
		_ = listener.Close()
		serving.Wait()
	})
	return "https://" + listener.Addr().String()
}

// rotation is an SDK that pushes to a vault, with the files that it reads.
type rotation struct {
	*vault
	sdk *telemetry.SDK
	log *logBuffer
	cfg telemetry.PushConfig
}

func newRotation(t *testing.T, protocol exporter.Protocol, id identity) rotation {
	t.Helper()
	v := new(vault)
	v.become(id)
	cfg := telemetry.PushConfig{
		Endpoint: v.serve(t, protocol), Protocol: protocol,
		Certificate: fileWith(t, "authority.pem", ""), ClientCertificate: fileWith(t, "client.pem", ""), ClientKey: fileWith(t, "client.key", ""),
	}
	r := rotation{vault: v, cfg: cfg}
	r.write(t, id)
	r.sdk, r.log = newSDK(t, telemetry.Config{ServiceName: "shop", Push: cfg}, telemetry.WithStrictPush())
	return r
}

// write puts id into the files.
func (r rotation) write(tb testing.TB, id identity) {
	tb.Helper()
	rewrite(tb, r.cfg.Certificate, id.authority)
	rewrite(tb, r.cfg.ClientCertificate, id.certificate)
	rewrite(tb, r.cfg.ClientKey, id.key)
}

// push pushes, and fails the test if that fails.
func (r rotation) push(tb testing.TB) {
	tb.Helper()
	if err := r.sdk.ForceFlush(tb.Context()); err != nil {
		tb.Errorf("a push failed: %v", err)
	}
}

// F40: a push after the files have changed uses what is in them, also while the old connection still stands.
func TestF40CertificatesAreReadAgain(t *testing.T) {
	old, fresh := newIdentity(t, "old"), newIdentity(t, "fresh")
	for _, protocol := range bothProtocols {
		t.Run(string(protocol), func(t *testing.T) {
			r := newRotation(t, protocol, old)
			r.push(t)
			r.become(fresh)
			r.write(t, fresh)
			r.push(t)
			r.push(t)
			if got := r.seen(); !slices.Equal(got, []string{"old", "fresh"}) {
				t.Errorf("requests came with the certificates %v, want old and then fresh", got)
			}
			if log := r.log.String(); strings.Contains(log, "failing") {
				t.Errorf("the log speaks of a failure:\n%s", log)
			}
		})
	}
}

// F40: files that make no sense, because they are being written or were deleted, leave what was read before in use.
func TestF40BrokenFilesChangeNothing(t *testing.T) {
	old, fresh := newIdentity(t, "old"), newIdentity(t, "fresh")
	breaks := map[string]func(testing.TB, rotation){
		"half an authority":   func(tb testing.TB, r rotation) { rewrite(tb, r.cfg.Certificate, old.authority+fresh.authority[:200]) },
		"half a key":          func(tb testing.TB, r rotation) { rewrite(tb, r.cfg.ClientKey, old.key[:100]) },
		"another's key":       func(tb testing.TB, r rotation) { rewrite(tb, r.cfg.ClientKey, fresh.key) },
		"an empty file":       func(tb testing.TB, r rotation) { rewrite(tb, r.cfg.ClientCertificate, "") },
		"something too large": func(tb testing.TB, r rotation) { rewrite(tb, r.cfg.Certificate, strings.Repeat("x", 5<<20)) },
		"no file": func(tb testing.TB, r rotation) {
			if err := os.Remove(r.cfg.Certificate); err != nil {
				tb.Fatal(err)
			}
		},
	}
	for name, breakIt := range breaks {
		t.Run(name, func(t *testing.T) {
			r := newRotation(t, exporter.ProtocolHTTPProtobuf, old)
			breakIt(t, r)
			r.push(t)
			r.push(t)
			if n := strings.Count(r.log.String(), "cannot be used as it is now"); n != 1 {
				t.Errorf("%d lines about the file, want 1:\n%s", n, r.log)
			}
			if log := r.log.String(); strings.Contains(log, strings.TrimSpace(old.key)) || strings.Contains(log, "BEGIN") {
				t.Errorf("a key is in the log:\n%s", log)
			}
			r.become(fresh)
			r.write(t, fresh)
			r.push(t)
			if !strings.Contains(r.log.String(), "can be used again") || !slices.Equal(r.seen(), []string{"old", "fresh"}) {
				t.Errorf("afterwards requests came from %v, and the log is\n%s", r.seen(), r.log)
			}
		})
	}
}

// A token that is replaced in its file needs no restart, and wins over the one in the Config.
func TestF40HeadersFileIsReadAgain(t *testing.T) {
	for _, protocol := range bothProtocols {
		t.Run(string(protocol), func(t *testing.T) {
			backend := telemetrytest.NewBackend(t)
			file := fileWith(t, "headers", "# the token\n\nauthorization=Bearer one==\r\n")
			cfg := telemetry.PushConfig{
				Endpoint: backend.HTTPEndpoint(), Protocol: protocol, HeadersFile: file,
				Headers: exporter.NewSecrets(map[string]string{"Authorization": "Bearer zero", "X-Tenant": "blue"}),
			}
			if protocol == exporter.ProtocolGRPC {
				cfg.Endpoint = backend.GRPCEndpoint()
			}
			sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop", Push: cfg}, telemetry.WithStrictPush())
			push := func(want string) {
				t.Helper()
				if err := sdk.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				all := pushes(backend)
				header := all[len(all)-1].Header
				if got := header.Values("Authorization"); !slices.Equal(got, []string{want}) || header.Get("X-Tenant") != "blue" {
					t.Errorf("sent with %v, want %q and the tenant", header, want)
				}
			}
			push("Bearer one==")
			rewrite(t, file, "Authorization=Bearer two")
			push("Bearer two")
			rewrite(t, file, "X-Other=a\nAuthorization: Bearer s3cr3t\n")
			push("Bearer two")
			push("Bearer two")
			text := log.String()
			if strings.Count(text, "cannot be used as it is now") != 1 || !strings.Contains(text, file+": line 2: has a colon") || strings.Contains(text, "s3cr3t") {
				t.Errorf("the log is\n%s", text)
			}
			rewrite(t, file, "Authorization=Bearer three")
			push("Bearer three")
		})
	}
}

// What is wrong with a file of headers at the start is an error that has file, line and key, and no value.
func TestHeadersFileRefuses(t *testing.T) {
	const value = "s3cr3t"
	tests := []struct{ text, says string }{
		{"a=b\nAuthorization: Bearer " + value, "line 2: has a colon"},
		{"\n\n# c\nk=\"" + value + "\"", `line 4, key "k": the value begins with a quote`},
		{"k=" + value + "\x01", `line 1, key "k": the value has a control character`},
		{"k=" + value + "\nK=other", `line 2, key "K": the key is there twice`},
		{value, "line 1: has no ="},
		{"Content-Type=" + value, `line 1, key "Content-Type": the header is the exporter's own`},
	}
	for _, test := range tests {
		file := fileWith(t, "headers", test.text)
		_, err := telemetry.FromEnv(environ(map[string]string{
			"DUOTEL_PUSH_HEADERS_FILE": file, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
		}))
		if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), value) {
			t.Errorf("%q: %v\ndoes not say %q alone", test.text, err, test.says)
		}
	}
	all := strings.Join([]string{"a", "b", "c=d"}, "\n")
	err := telemetry.Config{Push: telemetry.PushConfig{Endpoint: "http://h", HeadersFile: fileWith(t, "headers", all)}}.Validate()
	if err == nil || bytes.Count([]byte(err.Error()), []byte("config: Push.HeadersFile=")) != 2 {
		t.Errorf("want both lines, got %v", err)
	}
	if err := (telemetry.Config{Push: telemetry.PushConfig{HeadersFile: "testdata/missing"}}).Validate(); err == nil {
		t.Error("a missing file: no error")
	}
}
