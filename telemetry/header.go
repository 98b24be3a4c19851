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

const allowedHeaders = "key=value,key=value with the values percent-encoded, such as Authorization=Bearer%20token"

// hide stands in for values that are secrets.
func hide(string) string { return notShown }

// ownHeaders are the exporter's to set.
var ownHeaders = []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Te", "Transfer-Encoding"}

// setHeaders adds a variable's headers to those of the variable it wins over. Names of headers are
// the same whatever their case.
func setHeaders(e *environment, _, value string) []problem {
	own := make(map[string]string)
	var problems []problem
	position := 0
	for text := range strings.SplitSeq(value, ",") {
		position++
		name, val, wrong := parseHeader(text)
		if wrong == "" {
			wrong = checkHeader(name, val, e.cfg.Push.Protocol)
		}
		if _, twice := findHeader(own, name); twice && wrong == "" {
			wrong = "the key is there twice"
		}
		if wrong != "" {
			problems = append(problems, problem{wrong: headerPair(position, name) + wrong})
			continue
		}
		own[name] = val
	}
	e.cfg.Push.Headers = mergeHeaders(e.cfg.Push.Headers, own)
	return problems
}

func mergeHeaders(general, own map[string]string) map[string]string {
	merged := maps.Clone(general)
	if merged == nil {
		merged = make(map[string]string)
	}
	for name, value := range own {
		if loser, ok := findHeader(merged, name); ok {
			delete(merged, loser)
		}
		merged[name] = value
	}
	return merged
}

func findHeader(headers map[string]string, name string) (string, bool) {
	for have := range headers {
		if strings.EqualFold(have, name) {
			return have, true
		}
	}
	return "", false
}

// headerPair names a pair by its position, and by its key where it has one that cannot be anything else.
func headerPair(position int, name string) string {
	pair := "pair " + strconv.Itoa(position)
	if !httpguts.ValidHeaderFieldName(name) {
		return pair + ": "
	}
	return pair + ", key " + strconv.Quote(name) + ": "
}

// parseHeader reads one pair in the format of W3C Baggage, to which the specification refers, or says
// what is wrong with it without repeating any of it.
func parseHeader(text string) (name, value, wrong string) {
	text = strings.Trim(text, " \t")
	name, value, found := strings.Cut(text, "=")
	name, value = strings.Trim(name, " \t"), strings.Trim(value, " \t")
	switch {
	case text == "":
		return "", "", "is empty"
	case strings.ContainsAny(text[:1], `"'`):
		return "", "", "begins with a quote copied from a shell: leave the quotes out"
	case !found && strings.Contains(text, ":"):
		return "", "", "has no =: write key=value, not key: value"
	case !found:
		return "", "", "has no ="
	case name == "":
		return "", "", "has no key"
	case !httpguts.ValidHeaderFieldName(name):
		return "", "", "the key is not the name of a header"
	}
	if wrong := checkBaggage(value); wrong != "" {
		return name, "", wrong
	}
	decoded, err := url.PathUnescape(value)
	if err != nil {
		return name, "", "a % in the value is not followed by two hexadecimal digits: write %25 for a percent sign"
	}
	return name, decoded, ""
}

// checkBaggage finds what a baggage-octet cannot be.
func checkBaggage(value string) string {
	for _, r := range value {
		switch {
		case r == ' ':
			return "a space in the value: write %20"
		case r == '"':
			return "a quote in the value, copied from a shell: leave the quotes out, or write %22"
		case r == ';':
			return "a semicolon in the value: write %3B"
		case r == '\\':
			return "a backslash in the value: write %5C"
		case r < ' ' || r > '~':
			return "a character in the value that is not printable ASCII: percent-encode it"
		}
	}
	if len(value) >= 2 && value[0] == '\'' && value[len(value)-1] == '\'' {
		return "quotes around the value, copied from a shell: leave them out, or write %27"
	}
	return ""
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
