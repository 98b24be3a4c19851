package telemetry

import (
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/duotel/duotel/exporter"
)

type (
	duration = time.Duration
	setter   = func(e *environment, key, value string) []problem
)

// refuse is a single problem whose allowed values are those of the variable's row.
func refuse(wrong string) []problem { return []problem{{wrong: wrong}} }

func setText(field func(*Config) *string) setter {
	return func(e *environment, _, value string) []problem {
		*field(&e.cfg) = value
		return nil
	}
}

// setName sets one of a list of names, which the specification compares without regard to case.
// Whether the list has it is checked on the finished Config.
func setName[T ~string](field func(*Config) *T) setter {
	return func(e *environment, _, value string) []problem {
		*field(&e.cfg) = T(strings.ToLower(value))
		return nil
	}
}

// setDisabled reads a switch that turns telemetry off when it has the value off.
func setDisabled(off bool) setter {
	return func(e *environment, _, value string) []problem {
		b, problems := parseBool(value)
		if problems == nil && b == off {
			e.cfg.Disabled = true
		}
		return problems
	}
}

func setInsecure(e *environment, _, value string) []problem {
	b, problems := parseBool(value)
	e.cfg.Push.Insecure = b
	return problems
}

func parseBool(value string) (bool, []problem) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, refuse("is not a boolean")
}

func setMillis(field func(*Config) *duration) setter {
	return func(e *environment, _, value string) []problem {
		n, err := strconv.ParseInt(value, 10, 64)
		switch d, derr := time.ParseDuration(value); {
		case err == nil && n > 0 && n <= math.MaxInt32:
			*field(&e.cfg) = time.Duration(n) * time.Millisecond
			return nil
		case err != nil && derr == nil && d >= time.Millisecond:
			return refuse("is not a number of milliseconds: write " + strconv.FormatInt(d.Milliseconds(), 10))
		case err != nil:
			return refuse("is not a number of milliseconds")
		}
		return refuse("is out of range")
	}
}

func setPort(e *environment, _, value string) []problem {
	n, err := strconv.Atoi(value)
	switch {
	case err != nil:
		return refuse("is not a port number")
	case n < 1 || n > maxPort:
		return refuse("is out of range")
	}
	e.cfg.Listener.Port = n
	return nil
}

func setExporters(e *environment, _, value string) []problem {
	for name := range strings.SplitSeq(value, ",") {
		e.cfg.Exporters = append(e.cfg.Exporters, ExporterName(strings.ToLower(strings.TrimSpace(name))))
	}
	return nil
}

// cutRepetition is what is left of a{1,3} before its comma.
var cutRepetition = regexp.MustCompile(`\{\d*$`)

func setExcluded(e *environment, _, value string) []problem {
	var problems []problem
	for expr := range strings.SplitSeq(value, ",") {
		expr = strings.TrimSpace(expr)
		e.cfg.HTTP.ExcludedHandlers = append(e.cfg.HTTP.ExcludedHandlers, expr)
		if cutRepetition.MatchString(expr) {
			problems = append(problems, refuse(strconv.Quote(expr)+" ends at a comma that belongs to a {m,n}: write the repetition out")...)
		}
	}
	return problems
}

// setEndpoint uses the signal's own endpoint as it is, and adds the path to the general one.
func setEndpoint(e *environment, key, value string) []problem {
	base := key != otlpMetrics+"ENDPOINT"
	if wrong := checkEndpoint(value, e.cfg.Push.Protocol, base); wrong != "" {
		return refuse(wrong)
	}
	e.cfg.Push.Endpoint = value
	if u, err := url.Parse(value); base && err == nil && e.cfg.Push.Protocol != exporter.ProtocolGRPC {
		e.cfg.Push.Endpoint = u.JoinPath(metricsPath).String()
	}
	return nil
}

// setPairs reads key=value,key=value with both sides percent-decoded.
func setPairs(field func(*Config) *map[string]string) setter {
	return func(e *environment, _, value string) []problem {
		pairs := make(map[string]string)
		var problems []problem
		position := 0
		for text := range strings.SplitSeq(value, ",") {
			position++
			key, val, wrong := parsePair(text)
			if _, twice := pairs[key]; twice && wrong == "" {
				wrong = "the key " + strconv.Quote(key) + " is there twice"
			}
			if wrong != "" {
				problems = append(problems, refuse("pair "+strconv.Itoa(position)+": "+wrong)...)
				continue
			}
			pairs[key] = val
		}
		*field(&e.cfg) = pairs
		return problems
	}
}

// parsePair reads one pair, or says what is wrong with it.
func parsePair(text string) (key, value, wrong string) {
	text = strings.TrimSpace(text)
	key, value, found := strings.Cut(text, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	switch {
	case text == "":
		return "", "", "is empty"
	case !found:
		return "", "", "has no ="
	case key == "":
		return "", "", "has no key"
	case strings.ContainsAny(text[:1], `"'`) || strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "'"):
		return "", "", "has quotes, which are part of the value here: leave them out, or write %22 or %27"
	}
	k, kerr := url.PathUnescape(key)
	v, verr := url.PathUnescape(value)
	if kerr != nil || verr != nil {
		return "", "", "has a % that two hexadecimal digits do not follow: write %25 for a percent sign"
	}
	return k, v, ""
}
