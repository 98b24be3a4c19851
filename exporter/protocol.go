package exporter

// Protocol names an OTLP transport, in the words of OTEL_EXPORTER_OTLP_PROTOCOL.
// The zero value is the default, [ProtocolHTTPProtobuf].
type Protocol string

// The transports Push speaks. OTLP/JSON is not among them: the SDK's exporters do not encode it.
const (
	ProtocolHTTPProtobuf Protocol = "http/protobuf"
	ProtocolGRPC         Protocol = "grpc"
)

// Compression names the encoding of a pushed request's body, in the words of
// OTEL_EXPORTER_OTLP_COMPRESSION. The zero value is the default, [CompressionNone].
type Compression string

// The encodings the OTLP specification names.
const (
	CompressionNone Compression = "none"
	CompressionGzip Compression = "gzip"
)

// Temporality names the temporality preference of the push exit, in the words of
// OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE. The zero value is the default,
// [TemporalityCumulative]. The pull exit is always cumulative.
type Temporality string

// The preferences the OTLP exporter specification names.
const (
	// TemporalityCumulative sends totals since the start for every kind of instrument.
	TemporalityCumulative Temporality = "cumulative"
	// TemporalityDelta sends differences for counters and histograms, and totals for up-down counters.
	TemporalityDelta Temporality = "delta"
	// TemporalityLowMemory sends differences for synchronous counters and histograms, and totals for all else.
	TemporalityLowMemory Temporality = "lowmemory"
)
