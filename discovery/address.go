package discovery

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
)

// AddressPolicy says which addresses may be registered and probed. Without it a registry would make
// Prometheus, and its own probes, a way into the network for whoever may register. The zero value refuses
// loopback, link-local (169.254.0.0/16 and fe80::/10, where clouds have their metadata services), multicast and
// unspecified addresses, and allows all others.
type AddressPolicy struct {
	// Allow lists ranges that are allowed whatever the rest says, such as 127.0.0.0/8 on a developer's machine.
	Allow []netip.Prefix
	// Only, when it is not empty, lists the only ranges that are allowed beside Allow. A host name can be registered
	// all the same, because what it resolves to is known when it is dialled: the probe looks then.
	Only []netip.Prefix
}

// registrable returns why a target's address may not be registered. The address is valid.
func (p AddressPolicy) registrable(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil // Validate says so
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		name := strings.TrimSuffix(strings.ToLower(host), ".")
		if name == "localhost" || strings.HasSuffix(name, ".localhost") {
			return p.check(netip.AddrFrom4([4]byte{127, 0, 0, 1}), address)
		}
		return nil // a name: known when it is dialled
	}
	return p.check(ip, address)
}

func (p AddressPolicy) check(ip netip.Addr, address string) error {
	ip = ip.Unmap()
	if contains(p.Allow, ip) {
		return nil
	}
	if inner, ok := embedded(ip); ok {
		if err := p.check(inner, address); err != nil {
			return err
		}
	}
	if ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || contains(special, ip) {
		return invalid("Address", address, "is a loopback, link-local, multicast, metadata or unspecified address", "an address that other machines can reach, or one that is allowed by name")
	}
	if len(p.Only) > 0 && !contains(p.Only, ip) {
		return invalid("Address", address, "is outside of the allowed ranges", fmt.Sprint(p.Only))
	}
	return nil
}

// special are addresses that lead to a machine itself or to a cloud's metadata, and that [netip.Addr] has no word for.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("255.255.255.255/32"), // this network, and everybody on it
	netip.MustParsePrefix("fec0::/10"),                                                                                                 // site-local, as link-local was meant for a site
	netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("fd00:ec2::254/128"), netip.MustParsePrefix("fd20:ce::254/128"), // Alibaba, AWS, Google
}

// embedded returns the IPv4 address that an IPv6 address leads to: translated (64:ff9b::/96), tunnelled (2002::/16), or compatible and translated (::/96, ::ffff:0:0:0/96).
func embedded(ip netip.Addr) (netip.Addr, bool) {
	if !ip.Is6() || ip.IsUnspecified() || ip == netip.IPv6LinkLocalAllNodes() || ip.IsLoopback() {
		return netip.Addr{}, false
	}
	text := ip.As16()
	for _, way := range []struct {
		prefix netip.Prefix
		at     int
	}{
		{netip.MustParsePrefix("64:ff9b::/96"), 12}, {netip.MustParsePrefix("2002::/16"), 2}, {netip.MustParsePrefix("::/96"), 12}, {netip.MustParsePrefix("::ffff:0:0:0/96"), 12},
	} {
		if way.prefix.Contains(ip) {
			return netip.AddrFrom4([4]byte(text[way.at : way.at+4])), true
		}
	}
	return netip.Addr{}, false
}

func contains(ranges []netip.Prefix, ip netip.Addr) bool {
	for _, r := range ranges {
		if r.Contains(ip) {
			return true
		}
	}
	return false
}

// control is a [net.Dialer]'s: it looks at the very address that is about to be connected to, after the name
// was resolved, so a name that resolves to something else the second time changes nothing.
func (p AddressPolicy) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return p.check(at.Addr(), address)
}
