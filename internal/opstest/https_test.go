package opstest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	promconfig "github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/config"
	"golang.org/x/crypto/bcrypt"

	"github.com/duotel/duotel/telemetry"
)

// TestScrapeOverHTTPS asks Duotel's own listener, with TLS and basic auth, by the client that Prometheus makes of the
// job for HTTPS.
func TestScrapeOverHTTPS(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "scrape.yaml", read(t, opsFolder+"/prometheus/scrape.yaml"))
	certificate, key := selfSigned(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("open sesame"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadFile(filepath.Join(dir, "scrape.yaml"), false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	job := c.ScrapeConfigs[2].HTTPClientConfig
	write(t, dir, relative(t, dir, job.TLSConfig.CAFile), certificate)
	write(t, dir, relative(t, dir, job.BasicAuth.PasswordFile), []byte("open sesame\n"))
	write(t, dir, "cert.pem", certificate)
	write(t, dir, "key.pem", key)
	write(t, dir, "web.yaml", []byte("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {"+job.BasicAuth.Username+": '"+string(hash)+"'}\n"))

	sdk, err := telemetry.New(t.Context(), telemetry.Config{ServiceName: "demo", Listener: telemetry.ListenerConfig{
		Host: "127.0.0.1", Port: -1, WebConfigFile: filepath.Join(dir, "web.yaml"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer sdk.Shutdown(context.Background())
	for password, want := range map[string]int{"open sesame": http.StatusOK, "else": http.StatusUnauthorized} {
		write(t, dir, relative(t, dir, job.BasicAuth.PasswordFile), []byte(password+"\n"))
		client, err := promconfig.NewClientFromConfig(job, "demo", promconfig.WithKeepAlivesDisabled())
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Get("https://" + sdk.ListenerAddr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want || want == http.StatusOK != strings.Contains(string(body), "target_info") {
			t.Errorf("with password %q the page is %d: %.200s %v", password, res.StatusCode, body, err)
		}
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is its own authority.
func selfSigned(t *testing.T) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "demo"}, IPAddresses: loopback,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
}

var loopback = []net.IP{net.IPv4(127, 0, 0, 1)}

// write puts a file into dir, and the folders it is in.
func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func relative(t *testing.T, dir, path string) string {
	t.Helper()
	name, err := filepath.Rel(dir, path)
	if err != nil {
		t.Fatal(err)
	}
	return name
}
