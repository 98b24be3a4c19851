package telemetry

import (
	"fmt"
	"iter"
	"math"
	"net/url"
	"regexp"
	"slices"
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

// setDisabled reads OTEL_SDK_DISABLED.
func setDisabled(e *environment, key, value string) []problem {
	e.cfg.Disabled = e.cfg.Disabled || e.specBool(key, value)
	return nil
}

func setInsecure(e *environment, key, value string) []problem {
	e.cfg.Push.Insecure = e.specBool(key, value)
	return nil
}

// setSwitch reads a field that is true or false.
func setSwitch(field func(*Config) *bool) setter {
	return func(e *environment, _, value string) []problem {
		on, problems := parseSwitch(value)
		*field(&e.cfg) = on
		return problems
	}
}

// setStrategy reads a name in whatever case; the specification's have capitals.
func setStrategy(e *environment, _, value string) []problem {
	e.cfg.Pull.TranslationStrategy = TranslationStrategy(value)
	for _, known := range translationStrategies {
		if strings.EqualFold(string(known), value) {
			e.cfg.Pull.TranslationStrategy = known
		}
	}
	return nil
}

// setResourceLabels reads keys of resource attributes. A comma too many is no key.
func setResourceLabels(e *environment, _, value string) []problem {
	for key := range strings.SplitSeq(value, ",") {
		if key = strings.TrimSpace(key); key != "" {
			e.cfg.Pull.ResourceLabels = append(e.cfg.Pull.ResourceLabels, key)
		}
	}
	return nil
}

// specBool reads a boolean by the specification of OpenTelemetry's environment variables: true, in any case, is true,
// and anything else is false, with a warning.
func (e *environment) specBool(key, value string) bool {
	switch strings.ToLower(value) {
	case "true":
		return true
	case "false":
	default:
		e.warn(fmt.Sprintf("%s=%q is read as false, as OpenTelemetry's specification says: only true is true", key, abridge(value)))
	}
	return false
}

// setEnabled reads ENABLE_METRICS, which is Duotel's own.
func setEnabled(e *environment, _, value string) []problem {
	on, problems := parseSwitch(value)
	e.cfg.Disabled = e.cfg.Disabled || problems == nil && !on
	return problems
}

// parseSwitch reads a boolean of Duotel's own variables.
func parseSwitch(value string) (on bool, problems []problem) {
	switch strings.ToLower(value) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
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

// kubernetesLink is what Kubernetes sets in NAME_PORT for a Service of that name.
var kubernetesLink = regexp.MustCompile(`^(tcp|udp|sctp)://[^/]+:\d+$`)

func setPort(e *environment, key, value string) []problem {
	if kubernetesLink.MatchString(value) {
		e.warn(fmt.Sprintf("%s=%q is ignored: it is what Kubernetes sets for a Service of the name otel-exporter-prometheus; enableServiceLinks: false in the pod's spec turns that off", key, value))
		return nil
	}
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
	for name := range entries(value) {
		if name := ExporterName(strings.ToLower(name)); !slices.Contains(e.cfg.Exporters, name) {
			e.cfg.Exporters = append(e.cfg.Exporters, name)
		}
	}
	return nil
}

// entries are the entries of a list, without the empty ones that stray commas make.
func entries(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for entry := range strings.SplitSeq(list, ",") {
			if entry = strings.TrimSpace(entry); entry != "" && !yield(entry) {
				return
			}
		}
	}
}

func setKnownMethods(e *environment, _, value string) []problem {
	e.cfg.HTTP.KnownMethods = slices.Collect(entries(value))
	return nil
}

const allowedDurationBounds = "at most 20 durations from 1µs up, comma-separated: 300ms,1s"

func setDurationBounds(e *environment, _, value string) []problem {
	for entry := range entries(value) {
		bound, err := time.ParseDuration(entry)
		if err != nil {
			return refuse(strconv.Quote(entry) + " is not a duration")
		}
		e.cfg.HTTP.DurationBounds = append(e.cfg.HTTP.DurationBounds, bound)
	}
	return nil
}

// cutRepetition is what is left of a{1,3} before its comma.
var cutRepetition = regexp.MustCompile(`\{\d*$`)

func setExcluded(e *environment, _, value string) []problem {
	var problems []problem
	for expr := range entries(value) {
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
			if strings.TrimSpace(text) == "" {
				continue
			}
			key, val, wrong := parsePair(text)
			if have, twice := pairs[key]; twice && wrong == "" && have != val {
				wrong = "the key " + strconv.Quote(key) + " is there twice, with different values"
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
