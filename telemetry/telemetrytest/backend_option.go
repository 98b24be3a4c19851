package telemetrytest

// BackendOption changes how [StartBackend] and [NewBackend] build a backend.
type BackendOption func(*backendOptions)

type backendOptions struct {
	keep    int
	path    string
	bearer  string
	tls     bool
	mutual  bool
	maxBody int
}

// defaultPath is the OTLP specification's path for metrics, and defaultMaxBody the limit that
// opentelemetry-go puts on a request.
const (
	defaultPath    = "/v1/metrics"
	defaultMaxBody = 64 << 20
)

func (o *backendOptions) httpPath() string {
	if o.path == "" {
		return defaultPath
	}
	return o.path
}

func (o *backendOptions) bodyLimit() int {
	if o.maxBody <= 0 {
		return defaultMaxBody
	}
	return o.maxBody
}

// WithKeep keeps only the last n requests, for a backend that runs for hours. Totals and series go
// on: see [Counts] and [Backend.Series]. Default, and n of zero or less: all of them.
func WithKeep(n int) BackendOption { return func(o *backendOptions) { o.keep = n } }

// WithPath serves OTLP over HTTP at path instead of /v1/metrics. A request for any other path is
// recorded and answered 404.
func WithPath(path string) BackendOption { return func(o *backendOptions) { o.path = path } }

// WithBearer answers 401, Unauthenticated over gRPC, to requests without "Authorization: Bearer token".
func WithBearer(token string) BackendOption { return func(o *backendOptions) { o.bearer = token } }

// WithMaxBody refuses messages of more than n bytes, compressed or not, before they are read to their
// end: 413, ResourceExhausted over gRPC. It bounds the memory one request takes; for a test of such a
// refusal [LimitBytes] records more. Default 64 MiB.
func WithMaxBody(n int) BackendOption { return func(o *backendOptions) { o.maxBody = n } }

// WithTLS serves both protocols over TLS, with a certificate made for this backend:
// see [Backend.CertificatePEM] and [Backend.CertificateFile].
func WithTLS() BackendOption { return func(o *backendOptions) { o.tls = true } }

// WithMutualTLS is [WithTLS], and clients must show a certificate: see [Backend.ClientFiles].
func WithMutualTLS() BackendOption {
	return func(o *backendOptions) { o.tls, o.mutual = true, true }
}
