package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/duotel/duotel/discovery"
)

// Defaults and bounds of a [Config].
const (
	// DefaultPrefix is the prefix of a store that is given none.
	DefaultPrefix = "/duotel/discovery"
	// DefaultTTL is how long what a process holds outlives it.
	DefaultTTL = 15 * time.Second
	// MinTTL and MaxTTL bound Config.TTL. etcd counts whole seconds.
	MinTTL = time.Second
	MaxTTL = time.Hour
	// DefaultDialTimeout bounds one attempt to reach etcd, and one request.
	DefaultDialTimeout = 5 * time.Second
	// MaxPrefixBytes is the longest prefix.
	MaxPrefixBytes = 256
)

// Config says which etcd keeps the entries, and where in it. Only Endpoints is required.
type Config struct {
	// Endpoints are host:port of the cluster's members.
	Endpoints []string
	// Prefix begins every key, from "/" on and without one at the end: segments of letters, digits and any of
	// "._-". Default: [DefaultPrefix]. Everything below it belongs to the store.
	Prefix string
	// TLS, when set, is spoken with etcd, with a certificate of the client's where it holds one. Default: none.
	TLS *tls.Config
	// Username and Password are for etcd's own authentication. Default: none. Neither goes without the other.
	Username string
	// Password is never printed.
	Password discovery.Secret
	// TTL is how long what this process holds stays listed after it has died, in whole seconds. Default: [DefaultTTL].
	TTL time.Duration
	// DialTimeout bounds one attempt to reach etcd, and one request. Default: [DefaultDialTimeout].
	DialTimeout time.Duration
	// Logger gets one line per change of state. Default: [slog.Default].
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.DialTimeout == 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

var prefixPattern = regexp.MustCompile(`^(/[A-Za-z0-9._-]+)+$`)

func (c Config) validate() error {
	var errs []error
	if len(c.Endpoints) == 0 {
		errs = append(errs, errors.New("etcd: Endpoints: is empty; at least one host:port"))
	}
	for _, endpoint := range c.Endpoints {
		errs = append(errs, validEndpoint(endpoint))
	}
	if len(c.Prefix) > MaxPrefixBytes || !prefixPattern.MatchString(c.Prefix) {
		errs = append(errs, fmt.Errorf("etcd: Prefix=%q: is not a prefix; such as %s, letters, digits and any of \"._-\", at most %d bytes", c.Prefix[:min(len(c.Prefix), 64)], DefaultPrefix, MaxPrefixBytes))
	}
	if c.TTL < MinTTL || c.TTL > MaxTTL || c.TTL%time.Second != 0 {
		errs = append(errs, fmt.Errorf("etcd: TTL=%q: is out of range; whole seconds from %s to %s", c.TTL, MinTTL, MaxTTL))
	}
	if c.DialTimeout < 0 {
		errs = append(errs, fmt.Errorf("etcd: DialTimeout=%q: is negative; more than 0, or 0 for %s", c.DialTimeout, DefaultDialTimeout))
	}
	if (c.Username == "") != (c.Password.Reveal() == "") {
		errs = append(errs, fmt.Errorf("etcd: Username=%q: one of Username and Password is missing; both or neither", c.Username))
	}
	return errors.Join(errs...)
}

func validEndpoint(endpoint string) error {
	const allowed = "host:port, such as 10.0.0.7:2379"
	if strings.ContainsAny(endpoint, "/@?#") {
		return fmt.Errorf("etcd: Endpoints=%q: has a scheme, a path or user information (not shown); %s", "", allowed)
	}
	host, port, err := net.SplitHostPort(endpoint)
	if number, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || number == 0 || host == "" {
		return fmt.Errorf("etcd: Endpoints=%q: is not a host and a port; %s", endpoint, allowed)
	}
	return nil
}

// fromURL sets what rawURL says in cfg: etcd://host:2379,host2:2379/prefix, or etcds:// for TLS. Errors do not show
// the URL, because people put passwords into them.
func fromURL(rawURL string, cfg Config) (Config, error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok || scheme != "etcd" && scheme != "etcds" {
		return cfg, errors.New("etcd: URL: has another scheme (not shown); etcd://host:2379/prefix, or etcds:// for TLS")
	}
	hosts, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(rest, "@?#") {
		return cfg, errors.New("etcd: URL: has user information, a query or a fragment (not shown); Config.Username and Config.Password carry credentials")
	}
	if len(cfg.Endpoints) > 0 {
		return cfg, fmt.Errorf("etcd: Endpoints=%q: are given beside a URL; one of them", cfg.Endpoints)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if _, _, err := net.SplitHostPort(host); err != nil && host != "" {
			host = net.JoinHostPort(strings.Trim(host, "[]"), "2379")
		}
		cfg.Endpoints = append(cfg.Endpoints, host)
	}
	path, err := url.PathUnescape(strings.TrimSuffix(path, "/"))
	if err != nil {
		return cfg, fmt.Errorf("etcd: URL: its path is no path: %w", err)
	}
	if path != "" {
		if cfg.Prefix != "" && cfg.Prefix != "/"+path {
			return cfg, fmt.Errorf("etcd: Prefix=%q: the URL has another, %q; one of them", cfg.Prefix, "/"+path)
		}
		cfg.Prefix = "/" + path
	}
	if scheme == "etcds" && cfg.TLS == nil {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if scheme == "etcd" && cfg.TLS != nil {
		return cfg, errors.New("etcd: TLS: is set for an etcd:// URL; etcds:// for TLS")
	}
	return cfg, nil
}
