package telemetry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/duotel/duotel/discovery"
)

// target is what the list says of this process. Names and values that a [discovery.Target] could not have are changed, not refused:
// a service that is odd is better found under an odd name than not at all.
func target(address, scheme string, res *resource.Resource) discovery.Target {
	value := func(key string) string {
		for _, attr := range res.Attributes() {
			if string(attr.Key) == key {
				return attr.Value.String()
			}
		}
		return ""
	}
	name, version, id := value(string(semconv.ServiceNameKey)), value(string(semconv.ServiceVersionKey)), value(string(semconv.ServiceInstanceIDKey))
	meta := map[string]string{"service_name": metaValue(name), "service_instance_id": metaValue(id)}
	if version != "" {
		meta["service_version"] = metaValue(version)
	}
	return discovery.Target{Group: targetName(name), ID: targetName(id), Address: address, Scheme: scheme, Meta: meta}
}

// targetName is name where a target may have it. Elsewhere it is as much of it as possible, with a piece of its hash behind it: two that
// are different stay so.
func targetName(name string) string {
	const hashed = 8
	kept := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("._-:@~+", r)) {
			return r
		}
		return '_'
	}, name)
	// A name of dots alone is not one in the path of a URL.
	if kept == name && len(name) <= discovery.MaxNameBytes && strings.Trim(name, ".") != "" {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return kept[:min(len(kept), discovery.MaxNameBytes-hashed-1)] + "-" + hex.EncodeToString(sum[:])[:hashed]
}

func metaValue(text string) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	return strings.ToValidUTF8(text[:min(len(text), discovery.MaxValueBytes)], "")
}

// listedAddress is where others reach the page.
func (s *SDK) listedAddress(ctx context.Context) (string, error) {
	if s.cfg.Discovery.Address != "" {
		return s.cfg.Discovery.Address, nil
	}
	_, port, err := net.SplitHostPort(s.listener.addr())
	if err != nil {
		return "", err
	}
	host := s.cfg.Listener.host()
	if !isEverywhere(host) {
		return net.JoinHostPort(host, port), nil
	}
	if host, err = outwardHost(ctx, host, s.cfg.Discovery.hostPort()); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// hostPort is the first host of the URL.
func (c DiscoveryConfig) hostPort() string {
	_, rest, _ := strings.Cut(c.URL, "://")
	authority, _, _ := strings.Cut(rest, "/")
	authority = authority[strings.LastIndex(authority, "@")+1:]
	first, _, _ := strings.Cut(authority, ",")
	if _, _, err := net.SplitHostPort(first); err == nil {
		return first
	}
	return net.JoinHostPort(strings.Trim(first, "[]"), "80") // any port leads to the host
}

// outwardHost is the address of this machine, of those that everywhere stands for, which leads to the registry. Where the registry is on this
// machine it is the first that leads elsewhere.
func outwardHost(ctx context.Context, everywhere, registry string) (string, error) {
	network := "udp"
	if everywhere == "0.0.0.0" {
		network = "udp4"
	}
	// A UDP socket that is connected has an address and has sent nothing.
	if conn, err := new(net.Dialer).DialContext(ctx, network, registry); err == nil {
		host, _, _ := net.SplitHostPort(conn.LocalAddr().String())
		_ = conn.Close()
		if !isLoopback(host) && !strings.Contains(host, "%") {
			return host, nil
		}
	}
	addrs, _ := net.InterfaceAddrs()
	for _, addr := range addrs {
		if ip, ok := addr.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && (network == "udp" || ip.IP.To4() != nil) {
			return ip.IP.String(), nil
		}
	}
	return "", errors.New("discovery: no address of this machine leads to another; set DUOTEL_DISCOVERY_ADDRESS")
}

// pageAnswers returns when the page can be connected to. The listener of the SDK can be from when it is open; a page that was
// mounted answers when the application has got as far as that.
func (s *SDK) pageAnswers(ctx context.Context) {
	const pause = 100 * time.Millisecond
	for s.listener == nil && ctx.Err() == nil {
		dialer := net.Dialer{Timeout: time.Second}
		if conn, err := dialer.DialContext(ctx, "tcp", s.cfg.Discovery.Address); err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}
