package sd

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"sync"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
	"golang.org/x/crypto/bcrypt"
)

// webConfig is what this package has to know of a web configuration file. The exporter-toolkit enforces it;
// here it says who a client is.
type webConfig struct {
	users        map[string]string // name to bcrypt hash
	certificates bool              // certificates of clients are verified, where there are any
	tls          bool
}

// authenticates says whether a client can prove who it is.
func (c webConfig) authenticates() bool { return len(c.users) > 0 || c.certificates }

// openWebConfig reads a web configuration file for the first time, nil where there is none.
func openWebConfig(logger *slog.Logger, path string) (*reread[webConfig], error) {
	if path == "" {
		return nil, nil
	}
	if err := web.Validate(path); err != nil {
		return nil, fmt.Errorf("-web.config.file=%q: %w; https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md has what is allowed", path, err)
	}
	return openReread(logger, "-web.config.file", path, parseWebConfig)
}

func parseWebConfig(text []byte) (webConfig, error) {
	var file web.Config
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return webConfig{}, err
	}
	c := webConfig{users: map[string]string{}, tls: file.TLSConfig.IsEnabled()}
	for name, hash := range file.Users {
		c.users[name] = string(hash)
	}
	// The other kinds ask for a certificate that nobody verifies.
	kind := file.TLSConfig.ClientAuth
	c.certificates = kind == "RequireAndVerifyClientCert" || kind == "VerifyClientCertIfGiven"
	return c, nil
}

// passwords verifies basic auth. The exporter-toolkit has done so before, but only if its file had users at that
// moment; whoever may register is not left to two readings of a file that agree.
type passwords struct {
	mu    sync.Mutex // a comparison is costly on purpose, so there is one at a time
	known map[[sha256.Size]byte]struct{}
}

// maxKnown bounds how many passwords are remembered, as hashes, so that a sign of life does not cost a comparison.
const maxKnown = 1000

// user returns the name that a request proves with one of c's passwords.
func (p *passwords) user(c webConfig, req *http.Request) (string, bool) {
	name, password, ok := req.BasicAuth()
	hash, known := c.users[name]
	if !ok || !known {
		return "", false
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q%q%q", name, hash, password))
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.known[sum]; ok {
		return name, true
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil {
		return "", false
	}
	if p.known == nil || len(p.known) >= maxKnown {
		p.known = map[[sha256.Size]byte]struct{}{}
	}
	p.known[sum] = struct{}{}
	return name, true
}

// certificateNames returns the names in a client's certificate, none where it was not verified.
func certificateNames(req *http.Request) []string {
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 || len(req.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	leaf := req.TLS.VerifiedChains[0][0]
	names := append([]string{}, leaf.DNSNames...)
	names = append(names, leaf.EmailAddresses...)
	for _, uri := range leaf.URIs {
		names = append(names, uri.String())
	}
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	if leaf.Subject.CommonName != "" {
		names = append(names, leaf.Subject.CommonName)
	}
	return names
}
