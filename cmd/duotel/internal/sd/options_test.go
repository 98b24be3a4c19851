package sd

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// file writes a file of the test and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// trusted is a PEM file with the certificate of a test server.
func trusted(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	return file(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}

// TestBadCommandLine has one defect per row, and the command started with it.
func TestBadCommandLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	onlyTLS := file(t, "web.yml", "http_server_config: {http2: false}\n")
	for name, tt := range map[string]struct {
		args   []string
		status int
		want   []string
	}{
		"argument":                   {[]string{"now"}, 2, []string{`"now"`, "no arguments"}},
		"flag":                       {[]string{"-port=1"}, 2, []string{"-port"}},
		"listen without port":        {[]string{"-listen", "localhost"}, 2, []string{`-listen="localhost"`, "localhost:9465"}},
		"listen on a port too high":  {[]string{"-listen", "localhost:70000"}, 2, []string{`-listen="localhost:70000"`}},
		"listen on no host":          {[]string{"-listen", "no.such.host.invalid:1"}, 2, []string{`-listen="no.such.host.invalid:1"`}},
		"listen on a taken port":     {[]string{"-listen", taken.Addr().String()}, 1, []string{"-listen=", "in use"}},
		"everybody, no principals":   {[]string{"-listen", ":0"}, 2, []string{`-listen=":0"`, "-principals", "-web.config.file"}},
		"everybody, web without any": {[]string{"-listen", "0.0.0.0:0", "-web.config.file", onlyTLS}, 2, []string{"-principals", "basic_auth_users"}},
		"store":                      {[]string{"-store", "redis://x"}, 2, []string{`-store="redis://x"`, "memory", "file:PATH", "etcd://"}},
		"etcd with a password":       {[]string{"-store", "etcd://root:hunter2@h:2379/x"}, 2, []string{"-store", "user information"}},
		"etcd without a host":        {[]string{"-store", "etcd:///x"}, 2, []string{"-store", "etcd"}},
		"user without a password":    {[]string{"-store", "etcd://h:1/x", "-store-username", "me"}, 2, []string{"-store-username", "both or neither"}},
		"password that is not there": {[]string{"-store", "etcd://h:1/x", "-store-username", "me", "-store-password-file", "/no/file"}, 2, []string{"-store-password-file", "/no/file"}},
		"certificate that is none":   {[]string{"-store", "etcds://h:1/x", "-store-certificate", file(t, "c.pem", "x")}, 2, []string{"-store-certificate", "PEM"}},
		"certificate without a key":  {[]string{"-store", "etcds://h:1/x", "-store-client-certificate", "x"}, 2, []string{"-store-client-key", "both or neither"}},
		"certificate without TLS":    {[]string{"-store", "etcd://h:1/x", "-store-client-certificate", "", "-store-certificate", trusted(t)}, 2, []string{"etcds://"}},
		"user of a file":             {[]string{"-store", "memory", "-store-username", "me", "-store-password-file", "x"}, 2, []string{`-store="memory"`, "only etcd"}},
		"store without a path":       {[]string{"-store", "file:"}, 2, []string{`-store="file:"`, "file:PATH"}},
		"store without a directory":  {[]string{"-store", "file:/no/such/dir/x"}, 2, []string{`-store="file:/no/such/dir/x"`, "directory"}},
		"store that is none":         {[]string{"-store", "file:" + file(t, "x.json", "{}")}, 2, []string{"-store=", "x.json", "not a list"}},
		"web config that is not":     {[]string{"-web.config.file", "/no/such/web.yml"}, 2, []string{"-web.config.file", "/no/such/web.yml"}},
		"web config with a typo":     {[]string{"-web.config.file", file(t, "w.yml", "basic_auth_user: {}\n")}, 2, []string{"-web.config.file", "basic_auth_user", "line 1"}},
		"principals that are not":    {[]string{"-principals", "/no/such/p.yml"}, 2, []string{"-principals", "/no/such/p.yml"}},
		"principals with a typo":     {[]string{"-principals", file(t, "p.yml", "principals:\n- nam: a\n")}, 2, []string{"-principals", "line 2", "nam", "name"}},
		"a range":                    {[]string{"-allow-addresses", "10.0.0.0/33"}, 2, []string{"-allow-addresses", "10.0.0.0/33", "10.0.0.0/8"}},
		"a range beyond its length":  {[]string{"-only-addresses", "10.0.0.1/8"}, 2, []string{"-only-addresses", "10.0.0.1/8", "10.0.0.0/8"}},
		"no range":                   {[]string{"-allow-addresses", "10.0.0.0/8,"}, 2, []string{"-allow-addresses", `""`}},
		"probe":                      {[]string{"-probe=soon"}, 2, []string{"soon", "-probe"}},
		"probe too often":            {[]string{"-probe=1ms"}, 2, []string{"1ms", "-probe"}},
		"probe without =":            {[]string{"-probe", "30s"}, 2, []string{`"30s"`, "-probe"}},
		"log format":                 {[]string{"-log-format", "xml"}, 2, []string{`-log-format="xml"`, "text or json"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, said := fails(t, tt.args...)
			for _, want := range tt.want {
				if !strings.Contains(said, want) {
					t.Errorf("said %q; want %q in it", said, want)
				}
			}
			if strings.Contains(said, "hunter2") {
				t.Errorf("said %q: shows a password", said)
			}
			if status != tt.status {
				t.Errorf("status %d; want %d; %s", status, tt.status, said)
			}
		})
	}
}

func TestAllMistakesAreSaidAtOnce(t *testing.T) {
	_, said := fails(t, "-listen", "x", "-store", "y", "-principals", "/z")
	for _, want := range []string{`-listen="x"`, `-store="y"`, "/z"} {
		if !strings.Contains(said, want) {
			t.Errorf("said %q; want %s in it", said, want)
		}
	}
}

func TestLogFormat(t *testing.T) {
	p := start(t, "-log-format", "json")
	p.stop()
	if !strings.Contains(p.log.String(), `"level":"INFO"`) {
		t.Errorf("log = %s; want JSON", p.log)
	}
}
