package telemetry

import (
	"time"

	"github.com/duotel/duotel/exporter"
)

// Config is everything about telemetry that can be said as data. The zero Config consists entirely
// of default values: the pull exit on, the push exit off until [PushConfig.Endpoint] is set.
//
// [FromEnv] fills one from the OpenTelemetry environment. Live objects (a logger, a gatherer, a
// tracer provider) are options of [New] instead. A Config is a value: New does not use its maps and slices after it has returned.
type Config struct {
	// Disabled makes everything a no-op: no instrumentation, no /metrics route, no push.
	// It is OTEL_SDK_DISABLED=true or ENABLE_METRICS=false.
	Disabled bool

	// ServiceName is the resource's service.name (OTEL_SERVICE_NAME). It wins over service.name in
	// ResourceAttributes. Default: "unknown_service:" and the executable's name, with a warning.
	ServiceName string

	// ResourceAttributes are added to the resource and win over what is detected
	// (OTEL_RESOURCE_ATTRIBUTES). service.instance.id is always set: from here, or a random UUID that
	// stays the same for the life of the process.
	ResourceAttributes map[string]string

	// Exporters selects the exits (OTEL_METRICS_EXPORTER). Default, when empty: ExporterPrometheus,
	// and ExporterOTLP when Push.Endpoint is set.
	Exporters []ExporterName

	// ExemplarFilter decides which measurements may become exemplars (OTEL_METRICS_EXEMPLAR_FILTER).
	// Default: trace_based when a tracer provider is given to [New], else always_off, because an
	// exemplar reservoir costs most of a collection even when it is empty.
	ExemplarFilter ExemplarFilter

	// CardinalityLimit is the number of distinct attribute sets an instrument keeps; what comes after
	// folds into one series with otel.metric.overflow=true. Default 2000, as the specification says;
	// a negative value means no limit.
	CardinalityLimit int

	// Labels are added to every series at the pull exit, and to the resource at the push exit
	// (METRICS_CUSTOM_LABELS).
	Labels map[string]string

	Pull      PullConfig
	Push      PushConfig
	HTTP      HTTPConfig
	Listener  ListenerConfig
	Discovery DiscoveryConfig

	// notes are what [FromEnv] found odd and understood all the same, for the log of New.
	notes []string
}

// PullConfig says how the pull exit, /metrics, names what it shows.
type PullConfig struct {
	// Namespace and Subsystem prefix the names of OpenTelemetry metrics: namespace_subsystem_name
	// (METRICS_NAMESPACE, METRICS_SUBSYSTEM). target_info, client_golang's own metrics and Duotel's keep theirs, so that one
	// dashboard and one alert serve every service.
	Namespace, Subsystem string
	// TranslationStrategy is how names become Prometheus's (METRICS_TRANSLATION_STRATEGY). Default:
	// UnderscoreEscapingWithSuffixes. It and the next three are named as in OpenTelemetry's declarative configuration
	// (https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/prometheus/).
	TranslationStrategy TranslationStrategy
	// WithoutScopeInfo leaves the labels otel_scope_* out (METRICS_WITHOUT_SCOPE_INFO). Of metrics that differ in nothing
	// else, the first is shown.
	WithoutScopeInfo bool
	// WithoutTargetInfo leaves target_info out (METRICS_WITHOUT_TARGET_INFO).
	WithoutTargetInfo bool
	// ResourceLabels are keys of resource attributes that every OpenTelemetry series has as labels
	// (METRICS_WITH_RESOURCE_CONSTANT_LABELS).
	ResourceLabels []string
}

// TranslationStrategy says how the names of metrics and attributes become Prometheus's.
type TranslationStrategy string

// The strategies, by the specification's names: whether characters outside the classic alphabet become underscores, and whether
// unit and type are added to the name.
const (
	UnderscoreEscapingWithSuffixes    TranslationStrategy = "UnderscoreEscapingWithSuffixes"
	UnderscoreEscapingWithoutSuffixes TranslationStrategy = "UnderscoreEscapingWithoutSuffixes"
	NoUTF8EscapingWithSuffixes        TranslationStrategy = "NoUTF8EscapingWithSuffixes"
	NoTranslation                     TranslationStrategy = "NoTranslation"
)

// PushConfig says where and how the push exit sends OTLP.
type PushConfig struct {
	// Endpoint turns push on. For http/protobuf it is the URL that is posted to, used as it is; for
	// grpc its scheme and host are used, or it is one of gRPC's own targets, see [exporter.ParseTarget].
	// (OTEL_EXPORTER_OTLP_METRICS_ENDPOINT as it is, or OTEL_EXPORTER_OTLP_ENDPOINT with /v1/metrics added.)
	Endpoint string
	// Protocol is http/protobuf (default) or grpc.
	Protocol exporter.Protocol
	// Headers go with every request. Their values are secrets: no log, error or page shows them.
	Headers map[string]exporter.Secret
	// HeadersFile is a file with more headers, a line key=value for each, which win over Headers. It is read again for
	// every request, so that a token can be replaced (DUOTEL_PUSH_HEADERS_FILE). Default: none.
	HeadersFile string
	// Timeout bounds one request (OTEL_EXPORTER_OTLP_METRICS_TIMEOUT, milliseconds). Default 10 s.
	Timeout time.Duration
	// Compression is none (default) or gzip.
	Compression exporter.Compression
	// Certificate is a PEM file with the authorities trusted instead of the system's. This file and the next two are read
	// again for every request; when they say something else, it goes over a new connection.
	Certificate string
	// ClientCertificate and ClientKey are PEM files for mutual TLS; both or neither.
	ClientCertificate, ClientKey string
	// Insecure turns TLS off for a grpc endpoint without the scheme http or https, which wins.
	Insecure bool
	// Temporality is cumulative (default), delta or lowmemory.
	Temporality exporter.Temporality
	// HistogramAggregation is explicit_bucket_histogram (default) or
	// base2_exponential_bucket_histogram, for histograms whose buckets no view sets.
	HistogramAggregation HistogramAggregation
	// Interval is the time between pushes (OTEL_METRIC_EXPORT_INTERVAL, milliseconds). Default 60 s.
	Interval time.Duration
	// ExportTimeout bounds one push, collection and all its requests and retries together
	// (OTEL_METRIC_EXPORT_TIMEOUT, milliseconds). Default 30 s.
	ExportTimeout time.Duration
	// MaxExportBatchSize is the most data points in one request. Default 0, no limit.
	MaxExportBatchSize int
	// SpoolDir is a directory for what a push could not deliver, unless it was refused for what is in it
	// (DUOTEL_PUSH_SPOOL_DIR). The next push sends it first, of this process or of the next. Headers are never
	// written. Several processes may share one, and it may hold other files. Default: none, and what is unsent
	// when the process stops is lost.
	SpoolDir string
}

// HTTPConfig says what the HTTP middleware measures.
type HTTPConfig struct {
	// ExcludedHandlers are regular expressions; a request whose route or path one of them matches is
	// not instrumented (METRICS_EXCLUDED_HANDLERS). They come on top of the scrape and health routes,
	// which are excluded by default.
	ExcludedHandlers []string
	// KnownMethods are the values of http.request.method, for servers and clients; all others are _OTHER. They replace the default
	// (OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS). Default, when empty: [middleware.DefaultKnownMethods].
	KnownMethods []string
	// Names selects the vocabulary (METRICS_HTTP_NAMES). Default: semconv.
	Names HTTPNames
	// DurationBounds are upper bounds that the request duration's buckets have besides their own, in both vocabularies
	// (METRICS_HTTP_DURATION_BOUNDS): those of the service's objectives, so that the share of requests within each is exact. Each
	// is one more series for every route, method and status. From 1 µs up, at most 20. Default: none.
	DurationBounds []time.Duration
}

// ListenerConfig describes the listener that [Start] and [New] open when either Host or Port is set.
type ListenerConfig struct {
	// Host and Port are OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT. When one is
	// set the other's default is "localhost" or 9464. A negative Port asks the system for a free one
	// (see [SDK.ListenerAddr]).
	Host string
	Port int
	// WebConfigFile is a web configuration file of the Prometheus exporter-toolkit: TLS, mutual TLS,
	// basic auth. Default: none, plain HTTP.
	WebConfigFile string
}

// DiscoveryConfig says where this process lists its page, so that Prometheus finds it. The list has it from when the page answers
// until [SDK.Shutdown] begins, under the service's name and service.instance.id.
type DiscoveryConfig struct {
	// URL turns it on (DUOTEL_DISCOVERY). With http and https it is where the API of a [discovery.Registry] is; another scheme, such
	// as etcd, is that of a [WithDiscoveryStore]. Default: none, and the process is not listed.
	URL string
	// Address is host:port at which Prometheus reaches the page (DUOTEL_DISCOVERY_ADDRESS). Default: the listener's, where that is
	// on all interfaces with the address of this machine that leads to the registry. Without a listener it is required.
	Address string
	// Username and PasswordFile, a file with nothing but the password, are for a store, such as etcd (DUOTEL_DISCOVERY_USERNAME,
	// DUOTEL_DISCOVERY_PASSWORD_FILE). The file is read when the store is opened. Default: none. Neither goes without the other.
	Username, PasswordFile string
	// HeadersFile, for http and https, is a file with headers of every request, as [PushConfig.HeadersFile]
	// (DUOTEL_DISCOVERY_HEADERS_FILE). Default: none.
	HeadersFile string
	// Certificate, ClientCertificate and ClientKey are for https, and for a store that speaks TLS, what they are in [PushConfig]. They are read
	// again for every request, and for every connection to a store.
	Certificate, ClientCertificate, ClientKey string
}

// ExporterName names an exit, in the words of OTEL_METRICS_EXPORTER.
type ExporterName string

// The exits. ExporterNone is the only entry of its list.
const (
	ExporterPrometheus ExporterName = "prometheus"
	ExporterOTLP       ExporterName = "otlp"
	ExporterConsole    ExporterName = "console"
	ExporterNone       ExporterName = "none"
)

// ExemplarFilter names a filter, in the words of OTEL_METRICS_EXEMPLAR_FILTER.
type ExemplarFilter string

// The filters the metrics SDK specification names.
const (
	ExemplarTraceBased ExemplarFilter = "trace_based"
	ExemplarAlwaysOn   ExemplarFilter = "always_on"
	ExemplarAlwaysOff  ExemplarFilter = "always_off"
)

// HistogramAggregation names an aggregation, in the words of
// OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION.
type HistogramAggregation string

// The aggregations the OTLP exporter specification names.
const (
	HistogramExplicitBuckets HistogramAggregation = "explicit_bucket_histogram"
	HistogramBase2           HistogramAggregation = "base2_exponential_bucket_histogram"
)

// HTTPNames names a vocabulary of HTTP server metrics.
type HTTPNames string

// The vocabularies of METRICS_HTTP_NAMES.
const (
	HTTPNamesSemconv HTTPNames = "semconv"
	HTTPNamesClassic HTTPNames = "classic"
	HTTPNamesBoth    HTTPNames = "both"
)
