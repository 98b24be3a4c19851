package sd

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/duotel/duotel/discovery"
)

// authority decides who may register what.
type authority struct {
	web        *reread[webConfig]   // nil without -web.config.file
	principals *reread[[]principal] // nil without -principals
	passwords  passwords
}

// openAuthority reads the files that say who may register.
func openAuthority(logger *slog.Logger, o options) (*authority, error) {
	a := &authority{}
	var err error
	if a.web, err = openWebConfig(logger, o.webConfig); err != nil {
		return nil, err
	}
	if o.principals == "" {
		return a, nil
	}
	a.principals, err = openReread(logger, "-principals", o.principals, func(text []byte) ([]principal, error) {
		all, err := parsePrincipals(text)
		if err == nil {
			err = provable(all, a.webConfig())
		}
		return all, err
	})
	return a, err
}

// webConfig returns what the web configuration file says now.
func (a *authority) webConfig() webConfig {
	if a.web == nil {
		return webConfig{}
	}
	config, _ := a.web.get() // the log has why it is an older one
	return config
}

// authenticates says whether anybody has to prove who he is.
func (a *authority) authenticates() bool {
	return a.principals != nil || a.webConfig().authenticates()
}

// problems returns why the files are not in use as they are now.
func (a *authority) problems() []error {
	var out []error
	if a.web != nil {
		if _, err := a.web.get(); err != nil {
			out = append(out, err)
		}
	}
	if a.principals != nil {
		if _, err := a.principals.get(); err != nil {
			out = append(out, err)
		}
	}
	return out
}

// authorize returns what a client may register. With principals it is what the first of them may that the client
// proves to be, by token, by user or by certificate. With a web configuration alone, everybody who can
// prove anything may register everything, and with neither, everybody on this machine.
func (a *authority) authorize(req *http.Request) (discovery.Grant, error) {
	config := a.webConfig()
	everything := discovery.Grant{Groups: []string{"*"}}
	user, isUser := a.passwords.user(config, req)
	var names []string
	if config.certificates {
		names = certificateNames(req)
	}
	if a.principals == nil {
		switch {
		case isUser || len(names) > 0:
			return everything, nil
		case a.web != nil && config.authenticates():
			return discovery.Grant{}, fmt.Errorf("a user of the web configuration file, or a verified certificate, may register: %w", discovery.ErrUnauthenticated)
		}
		return everything, local(req)
	}
	all, _ := a.principals.get() // the log has why it is an older one
	token, hasToken := bearer(req)
	for _, p := range all {
		if hasToken && p.token != nil && *p.token == token ||
			isUser && p.user == user ||
			p.certificate != "" && slices.Contains(names, p.certificate) {
			return p.grant, nil
		}
	}
	if isUser || len(names) > 0 {
		return discovery.Grant{}, errors.New("no principal has this user or this certificate")
	}
	return discovery.Grant{}, fmt.Errorf("the client is none of the principals: %w", discovery.ErrUnauthenticated)
}

// bearer returns the hash of the request's token. Hashes are compared, so that the time that takes tells nothing of the token.
func bearer(req *http.Request) (hash [sha256.Size]byte, ok bool) {
	scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return hash, false
	}
	return sha256.Sum256([]byte(token)), true
}

// local returns why a request is not from this machine. A proxy on this machine, and a browser that a page
// elsewhere has sent here under another name, look as if they were.
func local(req *http.Request) error {
	at, err := netip.ParseAddrPort(req.RemoteAddr)
	if err != nil || !at.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("without -principals or -web.config.file only clients on this machine may register: %w", discovery.ErrUnauthenticated)
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if req.Header.Get(name) != "" {
			return fmt.Errorf("a proxy sent this (%s), and without -principals or -web.config.file only clients on this machine may register: %w", name, discovery.ErrUnauthenticated)
		}
	}
	host := req.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(strings.TrimSuffix(strings.ToLower(host), "."), "[]")
	if ip, err := netip.ParseAddr(host); host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("Host=%.64q: is not this machine's; localhost or a loopback address: %w", host, discovery.ErrUnauthenticated)
}
