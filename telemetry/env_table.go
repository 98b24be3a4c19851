package telemetry

import "github.com/duotel/duotel/exporter"

const (
	otlpGeneral = "OTEL_EXPORTER_OTLP_"
	otlpMetrics = "OTEL_EXPORTER_OTLP_METRICS_"

	allowedMillis = "an integer number of milliseconds, 1 to 2147483647"
	allowedPairs  = "key=value,key=value, with %2C for a comma in a value"
	allowedPEM    = "a readable PEM file"
	systemRoots   = "the system's authorities"
)

// otlpKeys are the two forms of a variable of the OTLP exporter, the signal's own first.
func otlpKeys(name string) []string { return []string{otlpMetrics + name, otlpGeneral + name} }

// variables are all that FromEnv reads, in the order of docs/configuration.md. Protocol comes before
// Endpoint, whose meaning depends on it.
var variables = []variable{
	{
		keys: []string{"OTEL_SDK_DISABLED"}, field: "Disabled", isSwitch: true,
		meaning: "Turns everything off: no instrumentation, no `/metrics` route, no push.",
		allowed: "true; anything else is false, with a warning", unset: "false", set: setDisabled,
	},
	{
		keys: []string{"ENABLE_METRICS"}, field: "Disabled", isSwitch: true,
		meaning: "The same switch, the other way round: `false` turns everything off.",
		allowed: "true or false, 1 or 0, yes or no, on or off", unset: "true", set: setEnabled,
	},
	{
		keys: []string{"OTEL_SERVICE_NAME"}, field: "ServiceName",
		meaning: "`service.name`. It wins over one in `OTEL_RESOURCE_ATTRIBUTES`.",
		allowed: "any text", unset: "`unknown_service:` and the executable's name, with a warning",
		set: setText(func(c *Config) *string { return &c.ServiceName }),
	},
	{
		keys: []string{"OTEL_RESOURCE_ATTRIBUTES"}, field: "ResourceAttributes",
		meaning: "More resource attributes. They win over what is detected. Keys and values are percent-decoded.",
		allowed: allowedPairs, unset: "none",
		set: setPairs(func(c *Config) *map[string]string { return &c.ResourceAttributes }),
	},
	{
		keys: []string{"OTEL_METRICS_EXPORTER"}, field: "Exporters",
		meaning: "The exits, as a list. `otlp` without an endpoint pushes to `" + defaultEndpointHTTP + "`, or for grpc to `" + defaultEndpointGRPC + "`.",
		allowed: allowedExporters, unset: "`prometheus`, and `otlp` when an endpoint is set", set: setExporters,
	},
	{
		keys: otlpKeys("PROTOCOL"), field: "Push.Protocol",
		meaning: "How to push.",
		allowed: alternatives(protocols), unset: string(exporter.ProtocolHTTPProtobuf),
		set: setName(func(c *Config) *exporter.Protocol { return &c.Push.Protocol }),
	},
	{
		keys: otlpKeys("ENDPOINT"), field: "Push.Endpoint", show: showURL,
		meaning: "Where to push; it turns the push exit on. The first is used as it is; the second is a base to which `/v1/metrics` is added (for grpc, neither has a path).",
		allowed: allowedEndpoint, unset: "no push", set: setEndpoint,
	},
	{
		keys: otlpKeys("HEADERS"), field: "Push.Headers", show: hide, merged: true,
		meaning: "Headers of every request, `key=value,key=value`, values percent-decoded. The two are merged; for one key the first wins. Values are never shown.",
		allowed: allowedHeaders, unset: "none", set: setHeaders,
	},
	{
		keys: otlpKeys("TIMEOUT"), field: "Push.Timeout",
		meaning: "How long one request may take.",
		allowed: allowedMillis, unset: "10000", set: setMillis(func(c *Config) *duration { return &c.Push.Timeout }),
	},
	{
		keys: otlpKeys("COMPRESSION"), field: "Push.Compression",
		meaning: "Compression of requests.",
		allowed: alternatives(compressions), unset: string(exporter.CompressionNone),
		set: setName(func(c *Config) *exporter.Compression { return &c.Push.Compression }),
	},
	{
		keys: otlpKeys("CERTIFICATE"), field: "Push.Certificate",
		meaning: "PEM file with the authorities to trust instead of the system's.",
		allowed: allowedPEM, unset: systemRoots,
		set: setText(func(c *Config) *string { return &c.Push.Certificate }),
	},
	{
		keys: otlpKeys("CLIENT_CERTIFICATE"), field: "Push.ClientCertificate",
		meaning: "PEM file with the client's certificate, for mutual TLS.",
		allowed: allowedPEM + ", together with the key", unset: "none",
		set: setText(func(c *Config) *string { return &c.Push.ClientCertificate }),
	},
	{
		keys: otlpKeys("CLIENT_KEY"), field: "Push.ClientKey",
		meaning: "PEM file with the client's key.",
		allowed: allowedPEM + ", together with the certificate", unset: "none",
		set: setText(func(c *Config) *string { return &c.Push.ClientKey }),
	},
	{
		keys: otlpKeys("INSECURE"), field: "Push.Insecure",
		meaning: "No TLS, for a grpc endpoint without the scheme http or https, which wins.",
		allowed: "true; anything else is false, with a warning", unset: "false", set: setInsecure,
	},
	{
		keys: []string{otlpMetrics + "TEMPORALITY_PREFERENCE"}, field: "Push.Temporality",
		meaning: "Totals or differences at the push exit. The pull exit always has totals.",
		allowed: alternatives(temporalities), unset: string(exporter.TemporalityCumulative),
		set: setName(func(c *Config) *exporter.Temporality { return &c.Push.Temporality }),
	},
	{
		keys: []string{otlpMetrics + "DEFAULT_HISTOGRAM_AGGREGATION"}, field: "Push.HistogramAggregation",
		meaning: "The aggregation of histograms whose buckets no view sets.",
		allowed: alternatives(histogramAggregations), unset: string(HistogramExplicitBuckets),
		set: setName(func(c *Config) *HistogramAggregation { return &c.Push.HistogramAggregation }),
	},
	{
		keys: []string{"OTEL_METRIC_EXPORT_INTERVAL"}, field: "Push.Interval",
		meaning: "The time between pushes.",
		allowed: allowedMillis, unset: "60000", set: setMillis(func(c *Config) *duration { return &c.Push.Interval }),
	},
	{
		keys: []string{"OTEL_METRIC_EXPORT_TIMEOUT"}, field: "Push.ExportTimeout",
		meaning: "How long one push may take: collection, requests and retries together.",
		allowed: allowedMillis, unset: "30000", set: setMillis(func(c *Config) *duration { return &c.Push.ExportTimeout }),
	},
	{
		keys: []string{"OTEL_METRICS_EXEMPLAR_FILTER"}, field: "ExemplarFilter",
		meaning: "Which measurements may become exemplars.",
		allowed: alternatives(exemplarFilters), unset: "trace_based with tracing, else always_off",
		set: setName(func(c *Config) *ExemplarFilter { return &c.ExemplarFilter }),
	},
	{
		keys: []string{"OTEL_EXPORTER_PROMETHEUS_HOST"}, field: "Listener.Host",
		meaning: "Opens a listener with `/metrics`, `/healthz` and `/readyz` on this host.",
		allowed: allowedHost, unset: "no listener; `localhost` when the port is set",
		set: setText(func(c *Config) *string { return &c.Listener.Host }),
	},
	{
		keys: []string{"OTEL_EXPORTER_PROMETHEUS_PORT"}, field: "Listener.Port",
		meaning: "Opens that listener on this port.",
		allowed: allowedPort, unset: "no listener; `9464` when the host is set", set: setPort,
	},
	{
		keys: []string{"DUOTEL_PUSH_SPOOL_DIR"}, field: "Push.SpoolDir",
		meaning: "A directory for what a push could not deliver, unless it was refused for what is in it. The next push sends it first, of this process or, after a restart, of the next. Several processes may share it, and it may hold other files.",
		allowed: "a directory that can be written to; it is made if it is not there", unset: "none: what is unsent when the process stops is lost",
		set: setText(func(c *Config) *string { return &c.Push.SpoolDir }),
	},
	{
		keys: []string{"DUOTEL_PUSH_HEADERS_FILE"}, field: "Push.HeadersFile",
		meaning: "A file with headers of every request, a line `key=value` for each, nothing in it encoded; blank lines and lines that begin with # are left out. It is read again when it changes, and wins over the variables key by key.",
		allowed: allowedHeadersFile, unset: "none",
		set: setText(func(c *Config) *string { return &c.Push.HeadersFile }),
	},
	{
		keys: []string{"DUOTEL_WEB_CONFIG_FILE"}, field: "Listener.WebConfigFile",
		meaning: "TLS, mutual TLS and basic auth for that listener (all of its paths): a [web configuration file](https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md) of the Prometheus exporter-toolkit.",
		allowed: "a readable web configuration file, together with a listener", unset: "plain HTTP",
		set: setText(func(c *Config) *string { return &c.Listener.WebConfigFile }),
	},
	{
		keys: []string{"METRICS_EXCLUDED_HANDLERS"}, field: "HTTP.ExcludedHandlers",
		meaning: "Requests whose route, or else path, one of these matches are not measured. They come on top of the scrape and health routes.",
		allowed: "comma-separated regular expressions (RE2)", unset: "none", set: setExcluded,
	},
	{
		keys: []string{"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"}, field: "HTTP.KnownMethods",
		meaning: "The values of `http.request.method`; all other methods are `_OTHER`. It replaces the default, as the HTTP conventions say; a service that speaks WebDAV names all of its methods here. They are case-sensitive.",
		allowed: "a comma-separated list of at most 100 methods", unset: "those of the conventions: GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS, TRACE, QUERY",
		set: setKnownMethods,
	},
	{
		keys: []string{"METRICS_NAMESPACE"}, field: "Pull.Namespace",
		meaning: "Prefix of the names of OpenTelemetry metrics at the pull exit.",
		allowed: allowedPrefix, unset: "none",
		set: setText(func(c *Config) *string { return &c.Pull.Namespace }),
	},
	{
		keys: []string{"METRICS_SUBSYSTEM"}, field: "Pull.Subsystem",
		meaning: "Second part of that prefix.",
		allowed: allowedPrefix, unset: "none",
		set: setText(func(c *Config) *string { return &c.Pull.Subsystem }),
	},
	{
		keys: []string{"METRICS_TRANSLATION_STRATEGY"}, field: "Pull.TranslationStrategy",
		meaning: "How names become Prometheus's at the pull exit, by the specification's names.",
		allowed: alternatives(translationStrategies), unset: string(UnderscoreEscapingWithSuffixes),
		set: setStrategy,
	},
	{
		keys: []string{"METRICS_WITHOUT_SCOPE_INFO"}, field: "Pull.WithoutScopeInfo",
		meaning: "No `otel_scope_*` labels at the pull exit.",
		allowed: "true or false, 1 or 0, yes or no, on or off", unset: "false", set: setSwitch(func(c *Config) *bool { return &c.Pull.WithoutScopeInfo }),
	},
	{
		keys: []string{"METRICS_WITHOUT_TARGET_INFO"}, field: "Pull.WithoutTargetInfo",
		meaning: "No `target_info` at the pull exit.",
		allowed: "true or false, 1 or 0, yes or no, on or off", unset: "false", set: setSwitch(func(c *Config) *bool { return &c.Pull.WithoutTargetInfo }),
	},
	{
		keys: []string{"METRICS_WITH_RESOURCE_CONSTANT_LABELS"}, field: "Pull.ResourceLabels",
		meaning: "Resource attributes that are labels of every OpenTelemetry series at the pull exit.",
		allowed: "keys of resource attributes, comma-separated: service.name,k8s.pod.name", unset: "none", set: setResourceLabels,
	},
	{
		keys: []string{"METRICS_CUSTOM_LABELS"}, field: "Labels",
		meaning: "Labels of every series at the pull exit, and resource attributes at the push exit. Percent-decoded.",
		allowed: allowedPairs, unset: "none",
		set: setPairs(func(c *Config) *map[string]string { return &c.Labels }),
	},
	{
		keys: []string{"METRICS_HTTP_NAMES"}, field: "HTTP.Names",
		meaning: "The vocabulary of HTTP server metrics.",
		allowed: alternatives(httpNames), unset: string(HTTPNamesSemconv),
		set: setName(func(c *Config) *HTTPNames { return &c.HTTP.Names }),
	},
	{
		keys: []string{"METRICS_HTTP_DURATION_BOUNDS"}, field: "HTTP.DurationBounds",
		meaning: "Upper bounds that the request duration's buckets have besides their own, in both vocabularies: those of the service's objectives, so that the share of requests within each is exact.",
		allowed: allowedDurationBounds, unset: "none", set: setDurationBounds,
	},
	{
		keys: []string{"DUOTEL_DISCOVERY"}, field: "Discovery.URL", show: showRegistry,
		meaning: "Where the process lists itself for Prometheus, from when its page answers until it stops: the [registry's](discovery.md) URL. `http` and `https` need nothing else; `etcd://host:2379,host:2379/prefix` or `etcds://…` for TLS, needs `telemetry.WithDiscoveryStore` in the code.",
		allowed: allowedRegistry, unset: "not listed",
		set: setText(func(c *Config) *string { return &c.Discovery.URL }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_ADDRESS"}, field: "Discovery.Address", show: showURL,
		meaning: "The address at which Prometheus reaches the process's page.",
		allowed: allowedRegistered, unset: "the listener's; where that is on all interfaces, with the address of this machine that leads to the registry",
		set: setText(func(c *Config) *string { return &c.Discovery.Address }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_USERNAME"}, field: "Discovery.Username",
		meaning: "The user name for that store, such as etcd.",
		allowed: "a user name, together with the file of its password", unset: "none",
		set: setText(func(c *Config) *string { return &c.Discovery.Username }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_PASSWORD_FILE"}, field: "Discovery.PasswordFile",
		meaning: "A file with the password for that store, and nothing else but a line break at its end. It is read when the store is opened, and never shown.",
		allowed: allowedPassword, unset: "none",
		set: setText(func(c *Config) *string { return &c.Discovery.PasswordFile }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_HEADERS_FILE"}, field: "Discovery.HeadersFile",
		meaning: "A file with headers of every request to that registry, such as `Authorization`, as `DUOTEL_PUSH_HEADERS_FILE` has them. It is read again when it changes.",
		allowed: allowedHeadersFile, unset: "none",
		set: setText(func(c *Config) *string { return &c.Discovery.HeadersFile }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_CERTIFICATE"}, field: "Discovery.Certificate",
		meaning: "PEM file with the authorities to trust for that registry or store instead of the system's.",
		allowed: allowedPEM, unset: systemRoots,
		set: setText(func(c *Config) *string { return &c.Discovery.Certificate }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_CLIENT_CERTIFICATE"}, field: "Discovery.ClientCertificate",
		meaning: "PEM file with the client's certificate, for mutual TLS with that registry or store.",
		allowed: allowedPEM + ", together with the key", unset: "none",
		set: setText(func(c *Config) *string { return &c.Discovery.ClientCertificate }),
	},
	{
		keys: []string{"DUOTEL_DISCOVERY_CLIENT_KEY"}, field: "Discovery.ClientKey",
		meaning: "PEM file with the client's key.",
		allowed: allowedPEM + ", together with the certificate", unset: "none",
		set: setText(func(c *Config) *string { return &c.Discovery.ClientKey }),
	},
}
