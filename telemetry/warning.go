package telemetry

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/duotel/duotel/exporter"
)

// warnings are what is allowed in a valid Config and still probably not what was meant, for the log
// at start-up. They hold no secrets.
func (c Config) warnings() []string {
	if c.Disabled {
		return nil
	}
	warnings := slices.Clone(c.notes)
	if c.ServiceName == "" && c.ResourceAttributes[string(semconv.ServiceNameKey)] == "" {
		warnings = append(warnings, "no service name: the metrics go out under the executable's name; set OTEL_SERVICE_NAME")
	}
	pull, push, _ := c.exits()
	if c.Listener.enabled() && !pull {
		warnings = append(warnings, "OTEL_EXPORTER_PROMETHEUS_HOST or _PORT asks for a listener, but the exits do not include prometheus: it has no /metrics")
	}
	if c.Push.Endpoint != "" && !push {
		warnings = append(warnings, "an OTLP endpoint is set, but the exits do not include otlp: nothing is pushed; add otlp to OTEL_METRICS_EXPORTER")
	}
	warnings = append(warnings, c.discoveryWarnings()...)
	if !push {
		return warnings
	}
	return append(warnings, c.Push.warnings()...)
}

// discoveryWarnings are about a process that would be listed, and not found there.
func (c Config) discoveryWarnings() []string {
	d := c.Discovery
	if d.URL == "" {
		if d.Address != "" {
			return []string{"DUOTEL_DISCOVERY_ADDRESS is set, but DUOTEL_DISCOVERY is not: the process is not listed anywhere"}
		}
		return nil
	}
	if pull, _, _ := c.exits(); !pull {
		return []string{"DUOTEL_DISCOVERY is set, but the exits do not include prometheus: there is no page, and the process is not listed"}
	}
	var warnings []string
	if host := c.Listener.host(); d.Address == "" && isLoopback(host) {
		warnings = append(warnings, fmt.Sprintf("DUOTEL_DISCOVERY lists the listener's own address, and %q is reached from this machine only: set OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0, or DUOTEL_DISCOVERY_ADDRESS to what others can reach", host))
	}
	if d.scheme() == "http" && (d.Certificate != "" || d.ClientCertificate != "") {
		warnings = append(warnings, "a certificate is set for the registry, but DUOTEL_DISCOVERY begins with http: it has no effect; write https")
	}
	return warnings
}

func (c PushConfig) warnings() []string {
	u := endpointURL(c.Endpoint)
	warnings := c.endpointWarnings(u)
	if c.Timeout > 0 && c.ExportTimeout > 0 && c.Timeout > c.ExportTimeout {
		warnings = append(warnings, fmt.Sprintf("a request may take %v (OTEL_EXPORTER_OTLP_METRICS_TIMEOUT), but a whole push only %v (OTEL_METRIC_EXPORT_TIMEOUT)", c.Timeout, c.ExportTimeout))
	}
	if u.Scheme == "http" && (c.Certificate != "" || c.ClientCertificate != "") {
		warnings = append(warnings, "a certificate is set, but the endpoint begins with http: it has no effect; write https")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		if c.Headers[name].Reveal() == "" {
			warnings = append(warnings, fmt.Sprintf("the header %q has no value: was it filled in from a variable that is not set?", name))
		}
	}
	return warnings
}

// endpointWarnings are about what the endpoint has that is not used. What its path and port say of the
// backend is the push exit's to judge, which knows the protocols and the vendors.
func (c PushConfig) endpointWarnings(u *url.URL) []string {
	var warnings []string
	warn := func(format string, args ...any) {
		prefix := fmt.Sprintf("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=%q: ", showURL(c.Endpoint))
		warnings = append(warnings, prefix+fmt.Sprintf(format, args...))
	}
	if c.Protocol != exporter.ProtocolGRPC {
		return nil
	}
	if target, err := exporter.ParseTarget(c.Endpoint); target != nil && err == nil {
		if strings.HasPrefix(target.Scheme, "unix") && !c.Insecure {
			warn("a socket is spoken to with TLS too, unless OTEL_EXPORTER_OTLP_INSECURE=true")
		}
		return warnings
	}
	if strings.Trim(u.Path, "/") != "" {
		warn("the path is not used with grpc")
	}
	if u.Scheme == "http" && u.Port() == "" {
		warn("has no port: grpc uses 443")
	}
	return warnings
}
