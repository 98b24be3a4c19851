package telemetrytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// chain is an authority made for one backend, and the two certificates it signed. The keys never
// leave the process, except through [Backend.ClientFiles].
type chain struct {
	authority      *x509.Certificate
	server, client tls.Certificate
}

func newChain() (*chain, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificateTemplate("telemetrytest authority", 1)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	c := &chain{}
	if c.authority, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	if c.server, err = c.issue("telemetrytest backend", 2, x509.ExtKeyUsageServerAuth, key); err != nil {
		return nil, err
	}
	c.client, err = c.issue("telemetrytest client", 3, x509.ExtKeyUsageClientAuth, key)
	return c, err
}

func (c *chain) issue(name string, serial int64, usage x509.ExtKeyUsage, signer *ecdsa.PrivateKey) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := certificateTemplate(name, serial)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	der, err := x509.CreateCertificate(rand.Reader, template, c.authority, key.Public(), signer)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

func certificateTemplate(name string, serial int64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(30 * 24 * time.Hour),
	}
}

func (c *chain) serverConfig(mutual bool) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{c.server}}
	if mutual {
		cfg.ClientCAs = x509.NewCertPool()
		cfg.ClientCAs.AddCert(c.authority)
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg
}

// CertificatePEM is the certificate of the authority to trust, in PEM; nil without [WithTLS].
func (b *Backend) CertificatePEM() []byte {
	if b.chain == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.chain.authority.Raw})
}

// CertificateFile writes [Backend.CertificatePEM] to a file that is removed when the test ends, and
// returns its path. It fails the test without [WithTLS].
func (b *Backend) CertificateFile(tb testing.TB) string {
	tb.Helper()
	b.needChain(tb)
	return writeFile(tb, "authority.pem", b.CertificatePEM())
}

// ClientFiles writes a certificate the backend accepts under [WithMutualTLS], and its key, to files
// that are removed when the test ends, and returns their paths. It fails the test without [WithTLS].
func (b *Backend) ClientFiles(tb testing.TB) (certificate, key string) {
	tb.Helper()
	b.needChain(tb)
	der, err := x509.MarshalPKCS8PrivateKey(b.chain.client.PrivateKey)
	if err != nil {
		tb.Fatalf("backend: client key: %v", err)
	}
	certificate = writeFile(tb, "client.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.chain.client.Certificate[0]}))
	return certificate, writeFile(tb, "client.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func (b *Backend) needChain(tb testing.TB) {
	tb.Helper()
	if b.chain == nil {
		tb.Fatal("backend: there is no certificate: start the backend with WithTLS or WithMutualTLS")
	}
}

func writeFile(tb testing.TB, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
