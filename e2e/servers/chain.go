package servers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Chain are PEM files: a private authority, and a certificate for 127.0.0.1 that it signed.
type Chain struct{ Authority, Certificate, Key string }

// NewChain makes a chain whose certificate is valid for that long from now; a negative validity makes one that expired.
func NewChain(tb testing.TB, validity time.Duration) Chain {
	tb.Helper()
	authority, server := newKey(tb), newKey(tb)
	ca := certificate("e2e authority", time.Hour)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	leaf := certificate("e2e server", validity)
	leaf.IPAddresses, leaf.ExtKeyUsage = []net.IP{net.IPv4(127, 0, 0, 1)}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	key, err := x509.MarshalECPrivateKey(server)
	if err != nil {
		tb.Fatal(err)
	}
	dir := tb.TempDir()
	file := func(name, kind string, der []byte) string {
		return write(tb, dir, name, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return Chain{
		Authority:   file("authority.pem", "CERTIFICATE", sign(tb, ca, ca, authority, authority)),
		Certificate: file("server.pem", "CERTIFICATE", sign(tb, leaf, ca, server, authority)),
		Key:         file("server.key", "EC PRIVATE KEY", key),
	}
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func certificate(name string, validity time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(validity),
	}
}

func sign(tb testing.TB, template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, of.Public(), by)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}
