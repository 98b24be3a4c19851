package telemetry

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/duotel/duotel/discovery"
)

const (
	allowedRegistry   = "the URL of a registry, such as https://registry:8080/, or of a store, such as etcd://host:2379,host:2379/prefix"
	allowedRegistered = "host:port, such as 10.0.0.7:9464 or worker-1.example:9464"
	allowedWithHTTPS  = "none, or DUOTEL_DISCOVERY with http or https"
)

var (
	schemePattern = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)
	// registrySchemes are those that need no [WithDiscoveryStore].
	registrySchemes = []string{"http", "https"}
)

// scheme is what the URL begins with, in lower case; "" where it begins with none.
func (c DiscoveryConfig) scheme() string {
	scheme, _, found := strings.Cut(c.URL, "://")
	if !found {
		return ""
	}
	return strings.ToLower(scheme)
}

// checkDiscovery says what is wrong with Discovery, and with what it needs of the listener.
func (c Config) checkDiscovery() []problem {
	d := c.Discovery
	problems := d.checkFiles()
	if d.Address != "" && !isRegistrable(d.Address) {
		problems = append(problems, problem{"Discovery.Address", showURL(d.Address), "is not a host and a port at which others could reach the page", allowedRegistered})
	}
	if d.URL == "" {
		return problems
	}
	if wrong := d.checkURL(); wrong != "" {
		problems = append(problems, problem{"Discovery.URL", showRegistry(d.URL), wrong, allowedRegistry})
	}
	if pull, _, _ := c.exits(); pull && d.Address == "" && !c.Listener.enabled() {
		problems = append(problems, problem{
			"Discovery.Address", "", "is not set, and there is no listener whose address could be listed",
			allowedRegistered + ", or a listener: OTEL_EXPORTER_PROMETHEUS_PORT",
		})
	}
	return problems
}

func (c DiscoveryConfig) checkURL() string {
	scheme := c.scheme()
	switch {
	case scheme == "" && isHostPort(strings.TrimSuffix(c.URL, "/")):
		return "has no scheme: http://" + c.URL + " was probably meant"
	case scheme == "":
		return "has no scheme"
	case !schemePattern.MatchString(scheme):
		return "has a scheme that is none"
	case !utf8.ValidString(c.URL) || strings.ContainsFunc(c.URL, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "is not a URL"
	case !slices.Contains(registrySchemes, scheme):
		if host, _, _ := strings.Cut(c.URL[len(scheme)+len("://"):], "/"); host == "" {
			return "has no host"
		}
		return "" // the rest is the store's to judge
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil:
		return "is not a URL"
	case u.User != nil:
		return "has a user name or password: write them as a header, Authorization=Basic …, into the file of DUOTEL_DISCOVERY_HEADERS_FILE"
	case u.Hostname() == "":
		return "has no host"
	case u.Port() != "" && !isPort(u.Port()):
		return "has a port that is not between 1 and 65535"
	case u.RawQuery != "" || u.Fragment != "":
		return "has a query (?) or a fragment (#), which the registry's API does not have"
	}
	return ""
}

// isRegistrable says whether others can reach a page at address. 0.0.0.0 is where one listens, not where one is.
func isRegistrable(address string) bool {
	if !isHostPort(address) || (discovery.Target{Group: "g", ID: "i", Address: address}).Validate() != nil {
		return false
	}
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return err != nil || !ip.IsUnspecified()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// isEverywhere says whether host is all interfaces of a machine.
func isEverywhere(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsUnspecified()
}

// client is the part that the registry's client has in common with the push exit's, so that both read their files by
// the same rules.
func (c DiscoveryConfig) client() PushConfig {
	return PushConfig{
		HeadersFile: c.HeadersFile, Certificate: c.Certificate, ClientCertificate: c.ClientCertificate, ClientKey: c.ClientKey,
	}
}

// checkFiles reads the files. A store takes none: what it has instead is in its URL or in its code.
func (c DiscoveryConfig) checkFiles() []problem {
	problems := c.client().checkFiles()
	for i := range problems {
		problems[i].field = strings.Replace(problems[i].field, "Push.", "Discovery.", 1)
	}
	if scheme := c.scheme(); scheme == "" || slices.Contains(registrySchemes, scheme) {
		return problems
	}
	for _, file := range []struct{ field, path string }{
		{"Discovery.HeadersFile", c.HeadersFile},
		{"Discovery.Certificate", c.Certificate},
		{"Discovery.ClientCertificate", c.ClientCertificate},
		{"Discovery.ClientKey", c.ClientKey},
	} {
		if file.path != "" {
			problems = append(problems, problem{file.field, file.path, "is for a registry with http or https; " + c.scheme() + " has its credentials from its URL or from the function of WithDiscoveryStore", allowedWithHTTPS})
		}
	}
	return problems
}

// showRegistry returns what may be shown of a registry's or store's URL: no user, no password, no query. Several
// hosts are no URL to net/url.
func showRegistry(raw string) string {
	scheme, rest, found := strings.Cut(raw, "://")
	if at := strings.LastIndex(rest, "@"); found && at >= 0 && !strings.ContainsAny(rest[:at], "/?#") {
		return showURL(scheme+"://"+rest[at+1:]) + " (user not shown)"
	}
	return showURL(raw)
}

// checkStore says what is wrong with the store of cfg, which options give. The message has the line of code that is missing.
func (o *options) checkStore(c DiscoveryConfig) error {
	scheme := c.scheme()
	if c.URL == "" || slices.Contains(registrySchemes, scheme) || o.discoveryStores[scheme] != nil {
		return nil
	}
	key, add := "DUOTEL_DISCOVERY="+strconv.Quote(abridge(showRegistry(c.URL))), "http or https, or a store that is given with telemetry.WithDiscoveryStore("+strconv.Quote(scheme)+", …)"
	if scheme == "etcd" {
		add = `add telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open) to the options of Start, with the package github.com/duotel/duotel/discovery/etcd; or use http or https`
	}
	return fmt.Errorf("telemetry: %s: this program has no store for the scheme %q; %s", key, scheme, add)
}
