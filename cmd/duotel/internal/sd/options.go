package sd

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/duotel/duotel/discovery"
)

// options is the command line.
type options struct {
	listen, store         string
	etcd                  etcdFlags
	webConfig, principals string
	allow, only           ranges
	probe                 probe
	logFormat             string
}

func newOptions(set *flag.FlagSet) *options {
	o := &options{}
	set.StringVar(&o.listen, "listen", "localhost:9465", "`host:port` to serve on; port 0 is a free one")
	set.StringVar(&o.store, "store", "memory", "where the targets are kept: "+storeForms)
	o.etcd.register(set)
	set.StringVar(&o.webConfig, "web.config.file", "", "web configuration `file` of the Prometheus exporter-toolkit: TLS, basic auth, client certificates")
	set.StringVar(&o.principals, "principals", "", "YAML `file` that says who may register what; read again when it changes")
	set.Var(&o.allow, "allow-addresses", "`ranges` of addresses that may be registered although they are loopback or link-local, such as 127.0.0.0/8,::1")
	set.Var(&o.only, "only-addresses", "`ranges` of the only addresses that may be registered, beside -allow-addresses (default all)")
	set.Var(&o.probe, "probe", "ask the targets' pages whether they answer: -probe for every "+defaultProbeInterval.String()+", or -probe=`interval`")
	set.StringVar(&o.logFormat, "log-format", "text", "text or json")
	return o
}

// logger returns the logger that o asks for.
func (o options) logger(w io.Writer) (*slog.Logger, error) {
	switch o.logFormat {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, fmt.Errorf("-log-format=%q: is not known; text or json", o.logFormat)
}

// address returns where to listen. The name is resolved once, so that what is checked is what is listened on.
func (o options) address() (*net.TCPAddr, error) {
	const allowed = "host:port, such as localhost:9465, 127.0.0.1:0 or :9465"
	host, port, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, fmt.Errorf("-listen=%q: is not an address; %s", o.listen, allowed)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return nil, fmt.Errorf("-listen=%q: has no usable port; %s", o.listen, allowed)
	}
	at, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("-listen=%q: cannot be resolved: %w; %s", o.listen, err, allowed)
	}
	return at, nil
}

// policy returns which addresses may be registered.
func (o options) policy() discovery.AddressPolicy {
	return discovery.AddressPolicy{Allow: o.allow, Only: o.only}
}

// ranges is a flag with a list of address ranges.
type ranges []netip.Prefix

// String implements [flag.Value].
func (r *ranges) String() string {
	words := make([]string, 0, len(*r))
	for _, prefix := range *r {
		words = append(words, prefix.String())
	}
	return strings.Join(words, ",")
}

// Set implements [flag.Value].
func (r *ranges) Set(text string) error {
	*r = nil
	for word := range strings.SplitSeq(text, ",") {
		prefix, err := parseRange(strings.TrimSpace(word))
		if err != nil {
			return err
		}
		*r = append(*r, prefix)
	}
	return nil
}

// parseRange reads a range, or one address as the range of itself. An address with a length that cuts it is refused,
// because it is not said which of the two is meant.
func parseRange(text string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q: is not a range of addresses; such as 10.0.0.0/8, 2001:db8::/32 or 10.0.0.7", text)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q: has an address beyond its length; %s, or %s", text, prefix.Masked(), prefix.Addr())
	}
	return prefix, nil
}

const (
	defaultProbeInterval = 15 * time.Second
	minProbeInterval     = time.Second
)

// probe is a flag that can stand alone or have an interval. Its zero value probes nothing.
type probe time.Duration

// String implements [flag.Value].
func (p *probe) String() string {
	if *p == 0 {
		return ""
	}
	return time.Duration(*p).String()
}

// IsBoolFlag lets -probe stand alone.
func (p *probe) IsBoolFlag() bool { return true }

// Set implements [flag.Value].
func (p *probe) Set(text string) error {
	if on, err := strconv.ParseBool(text); err == nil {
		*p = 0
		if on {
			*p = probe(defaultProbeInterval)
		}
		return nil
	}
	interval, err := time.ParseDuration(text)
	if err != nil || interval < minProbeInterval {
		return errors.New("is not an interval; " + minProbeInterval.String() + " or more, such as -probe=30s")
	}
	*p = probe(interval)
	return nil
}

// probe returns how the registry probes, nil for not at all.
func (p probe) config() *discovery.Probe {
	if p == 0 {
		return nil
	}
	return &discovery.Probe{Interval: time.Duration(p), Timeout: min(time.Duration(p), 5*time.Second)}
}
