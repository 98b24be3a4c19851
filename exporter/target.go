package exporter

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/resolver"
)

// ParseTarget reads an endpoint in one of gRPC's own forms, such as unix:/run/otel.sock, unix-abstract:otel,
// dns:///host:4317, passthrough:///host:4317, ipv4:10.0.0.1:4317,10.0.0.2:4317 or xds:///service, or in that of any
// resolver that the program has registered with gRPC. It returns nil without an error for another kind of
// endpoint: a URL, or host:port.
//
// Source: gRPC Name Resolution, https://github.com/grpc/grpc/blob/master/doc/naming.md.
func ParseTarget(endpoint string) (*url.URL, error) {
	scheme, rest, found := strings.Cut(endpoint, ":")
	scheme = strings.ToLower(scheme)
	_, err := strconv.ParseUint(rest, 10, 16)
	if isPort := err == nil; !found || isPort || !isTargetScheme(scheme) {
		return nil, nil
	}
	target, err := url.Parse(endpoint)
	if err != nil {
		return nil, errors.New("is not a gRPC target")
	}
	return target, checkTarget(target, rest)
}

// addressSchemes list addresses. gRPC defines them, and grpc-go has no resolver for them.
var addressSchemes = []string{"ipv4", "ipv6"}

func isTargetScheme(scheme string) bool {
	return scheme == "xds" || slices.Contains(addressSchemes, scheme) || resolver.Get(scheme) != nil && scheme != "http" && scheme != "https"
}

func checkTarget(target *url.URL, rest string) error {
	switch scheme := target.Scheme; {
	case target.User != nil || target.RawQuery != "" || target.Fragment != "":
		return errors.New("has a user, a query or a fragment, which gRPC does not send: use a header")
	case scheme == "xds" && resolver.Get(scheme) == nil:
		return errors.New(`needs gRPC's xDS resolver, which the program does not have: import _ "google.golang.org/grpc/xds"`)
	case slices.Contains(addressSchemes, scheme):
		return checkAddresses(scheme, target.Opaque)
	case strings.HasPrefix(scheme, "unix") && target.Host != "":
		return fmt.Errorf("has a host before the path: %s:///absolute/path has three slashes, or %s:relative/path none", scheme, scheme)
	case strings.Trim(rest, "/") == "":
		return errors.New("names nothing after the scheme")
	case scheme == "dns" && strings.Trim(target.Path+target.Opaque, "/") == "":
		return errors.New("has no host after the authority: dns:///host:4317 has three slashes")
	}
	return nil
}

func checkAddresses(scheme, list string) error {
	for text := range strings.SplitSeq(list, ",") {
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err != nil {
			var pair netip.AddrPort
			pair, err = netip.ParseAddrPort(text)
			addr = pair.Addr()
		}
		if err != nil || addr.Is4() != (scheme == "ipv4") {
			return fmt.Errorf("%q is not an address of %s, with or without a port", text, scheme)
		}
	}
	return nil
}
