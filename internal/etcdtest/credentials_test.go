package etcdtest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"

	"github.com/duotel/duotel/discovery/etcd"
	"github.com/duotel/duotel/telemetry"
)

// authority writes its own certificate, and one for 127.0.0.1 that is a server's and a client's, with its key, into directory.
func authority(t *testing.T, directory string) {
	t.Helper()
	write := func(name, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(directory, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	write("ca.pem", "CERTIFICATE", must(x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "both"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	write("leaf.pem", "CERTIFICATE", must(x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)))
	write("leaf.key", "EC PRIVATE KEY", must(x509.MarshalECPrivateKey(key)))
}

// newGuardedServer is an etcd that wants a client's certificate, and a password.
func newGuardedServer(t *testing.T, directory string) *server {
	t.Helper()
	authority(t, directory)
	at := func(name string) string { return filepath.Join(directory, name) }
	s := &server{t: t, dir: t.TempDir(), client: free(t), peer: free(t)}
	s.client.Scheme = "https"
	s.tls = &transport.TLSInfo{CertFile: at("leaf.pem"), KeyFile: at("leaf.key"), TrustedCAFile: at("ca.pem"), ClientCertAuth: true}
	s.start()
	t.Cleanup(s.stop)
	ctx := t.Context()
	for _, step := range []func() error{
		func() error { _, err := s.raw.RoleAdd(ctx, "root"); return err },
		func() error { _, err := s.raw.UserAdd(ctx, "root", "s3cr3t"); return err },
		func() error { _, err := s.raw.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := s.raw.AuthEnable(ctx); return err },
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.Write(p) }

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

// TestProcessListsItselfWithCredentials has an etcd that wants certificates and a password, all from variables: a process that has them is
// listed, and stays so when all files are replaced; one with another password or authority is not, and says why without the password.
func TestProcessListsItselfWithCredentials(t *testing.T) {
	directory := t.TempDir()
	s := newGuardedServer(t, directory)
	at := func(name string) string { return filepath.Join(directory, name) }
	other := t.TempDir()
	authority(t, other)
	for _, file := range []string{"right", "wrong"} {
		if err := os.WriteFile(at(file), []byte(map[string]string{"right": "s3cr3t", "wrong": "wr0ng"}[file]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	start := func(t *testing.T, change map[string]string) (*telemetry.SDK, *lines) {
		env := map[string]string{
			"OTEL_SERVICE_NAME": "shop", "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=one", "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
			"OTEL_EXPORTER_PROMETHEUS_PORT": strings.TrimPrefix(free(t).Host, "127.0.0.1:"),
			"DUOTEL_DISCOVERY":              "etcds://" + s.client.Host + prefix,
			"DUOTEL_DISCOVERY_USERNAME":     "root", "DUOTEL_DISCOVERY_PASSWORD_FILE": at("right"),
			"DUOTEL_DISCOVERY_CERTIFICATE": at("ca.pem"), "DUOTEL_DISCOVERY_CLIENT_CERTIFICATE": at("leaf.pem"), "DUOTEL_DISCOVERY_CLIENT_KEY": at("leaf.key"),
		}
		for key, value := range change {
			env[key] = value
		}
		cfg, err := telemetry.FromEnv(func(key string) (string, bool) { v, ok := env[key]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		log := new(lines)
		store := etcd.Config{TTL: leaseTTL, DialTimeout: time.Second, Logger: slog.New(slog.NewTextHandler(log, nil))}
		sdk, err := telemetry.New(t.Context(), cfg, telemetry.WithDiscoveryStore("etcd", store.Open), telemetry.WithLogger(store.Logger))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			_ = sdk.Shutdown(ctx)
		})
		return sdk, log
	}
	listed := func() string { return fmt.Sprint(strings.Contains(s.keysAs(t, "root", "s3cr3t"), "shop/one")) }

	for name, tt := range map[string]struct {
		change map[string]string
		says   string
	}{
		"another password":  {map[string]string{"DUOTEL_DISCOVERY_PASSWORD_FILE": at("wrong")}, "authentication failed"},
		"another authority": {map[string]string{"DUOTEL_DISCOVERY_CERTIFICATE": filepath.Join(other, "ca.pem")}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			sdk, log := start(t, tt.change)
			eventually(t, "fails", "true", func() string { return fmt.Sprint(sdk.Status().Discovery.Failures > 0) })
			said := fmt.Sprintf("%+v %s", sdk.Status().Discovery, log)
			if !strings.Contains(said, tt.says) || strings.Contains(said, "wr0ng") || strings.Contains(said, "s3cr3t") || listed() != "false" {
				t.Errorf("listed %s; said %s", listed(), said)
			}
		})
	}

	sdk, _ := start(t, nil)
	eventually(t, "is listed", "true", listed)
	s.stop()
	authority(t, directory) // every certificate is another
	s.start()
	began := time.Now()
	eventually(t, "is in touch again after every certificate was replaced", "true", func() string {
		st := sdk.Status().Discovery
		return fmt.Sprint(st.State == telemetry.DiscoveryListed && st.LastSuccess.After(began))
	})
	eventually(t, "is listed", "true", listed)
	if err := sdk.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	eventually(t, "is not listed", "false", listed)
}
