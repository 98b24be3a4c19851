package discovery

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of a [Target]. What is over one of them is refused with an error that says so, because one
// registrant must not be able to make the list large for everybody who reads it.
const (
	// MaxLabels is the most entries that Labels, Meta and Params have, each.
	MaxLabels = 30
	// MaxValueBytes is the longest value of a label, of meta data or of a parameter, and the longest path.
	MaxValueBytes = 1024
	// MaxNameBytes is the longest group, id and name of a label, of meta data or of a parameter.
	MaxNameBytes = 128
	// MaxGroupTargets is the most targets that one group has.
	MaxGroupTargets = 10_000
	// MaxTargets is the most targets that a memory store has.
	MaxTargets = 100_000
)

// Times to live of a [Target].
const (
	// DefaultTTL is the TTL of a target that has none.
	DefaultTTL = 30 * time.Second
	// MinTTL and MaxTTL bound what a registrant may ask for.
	MinTTL = time.Second
	MaxTTL = 24 * time.Hour
)

// Target is one page that Prometheus should scrape. ID, Group and Address are required.
type Target struct {
	// Group and ID name the target: letters, digits and any of "._-:@~+", at most 128. A target that is
	// registered under a name that is taken replaces the one before.
	Group string `json:"group"`
	ID    string `json:"id"`
	// Address is host:port, as Prometheus can reach it.
	Address string `json:"address"`
	// Scheme is http (default) or https.
	Scheme string `json:"scheme,omitempty"`
	// Path is where the page is, from "/" on. Default /metrics.
	Path string `json:"path,omitempty"`
	// Params are sent as the query of each scrape.
	Params map[string][]string `json:"params,omitempty"`
	// Labels go on every series that is scraped from the target. Names are those of the classic
	// Prometheus alphabet; job, instance and all that begin with "__" belong to Prometheus.
	Labels map[string]string `json:"labels,omitempty"`
	// Meta becomes __meta_duotel_<name>, which relabelling can use and which is gone afterwards.
	// Characters that no label name can have become "_"; two names that become one are refused.
	Meta map[string]string `json:"meta,omitempty"`
	// TTL is how long the target stays listed after the last sign of life. Default 30 s.
	TTL Duration `json:"ttl,omitempty"`
}

// Key names a target.
type Key struct{ Group, ID string }

// String returns group/id.
func (k Key) String() string { return k.Group + "/" + k.ID }

// Key returns the target's name.
func (t Target) Key() Key { return Key{t.Group, t.ID} }

// Validate returns everything that is wrong with t: each error names the field, its value and what is
// allowed. A target that is valid can be shown to Prometheus as it is.
func (t Target) Validate() error {
	return errors.Join(
		validName("ID", t.ID),
		validName("Group", t.Group),
		validAddress(t.Address),
		validScheme(t.Scheme),
		validPath(t.Path),
		validParams(t.Params),
		validLabels(t.Labels),
		validMeta(t.Meta),
		validTTL(time.Duration(t.TTL)),
	)
}

// withDefaults returns a copy of t that shares no map with it and has every optional field set.
func (t Target) withDefaults() Target {
	if t.Scheme == "" {
		t.Scheme = "http"
	}
	if t.Path == "" {
		t.Path = "/metrics"
	}
	if t.TTL == 0 {
		t.TTL = Duration(DefaultTTL)
	}
	t.Labels, t.Meta = maps.Clone(t.Labels), maps.Clone(t.Meta)
	t.Params = maps.Clone(t.Params)
	for name, values := range t.Params {
		t.Params[name] = slices.Clone(values)
	}
	return t
}

// equal says whether Prometheus would see no difference between two targets.
func (t Target) equal(o Target) bool {
	return t.Key() == o.Key() && t.Address == o.Address && t.Scheme == o.Scheme && t.Path == o.Path &&
		maps.EqualFunc(t.Params, o.Params, slices.Equal) && maps.Equal(t.Labels, o.Labels) && maps.Equal(t.Meta, o.Meta)
}

// invalid returns the error of one field. The value is cut, because an error has to stay readable
// whatever a registrant sends.
func invalid(field, value, problem, allowed string) error {
	return fmt.Errorf("discovery: %s=%q: %s; %s", field, cut(value), problem, allowed)
}

const shownBytes = 64

// cut shortens what an error shows of a value.
func cut(value string) string {
	if len(value) <= shownBytes {
		return value
	}
	return strings.ToValidUTF8(value[:shownBytes], "") + "…"
}

var (
	namePattern  = regexp.MustCompile(`^[A-Za-z0-9._:@~+-]+$`)
	labelPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	hostPattern  = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)
)

func validName(field, value string) error {
	switch {
	case len(value) > MaxNameBytes:
		return invalid(field, value, fmt.Sprintf("has %d bytes", len(value)), fmt.Sprintf("at most %d", MaxNameBytes))
	case !namePattern.MatchString(value):
		return invalid(field, value, "is not a name", `letters, digits and any of "._-:@~+", at least one`)
	}
	return nil
}

func validAddress(address string) error {
	const allowed = "host:port, such as 10.0.0.7:9464, [2001:db8::7]:9464 or worker-1.example:9464"
	if strings.ContainsAny(address, "/@?#") {
		return invalid("Address", "", "has a scheme, a path or user information (not shown)", allowed)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return invalid("Address", address, "is not a host and a port", allowed)
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return invalid("Address", address, "has no usable port", "a number from 1 to 65535 after the host")
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() == "" {
		return nil
	}
	if number(host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]) {
		// Some resolvers take 127.1, 2130706433 and 0x7f000001 for 127.0.0.1, which no policy would have seen.
		return invalid("Address", address, "has a host that ends in a number and is no IP address", allowed)
	}
	if len(host) > 253 || !hostPattern.MatchString(host) {
		return invalid("Address", address, "has no usable host", allowed)
	}
	return nil
}

// number says whether the last label of a host name is a number, as the URL standard understands it
// (https://url.spec.whatwg.org/#ends-in-a-number-checker).
func number(label string) bool {
	_, err := strconv.ParseUint(strings.TrimSuffix(label, "."), 0, 64)
	return err == nil || errors.Is(err, strconv.ErrRange) || label != "" && strings.Trim(label, "0123456789.") == ""
}

func validScheme(scheme string) error {
	if scheme != "" && scheme != "http" && scheme != "https" {
		return invalid("Scheme", scheme, "is not known", "http or https")
	}
	return nil
}

func validPath(path string) error {
	switch {
	case path == "":
		return nil
	case path[0] != '/':
		return invalid("Path", path, "does not begin with /", "a path such as /metrics")
	case strings.ContainsAny(path, "?#"):
		return invalid("Path", path, "has a query or a fragment", "a path alone; a query goes into Params")
	}
	return validValue("Path", path)
}

func validValue(field, value string) error {
	switch {
	case len(value) > MaxValueBytes:
		return invalid(field, value, fmt.Sprintf("has %d bytes", len(value)), fmt.Sprintf("at most %d", MaxValueBytes))
	case !utf8.ValidString(value):
		return invalid(field, value, "is not valid UTF-8", "valid UTF-8")
	}
	return nil
}

func validCount(field string, n int) error {
	if n > MaxLabels {
		return fmt.Errorf("discovery: %s: has %d entries; at most %d", field, n, MaxLabels)
	}
	return nil
}

func validParams(params map[string][]string) error {
	n := 0
	errs := []error{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		field := "Params[" + strconv.Quote(cut(name)) + "]"
		if !labelPattern.MatchString(name) || len(name) > MaxNameBytes {
			// It becomes part of the label __param_<name>.
			errs = append(errs, invalid("Params", name, "is not a name that a label can carry", "letters, digits and _, not a digit first, at most 128"))
		}
		if len(params[name]) != 1 {
			// Prometheus's discovery has one label for each parameter, and so one value.
			errs = append(errs, fmt.Errorf("discovery: %s: has %d values; exactly one", field, len(params[name])))
		}
		for _, value := range params[name] {
			errs = append(errs, validValue(field, value))
		}
		n++
	}
	return errors.Join(append(errs, validCount("Params", n))...)
}

func validLabels(labels map[string]string) error {
	if err := validCount("Labels", len(labels)); err != nil {
		return err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		switch {
		case len(name) > MaxNameBytes || !labelPattern.MatchString(name):
			errs = append(errs, invalid("Labels", name, "is not a label name", "letters, digits and _, not a digit first, at most 128"))
		case name == "job" || name == "instance" || strings.HasPrefix(name, "__"):
			errs = append(errs, invalid("Labels", name, "belongs to Prometheus", `any name but job, instance and those that begin with "__"`))
		default:
			errs = append(errs, validValue("Labels["+strconv.Quote(name)+"]", labels[name]))
		}
	}
	return errors.Join(errs...)
}

// metaPrefix begins the labels that only relabelling sees. The names below are the registry's own.
const metaPrefix = "__meta_duotel_"

var ownMeta = []string{"group", "id", "health"}

// metaName returns the label of a name of [Target].Meta.
func metaName(name string) string {
	return metaPrefix + strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
}

func validMeta(meta map[string]string) error {
	if err := validCount("Meta", len(meta)); err != nil {
		return err
	}
	var errs []error
	taken := map[string]string{}
	for _, own := range ownMeta {
		taken[metaPrefix+own] = own + ", which is the registry's own"
	}
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		label := metaName(name)
		switch other, clash := taken[label]; {
		case name == "" || len(name) > MaxNameBytes || !utf8.ValidString(name):
			errs = append(errs, invalid("Meta", name, "is not a name", "1 to 128 bytes of valid UTF-8"))
		case clash:
			errs = append(errs, invalid("Meta", name, "becomes "+label+" as does "+other, "names that stay different when what is no letter, digit or _ becomes _"))
		default:
			taken[label] = strconv.Quote(name)
			errs = append(errs, validValue("Meta["+strconv.Quote(name)+"]", meta[name]))
		}
	}
	return errors.Join(errs...)
}

func validTTL(ttl time.Duration) error {
	if ttl != 0 && (ttl < MinTTL || ttl > MaxTTL) {
		return invalid("TTL", ttl.String(), "is out of range", fmt.Sprintf("%s to %s, or none for %s", MinTTL, MaxTTL, DefaultTTL))
	}
	return nil
}
