package telemetry

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/duotel/duotel/exporter"
)

const (
	metricsPath = "/v1/metrics"

	// The endpoints of the OTLP exporter specification, for an otlp exporter asked for by name alone.
	defaultEndpointHTTP = "http://localhost:4318" + metricsPath
	defaultEndpointGRPC = "http://localhost:4317"

	maxPort = 65535

	allowedEndpoint = "an http or https URL such as http://localhost:4318/v1/metrics; for grpc also host:port, or a target such as unix:///run/otel.sock or dns:///host:4317"
)

// checkEndpoint says what is wrong with an endpoint, with the URL that was probably meant. base is
// true for one to which the path is still to be added.
func checkEndpoint(raw string, protocol exporter.Protocol, base bool) string {
	grpc := protocol == exporter.ProtocolGRPC
	if target, err := exporter.ParseTarget(raw); grpc && err != nil {
		return err.Error()
	} else if grpc && target != nil {
		return ""
	}
	if !strings.Contains(raw, "://") {
		if grpc && isHostPort(raw) {
			return ""
		}
		return "has no scheme" + suggestEndpoint(raw, grpc, base)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https" && grpc:
		return "has a scheme that is neither http nor https, nor one of gRPC's own"
	case u.Scheme != "http" && u.Scheme != "https":
		return "has a scheme that is neither http nor https"
	case u.Hostname() == "":
		return "has no host"
	case u.Port() != "" && !isPort(u.Port()):
		return "has a port that is not between 1 and 65535"
	case u.Fragment != "":
		return "has a fragment (#), which is never sent"
	case grpc && u.User != nil:
		return "has a user name or password, which grpc does not send: use a header"
	}
	return ""
}

// suggestEndpoint adds a scheme, and a path where one is missing.
func suggestEndpoint(raw string, grpc, base bool) string {
	host, path, _ := strings.Cut(raw, "/")
	if !isHostPort(host) || strings.ContainsAny(raw, "@?#") {
		return ""
	}
	meant := "http://" + host
	if _, port, _ := net.SplitHostPort(host); port == "443" {
		meant = "https://" + host
	}
	switch {
	case path != "":
		meant += "/" + path
	case !grpc && !base:
		meant += metricsPath
	}
	return ": " + meant + " was probably meant"
}

func isHostPort(s string) bool {
	host, port, err := net.SplitHostPort(s)
	return err == nil && host != "" && isPort(port) && !strings.ContainsAny(host, "@/?# \t\r\n\"'\\%")
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= maxPort
}

// endpointURL parses an endpoint that passed checkEndpoint. A grpc endpoint may lack the scheme.
func endpointURL(raw string) *url.URL {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return &url.URL{Host: raw}
	}
	return u
}

// showURL returns what may be shown of a text that should be a URL: no password, no query. A text
// that is not quite a URL but might have a password in it is not shown at all.
func showURL(raw string) string {
	u, err := url.Parse(raw)
	ats := strings.Count(raw, "@")
	if err == nil && u.Host != "" && (ats == 0 || ats == 1 && u.User != nil) {
		shown := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
		if u.User != nil {
			shown.User = url.User("xxxxx")
		}
		return shown.String()
	}
	if ats > 0 {
		return notShown
	}
	if end := strings.IndexAny(raw, "?#"); end >= 0 {
		raw = raw[:end]
	}
	return raw
}
