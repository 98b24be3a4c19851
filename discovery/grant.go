package discovery

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Grant is what a client of [Registry.API] may register.
type Grant struct {
	// Groups are the groups that it may write; "*" is every group, and a name that ends with "*" every group that
	// begins with the rest.
	Groups []string
	// Addresses are the ranges that its targets' addresses must be in, where they are literal. Empty: any that
	// the registry's own policy allows.
	Addresses []netip.Prefix
}

func (g Grant) group(name string) bool {
	return slices.ContainsFunc(g.Groups, func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return pattern == name || wild && strings.HasPrefix(name, prefix)
	})
}

func (g Grant) addresses(address string) error {
	if len(g.Addresses) == 0 {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip, err := netip.ParseAddr(host); err != nil || !contains(g.Addresses, ip.Unmap()) {
		return fmt.Errorf("discovery: Address=%q: %w to this client; %v", cut(address), errForbidden, g.Addresses)
	}
	return nil
}
