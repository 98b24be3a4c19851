package telemetry

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/duotel/duotel/exporter"
)

const allowedHeaders = "key=value,key=value, such as Authorization=Bearer token, with %2C for a comma and %25 for a percent sign in a value"

// hide stands in for values that are secrets.
func hide(string) string { return notShown }

// ownHeaders are the exporter's to set.
var ownHeaders = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Te", "Transfer-Encoding"}

// setHeaders adds a variable's headers to those of the variable it wins over. Names of headers are
// the same whatever their case.
func setHeaders(e *environment, _, value string) []problem {
	own := make(map[string]exporter.Secret)
	var problems []problem
	position := 0
	for text := range strings.SplitSeq(value, ",") {
		position++
		if strings.TrimSpace(text) == "" {
			continue
		}
		name, val, wrong := parseHeader(text)
		if wrong == "" {
			wrong = checkHeader(name, val, e.cfg.Push.Protocol)
		}
		have, twice := findHeader(own, name)
		if twice && wrong == "" && own[have].Reveal() != val {
			wrong = "the key is there twice, with different values"
		}
		if wrong != "" {
			problems = append(problems, problem{wrong: headerPlace("pair "+strconv.Itoa(position), name) + wrong})
			continue
		}
		if twice {
			continue // under the name that came first
		}
		own[name] = exporter.NewSecret(val)
	}
	e.cfg.Push.Headers = mergeHeaders(e.cfg.Push.Headers, own)
	return problems
}

func mergeHeaders(general, own map[string]exporter.Secret) map[string]exporter.Secret {
	merged := maps.Clone(general)
	if merged == nil {
		merged = make(map[string]exporter.Secret)
	}
	for name, value := range own {
		if loser, ok := findHeader(merged, name); ok {
			delete(merged, loser)
		}
		merged[name] = value
	}
	return merged
}

func findHeader(headers map[string]exporter.Secret, name string) (string, bool) {
	for have := range headers {
		if strings.EqualFold(have, name) {
			return have, true
		}
	}
	return "", false
}

// headerPlace names a pair by where it stands, and by its key where it has one that cannot be anything else.
func headerPlace(place, name string) string {
	if !httpguts.ValidHeaderFieldName(name) {
		return place + ": "
	}
	return place + ", key " + strconv.Quote(name) + ": "
}

// cutHeader reads key=value as people write it, or says what is wrong with it without repeating any of it. What can
// have one meaning only is accepted; quotes around a value may be a shell's or the value's.
func cutHeader(text string) (name, value, wrong string) {
	name, value, found := strings.Cut(text, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case strings.ContainsAny(text[:1], `"'`):
		return "", "", "begins with a quote copied from a shell, or with the rest of a value that has a comma: leave quotes out, and write %2C for a comma"
	case strings.Contains(name, ":"):
		return "", "", "has a colon before any =: write key=value, not key: value"
	case !found:
		return "", "", "has no =: write %2C for a comma in a value"
	case name == "":
		return "", "", "has no key"
	case !httpguts.ValidHeaderFieldName(name):
		return "", "", "the key is not the name of a header"
	case value != "" && strings.ContainsAny(value[:1], `"'`):
		return name, "", "the value begins with a quote, copied from a shell: leave the quotes out, or write %22 or %27"
	}
	return name, value, ""
}

// parseHeader reads one pair of a variable, in the format of W3C Baggage, to which the specification refers, with raw
// characters where baggage wants them encoded.
func parseHeader(text string) (name, value, wrong string) {
	name, value, wrong = cutHeader(strings.TrimSpace(text))
	if wrong != "" {
		return name, "", wrong
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return name, "", "a % in the value is not followed by two hexadecimal digits: write %25 for a percent sign"
	}
	return name, decoded, ""
}

// checkHeader says what is wrong with a decoded header.
func checkHeader(name, value string, protocol exporter.Protocol) string {
	outside := func(r rune) bool { return r < ' ' || r > '~' }
	grpc := protocol == exporter.ProtocolGRPC
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return "the key is not the name of a header"
	case slices.ContainsFunc(ownHeaders, func(own string) bool { return strings.EqualFold(own, name) }):
		return "the header is the exporter's own to set"
	case hasPrefixFold(name, "grpc-"):
		return "headers that begin with grpc- are reserved"
	case grpc && strings.ContainsAny(name, "!#$%&'*+^`|~"):
		return "the key is not one that grpc can send: letters, digits, -, _ and ."
	case !httpguts.ValidHeaderFieldValue(value):
		return "the value has a control character"
	case grpc && !hasSuffixFold(name, "-bin") && strings.ContainsFunc(value, outside):
		return "the value has a character that grpc cannot send: printable ASCII only"
	}
	return ""
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
