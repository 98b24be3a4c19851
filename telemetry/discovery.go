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
	allowedUser       = "both or neither, for a store such as etcd"
	allowedPassword   = "a file of at most 64 KiB that holds the password, and nothing else but a line break at its end"
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
		return c.checkStoreURL(scheme)
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

// checkStoreURL says what is wrong with the URL of a store: several hosts, which are no URL to net/url, and a path that is the store's to judge.
func (c DiscoveryConfig) checkStoreURL(scheme string) string {
	hosts, path, _ := strings.Cut(c.URL[len(scheme)+len("://"):], "/")
	if strings.Contains(hosts, "@") {
		return "has a user name or password: DUOTEL_DISCOVERY_USERNAME and DUOTEL_DISCOVERY_PASSWORD_FILE are for these"
	}
	for host := range strings.SplitSeq(hosts, ",") {
		name, port := host, ""
		if strings.Contains(strings.TrimSuffix(host, "]"), ":") && !isBracketed(host) {
			var err error
			if name, port, err = net.SplitHostPort(host); err != nil {
				return "has a host that is none"
			}
			if !isPort(port) {
				return "has a port that is not between 1 and 65535"
			}
		}
		if name == "" {
			return "has no host, or one that is empty"
		}
	}
	if isEtcd(scheme) && strings.ContainsAny(hosts+path, "?#") {
		return "has a query (?) or a fragment (#), which etcd does not have"
	}
	return ""
}

// isBracketed reports whether host is an IPv6 address in brackets, without a port.
func isBracketed(host string) bool {
	return strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
}

func isEtcd(scheme string) bool { return scheme == "etcd" || scheme == "etcds" }

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

// checkFiles reads the files, and says which are for another scheme than that of the URL.
func (c DiscoveryConfig) checkFiles() []problem {
	problems := c.client().checkFiles()
	for i := range problems {
		problems[i].field = strings.Replace(problems[i].field, "Push.", "Discovery.", 1)
	}
	problems = append(problems, c.checkUser()...)
	scheme := c.scheme()
	registry := slices.Contains(registrySchemes, scheme)
	for _, file := range []struct{ field, value, wrong, allowed string }{
		{"Discovery.HeadersFile", misplaced(c.HeadersFile, !registry), "is for a registry; a store has DUOTEL_DISCOVERY_USERNAME and DUOTEL_DISCOVERY_PASSWORD_FILE", "none, or DUOTEL_DISCOVERY with http or https"},
		{"Discovery.Username", misplaced(c.Username, registry), "is for a store; a registry has its credentials as a header, in the file of DUOTEL_DISCOVERY_HEADERS_FILE", "none, or DUOTEL_DISCOVERY with a store such as etcd"},
		{"Discovery.Certificate", misplaced(c.Certificate, scheme == "etcd"), "is for TLS, and etcd:// is without", "none, or DUOTEL_DISCOVERY with etcds"},
		{"Discovery.ClientCertificate", misplaced(c.ClientCertificate, scheme == "etcd"), "is for TLS, and etcd:// is without", "none, or DUOTEL_DISCOVERY with etcds"},
	} {
		if file.value != "" && scheme != "" {
			problems = append(problems, problem{file.field, file.value, file.wrong, file.allowed})
		}
	}
	return problems
}

// misplaced is value where it does not belong.
func misplaced(value string, there bool) string {
	if there {
		return value
	}
	return ""
}

// checkUser says what is wrong with the credentials for a store.
func (c DiscoveryConfig) checkUser() []problem {
	switch {
	case c.Username == "" && c.PasswordFile == "":
		return nil
	case c.PasswordFile == "":
		return []problem{{"Discovery.PasswordFile", "", "is not set, and the user name needs it", allowedUser}}
	case c.Username == "":
		return []problem{{"Discovery.Username", "", "is not set, and the file with the password needs it", allowedUser}}
	}
	if _, err := readPassword(c.PasswordFile); err != nil {
		return []problem{{"Discovery.PasswordFile", c.PasswordFile, err.Error(), allowedPassword}}
	}
	return nil
}

// readPassword returns what a file holds, without the line break at its end that editors make.
func readPassword(path string) (string, error) {
	text, err := readSmall(path)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" {
		return "", fmt.Errorf("%s: is empty", path)
	}
	return password, nil
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

// store is what opens the stores of a scheme, or of one with an s more; nil for nothing.
func (o *options) store(scheme string) openStore {
	if open := o.discoveryStores[scheme]; open != nil {
		return open
	}
	return o.discoveryStores[strings.TrimSuffix(scheme, "s")]
}

// checkStore says what is wrong with the store of cfg, which options give. The message has the line of code that is missing.
func (o *options) checkStore(c DiscoveryConfig) error {
	scheme := c.scheme()
	if c.URL == "" || slices.Contains(registrySchemes, scheme) || o.store(scheme) != nil {
		return nil
	}
	key, add := "DUOTEL_DISCOVERY="+strconv.Quote(abridge(showRegistry(c.URL))), "http or https, or a store that is given with telemetry.WithDiscoveryStore("+strconv.Quote(scheme)+", …)"
	if isEtcd(scheme) {
		add = `add telemetry.WithDiscoveryStore("etcd", etcd.Config{}.Open) to the options of Start, with the package github.com/duotel/duotel/discovery/etcd; or use http or https`
	}
	return fmt.Errorf("telemetry: %s: this program has no store for the scheme %q; %s", key, scheme, add)
}
