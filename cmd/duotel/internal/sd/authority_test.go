package sd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

func tokenHash(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }

// users returns basic_auth_users of a web configuration file; each password is the name and "-password".
func users(t *testing.T, names ...string) string {
	t.Helper()
	var text strings.Builder
	text.WriteString("basic_auth_users:\n")
	for _, name := range names {
		hash, err := bcrypt.GenerateFromPassword([]byte(name+"-password"), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "  %s: %s\n", name, hash)
	}
	return text.String()
}

func (p *process) as(authorization string) { p.header.Set("Authorization", authorization) }

func (p *process) asUser(name string) {
	req := &http.Request{Header: p.header}
	req.SetBasicAuth(name, name+"-password")
}

func TestPrincipalsByToken(t *testing.T) {
	path := file(t, "principals.yml", `
principals:
  - name: workers
    token_sha256: `+tokenHash("worker token")+`
    groups: [workers, worker-*]
    addresses: [10.0.0.0/8]
  - {name: all, token_sha256: `+strings.ToUpper(tokenHash("all token"))+`, groups: ["*"]}
`)
	p := start(t, "-principals", path)
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 401, "none of the principals")
	p.as("Bearer wrong")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 401, "none of the principals")
	p.as("Bearer worker token")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 204, "")
	p.expect(http.MethodPut, "v1/targets/worker-eu/1", worker, 204, "")
	p.expect(http.MethodPut, "v1/targets/database/1", worker, 403, `Group="database"`)
	p.expect(http.MethodDelete, "v1/targets/database/1", "", 403, `Group="database"`)
	p.expect(http.MethodPut, "v1/groups/database", "[]", 403, `Group="database"`)
	p.expect(http.MethodPut, "v1/targets/workers/1", `{"address":"192.0.2.1:1"}`, 403, "10.0.0.0/8")
	p.expect(http.MethodPut, "v1/groups/workers", `[{"id":"1","address":"192.0.2.1:1"}]`, 403, "10.0.0.0/8")
	p.as("bearer  all token")
	p.expect(http.MethodPut, "v1/targets/database/1", `{"address":"192.0.2.1:1"}`, 204, "")
	p.header.Del("Authorization")
	p.expect(http.MethodGet, "sd", "", 200, "192.0.2.1:1") // who may read is the web configuration file's to say
	p.stop()
	if strings.Contains(p.log.String(), "token") {
		t.Errorf("the log has a token: %s", p.log)
	}
}

// TestPrincipalsAreReadAgain changes the file while the server runs, once to something that is broken.
func TestPrincipalsAreReadAgain(t *testing.T) {
	text := "principals: [{name: a, token_sha256: %s, groups: [%s]}]"
	path := file(t, "principals.yml", fmt.Sprintf(text, tokenHash("one"), "a"))
	write := func(text string) {
		t.Helper()
		beside := path + ".new"
		if err := os.WriteFile(beside, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(beside, path); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, "-principals", path)
	p.as("Bearer one")
	p.expect(http.MethodPut, "v1/targets/a/1", worker, 204, "")
	write(fmt.Sprintf(text, tokenHash("two"), "a, b"))
	p.expect(http.MethodPut, "v1/targets/a/1", worker, 401, "")
	p.as("Bearer two")
	p.expect(http.MethodPut, "v1/targets/b/1", worker, 204, "")
	write("principals: [{name: a, grups: [a]}]")
	p.expect(http.MethodPut, "v1/targets/b/1", worker, 204, "")
	p.expect(http.MethodPut, "v1/targets/c/1", worker, 403, "")
	p.expect(http.MethodGet, "", "", 200, "line 1: grups: is not known")
	write(fmt.Sprintf(text, tokenHash("two"), "c"))
	p.expect(http.MethodPut, "v1/targets/c/1", worker, 204, "")
	p.stop()
	if n := strings.Count(p.log.String(), "grups"); n != 1 {
		t.Errorf("the log names the mistake %d times; want once; %s", n, p.log)
	}
	if !strings.Contains(p.log.String(), "can be used again") {
		t.Errorf("log = %s; want a line that says the file is well again", p.log)
	}
}

func TestPrincipalsByUser(t *testing.T) {
	web := file(t, "web.yml", users(t, "worker", "prometheus"))
	principals := file(t, "principals.yml", "principals: [{name: workers, user: worker, groups: [workers]}]")
	p := startGuarded(t, "-web.config.file", web, "-principals", principals)
	p.expect(http.MethodGet, "sd", "", 401, "")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 401, "")
	p.asUser("prometheus")
	p.expect(http.MethodGet, "sd", "", 200, "[]")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 403, "no principal has this user")
	p.asUser("worker")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 204, "")
	p.expect(http.MethodPut, "v1/targets/database/1", worker, 403, `Group="database"`)
	// The file loses its users: what nobody has verified is nobody's.
	if err := os.WriteFile(web, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 401, "none of the principals")
}

// TestPasswordsAreVerifiedHereToo has requests that nobody has looked at before.
func TestPasswordsAreVerifiedHereToo(t *testing.T) {
	config, err := parseWebConfig([]byte(users(t, "worker")))
	if err != nil {
		t.Fatal(err)
	}
	other, err := parseWebConfig([]byte(strings.ReplaceAll(users(t, "other"), "other:", "worker:")))
	if err != nil {
		t.Fatal(err)
	}
	var p passwords
	for i, tt := range []struct {
		config         webConfig
		name, password string
		want           bool
	}{
		{config, "worker", "wrong", false},
		{config, "worker", "worker-password", true},
		{config, "worker", "worker-password", true}, // remembered
		{config, "worker", "", false},
		{config, "nobody", "worker-password", false},
		{other, "worker", "worker-password", false}, // the password was changed
		{other, "worker", "other-password", true},
	} {
		req := httptest.NewRequest(http.MethodPut, "/", nil)
		req.SetBasicAuth(tt.name, tt.password)
		if name, ok := p.user(tt.config, req); ok != tt.want || ok && name != tt.name {
			t.Errorf("%d: %q, %t; want %t", i, name, ok, tt.want)
		}
	}
}

// startGuarded is start for a server that does not say that it is ready: its pages want credentials, or it never is.
func startGuarded(t *testing.T, args ...string) *process {
	t.Helper()
	return startWith(t, &tls.Config{}, args...)
}

// TestWebConfigAloneLetsItsUsersRegister has a server for everybody, which is allowed because it knows its users.
func TestWebConfigAloneLetsItsUsersRegister(t *testing.T) {
	web := file(t, "web.yml", users(t, "worker"))
	p := startGuarded(t, "-listen", "0.0.0.0:0", "-web.config.file", web)
	_, port, _ := net.SplitHostPort(strings.TrimSuffix(strings.TrimPrefix(p.base, "http://"), "/"))
	p.base = "http://127.0.0.1:" + port + "/"
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 401, "")
	p.asUser("worker")
	p.expect(http.MethodPut, "v1/targets/workers/1", worker, 204, "")
	p.stop()
	if !strings.Contains(p.log.String(), "in the clear") {
		t.Errorf("log = %s; want a warning", p.log)
	}
}

// TestPrincipalsByCertificate has mutual TLS, with two clients of one authority.
func TestPrincipalsByCertificate(t *testing.T) {
	directory := t.TempDir()
	authority, key := certificate(t, directory, "authority", nil, nil)
	certificate(t, directory, "server", authority, key)
	certificate(t, directory, "worker.internal", authority, key)
	certificate(t, directory, "other.internal", authority, key)
	web := filepath.Join(directory, "web.yml")
	if err := os.WriteFile(web, []byte("tls_server_config: {cert_file: server.crt, key_file: server.key, client_ca_file: authority.crt, client_auth_type: VerifyClientCertIfGiven}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	principals := file(t, "principals.yml", "principals: [{name: workers, certificate: worker.internal, groups: [workers]}]")
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	for name, status := range map[string]int{"worker.internal": 204, "other.internal": 403, "": 401} {
		config := &tls.Config{RootCAs: pool}
		if name != "" {
			pair, err := tls.LoadX509KeyPair(filepath.Join(directory, name+".crt"), filepath.Join(directory, name+".key"))
			if err != nil {
				t.Fatal(err)
			}
			config.Certificates = []tls.Certificate{pair}
		}
		p := startWith(t, config, "-web.config.file", web, "-principals", principals)
		if !strings.HasPrefix(p.base, "https://") {
			t.Errorf("URL = %s; want https", p.base)
		}
		p.expect(http.MethodPut, "v1/targets/workers/1", worker, status, "")
		p.expect(http.MethodPut, "v1/targets/others/1", worker, map[int]int{204: 403, 403: 403, 401: 401}[status], "")
	}
}

// certificate writes name.crt and name.key, signed by an authority, or by itself where there is none.
func certificate(t *testing.T, directory, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	wanted := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "cn of " + name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if parent == nil {
		parent, parentKey = wanted, key
		wanted.IsCA, wanted.BasicConstraintsValid, wanted.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	raw, err := x509.CreateCertificate(rand.Reader, wanted, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	rawKey, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".crt": {Type: "CERTIFICATE", Bytes: raw}, name + ".key": {Type: "PRIVATE KEY", Bytes: rawKey}} {
		if err := os.WriteFile(filepath.Join(directory, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// TestWithoutAuthenticationOnlyThisMachineRegisters has what looks like this machine and is not.
func TestWithoutAuthenticationOnlyThisMachineRegisters(t *testing.T) {
	for name, tt := range map[string]struct {
		remote, host, header string
		want                 string // "" for allowed
	}{
		"by name":                {"127.0.0.1:1", "localhost:9465", "", ""},
		"by IPv6":                {"[::1]:1", "[::1]:9465", "", ""},
		"by address":             {"127.0.0.1:1", "127.0.0.1", "", ""},
		"another machine":        {"10.0.0.1:1", "localhost:9465", "", "this machine"},
		"a proxy":                {"127.0.0.1:1", "localhost:9465", "X-Forwarded-For", "proxy"},
		"a standard's proxy":     {"127.0.0.1:1", "localhost:9465", "Forwarded", "proxy"},
		"a page under its name":  {"127.0.0.1:1", "evil.example:9465", "", "evil.example"},
		"a page that looks like": {"127.0.0.1:1", "localhost.evil.example", "", "evil.example"},
	} {
		req := httptest.NewRequest(http.MethodPut, "/v1/targets/a/1", nil)
		req.RemoteAddr, req.Host = tt.remote, tt.host
		if tt.header != "" {
			req.Header.Set(tt.header, "192.0.2.1")
		}
		_, err := (&authority{}).authorize(req)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v; want %q", name, err, tt.want)
		}
	}
}
