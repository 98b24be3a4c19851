package telemetry

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/exporter"
	"github.com/duotel/duotel/middleware"
)

var (
	protocols             = []exporter.Protocol{exporter.ProtocolHTTPProtobuf, exporter.ProtocolGRPC}
	compressions          = []exporter.Compression{exporter.CompressionNone, exporter.CompressionGzip}
	temporalities         = []exporter.Temporality{exporter.TemporalityCumulative, exporter.TemporalityDelta, exporter.TemporalityLowMemory}
	histogramAggregations = []HistogramAggregation{HistogramExplicitBuckets, HistogramBase2}
	exemplarFilters       = []ExemplarFilter{ExemplarTraceBased, ExemplarAlwaysOn, ExemplarAlwaysOff}
	translationStrategies = []TranslationStrategy{UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes, NoTranslation}
	httpNames             = []HTTPNames{HTTPNamesSemconv, HTTPNamesClassic, HTTPNamesBoth}
	exporterNames         = []ExporterName{ExporterPrometheus, ExporterOTLP, ExporterConsole, ExporterNone}

	metricPrefix = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)
	labelName    = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)
	// reservedLabels have a meaning of their own in the exposition format.
	reservedLabels = []string{"le", "quantile"}
	// yamlSnippet is where a YAML error repeats a piece of the file, which may be a secret.
	yamlSnippet = regexp.MustCompile("`[^`]*`")
)

const (
	allowedExporters = "a comma-separated list of prometheus, otlp and console, or none alone"
	allowedHost      = "a host name or address without a port"
	allowedPort      = "1 to 65535"
	allowedPrefix    = "letters, digits, _ and :, not beginning with a digit"
	allowedLabel     = "letters, digits and _, not beginning with a digit or with __ or otel_scope_; not le or quantile"
)

// Validate returns everything that is wrong with c, joined, or nil. It reads the files that c names.
// Values of headers and passwords in URLs are never part of an error. A disabled Config is valid.
func (c Config) Validate() error {
	return joinProblems("config", c.problems())
}

// problems are what is wrong with c, whoever filled it in.
func (c Config) problems() []problem {
	if c.Disabled {
		return nil
	}
	return slices.Concat(
		c.checkIdentity(),
		c.checkExporters(),
		c.Push.checkEndpointField(),
		c.Push.checkHeaders(),
		c.Push.check(),
		c.Push.checkFiles(),
		c.Pull.check(),
		c.HTTP.check(),
		c.Listener.check(),
		c.checkDiscovery(),
		c.checkLabels(),
		oneOf("ExemplarFilter", c.ExemplarFilter, exemplarFilters),
	)
}

func (c Config) checkIdentity() []problem {
	const allowed = "text in UTF-8, under a key that is not empty"
	var problems []problem
	if !utf8.ValidString(c.ServiceName) {
		problems = append(problems, problem{"ServiceName", c.ServiceName, "is not UTF-8", allowed})
	}
	for _, key := range slices.Sorted(maps.Keys(c.ResourceAttributes)) {
		value := c.ResourceAttributes[key]
		switch {
		case key == "":
			problems = append(problems, problem{"ResourceAttributes", "=" + value, "has an empty key", allowed})
		case !utf8.ValidString(key) || !utf8.ValidString(value):
			problems = append(problems, problem{"ResourceAttributes", key + "=" + value, "is not UTF-8", allowed})
		}
	}
	return problems
}

func (c Config) checkExporters() []problem {
	bad := func(wrong string) problem {
		return problem{"Exporters", fmt.Sprint(c.Exporters), wrong, allowedExporters}
	}
	var problems []problem
	for i, name := range c.Exporters {
		switch {
		case name == "":
			problems = append(problems, bad("has an empty entry"))
		case !slices.Contains(exporterNames, name):
			problems = append(problems, bad(strconv.Quote(string(name))+" is not an exporter"))
		case slices.Contains(c.Exporters[:i], name):
			problems = append(problems, bad(string(name)+" is there twice"))
		case name == ExporterNone && len(c.Exporters) > 1:
			problems = append(problems, bad("none is not alone"))
		}
	}
	if slices.Contains(c.Exporters, ExporterOTLP) && c.Push.Endpoint == "" {
		problems = append(problems, problem{"Push.Endpoint", "", "is not set, and ExporterOTLP needs it", allowedEndpoint})
	}
	return problems
}

func (c PushConfig) checkEndpointField() []problem {
	if c.Endpoint == "" {
		return nil
	}
	if wrong := checkEndpoint(c.Endpoint, c.Protocol, false); wrong != "" {
		return []problem{{"Push.Endpoint", showURL(c.Endpoint), wrong, allowedEndpoint}}
	}
	return nil
}

func (c PushConfig) checkHeaders() []problem {
	var problems []problem
	names := slices.Sorted(maps.Keys(c.Headers))
	for i, name := range names {
		wrong := checkHeader(name, c.Headers[name].Reveal(), c.Protocol)
		if slices.ContainsFunc(names[:i], func(other string) bool { return strings.EqualFold(other, name) }) {
			wrong = "the key is there twice, in another case"
		}
		if wrong != "" {
			problems = append(problems, problem{"Push.Headers", notShown, "key " + strconv.Quote(name) + ": " + wrong, "names and values that a header can carry"})
		}
	}
	return problems
}

func (c PushConfig) check() []problem {
	problems := slices.Concat(
		oneOf("Push.Protocol", c.Protocol, protocols),
		oneOf("Push.Compression", c.Compression, compressions),
		oneOf("Push.Temporality", c.Temporality, temporalities),
		oneOf("Push.HistogramAggregation", c.HistogramAggregation, histogramAggregations),
		notNegative("Push.Timeout", c.Timeout),
		notNegative("Push.Interval", c.Interval),
		notNegative("Push.ExportTimeout", c.ExportTimeout),
	)
	if c.MaxExportBatchSize < 0 {
		problems = append(problems, problem{"Push.MaxExportBatchSize", strconv.Itoa(c.MaxExportBatchSize), "is negative", "0 for no limit, or a number of data points"})
	}
	return problems
}

func (c PullConfig) check() []problem {
	problems := slices.Concat(
		checkPrefix("Pull.Namespace", c.Namespace), checkPrefix("Pull.Subsystem", c.Subsystem),
		oneOf("Pull.TranslationStrategy", c.TranslationStrategy, translationStrategies),
	)
	for _, key := range c.ResourceLabels {
		if key == "" || !utf8.ValidString(key) {
			problems = append(problems, problem{"Pull.ResourceLabels", key, "is not the key of an attribute", "keys of resource attributes, such as service.name"})
		}
	}
	return problems
}

func checkPrefix(field, value string) []problem {
	if value == "" || metricPrefix.MatchString(value) {
		return nil
	}
	return []problem{{field, value, "cannot begin the name of a metric", allowedPrefix}}
}

func (c HTTPConfig) check() []problem {
	problems := oneOf("HTTP.Names", c.Names, httpNames)
	if len(c.KnownMethods) > 0 {
		if _, err := middleware.New(middleware.WithMeterProvider(noop.NewMeterProvider()), middleware.WithKnownMethods(c.KnownMethods...)); err != nil {
			problems = append(problems, problem{"HTTP.KnownMethods", strings.Join(c.KnownMethods, ","), err.Error(), "a list of at most 100 methods"})
		}
	}
	if _, err := middleware.New(middleware.WithMeterProvider(noop.NewMeterProvider()), middleware.WithDurationBounds(c.DurationBounds...)); err != nil {
		problems = append(problems, problem{"HTTP.DurationBounds", fmt.Sprint(c.DurationBounds), err.Error(), allowedDurationBounds})
	}
	for _, expr := range c.ExcludedHandlers {
		bad := func(wrong string) problem {
			return problem{"HTTP.ExcludedHandlers", expr, wrong, "regular expressions (RE2)"}
		}
		if _, err := regexp.Compile(expr); err != nil {
			problems = append(problems, bad(err.Error()))
		}
		if expr == "" {
			problems = append(problems, bad("has an empty expression, which matches every request"))
		}
	}
	return problems
}

func (c ListenerConfig) check() []problem {
	var problems []problem
	if c.Port > maxPort {
		problems = append(problems, problem{"Listener.Port", strconv.Itoa(c.Port), "is out of range", allowedPort + ", or negative for a free one"})
	}
	if wrong := checkHost(c.Host); wrong != "" {
		problems = append(problems, problem{"Listener.Host", c.Host, wrong, allowedHost})
	}
	if c.WebConfigFile == "" {
		return problems
	}
	file := problem{field: "Listener.WebConfigFile", value: c.WebConfigFile, allowed: "a readable web configuration file, together with a listener"}
	if !c.enabled() {
		file.wrong = "protects a listener, and none is asked for: set OTEL_EXPORTER_PROMETHEUS_PORT"
		problems = append(problems, file)
	}
	if err := validateWebConfig(c.WebConfigFile); err != nil {
		file.wrong = yamlSnippet.ReplaceAllString(err.Error(), notShown)
		problems = append(problems, file)
	}
	return problems
}

func checkHost(host string) string {
	switch {
	case strings.ContainsAny(host, "/@ \t\r\n"):
		return "is not a host"
	case strings.HasPrefix(host, "["):
		return "has brackets: write the address alone"
	case strings.Count(host, ":") == 1:
		return "has a port: that goes into OTEL_EXPORTER_PROMETHEUS_PORT"
	}
	return ""
}

func (c Config) checkLabels() []problem {
	var problems []problem
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		value := c.Labels[name]
		bad := func(wrong, allowed string) {
			problems = append(problems, problem{"Labels", name + "=" + value, strconv.Quote(name) + wrong, allowed})
		}
		switch {
		case !labelName.MatchString(name):
			bad(" is not the name of a label", allowedLabel)
		case slices.Contains(reservedLabels, name), strings.HasPrefix(name, "__"), strings.HasPrefix(name, "otel_scope_"):
			bad(" is a reserved label", allowedLabel)
		case value == "":
			bad(" has no value, which is the same as no label", "a value that is not empty")
		case !utf8.ValidString(value):
			bad(" has a value that is not UTF-8", "text in UTF-8")
		}
	}
	return problems
}

// oneOf accepts the empty value: it stands for the default.
func oneOf[T ~string](field string, value T, allowed []T) []problem {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return []problem{{field, string(value), "is not known", alternatives(allowed)}}
}

func notNegative(field string, value time.Duration) []problem {
	if value >= 0 {
		return nil
	}
	return []problem{{field, value.String(), "is negative", "0 for the default, or a positive duration"}}
}
