package otlpanswer

// Reason names why a push failed. It is a metric's attribute value, so the set is closed.
type Reason string

// The reasons, from the answers an OTLP backend gives down to there being none.
const (
	NotOTLP         Reason = "not_otlp"
	Redirect        Reason = "redirect"
	BadRequest      Reason = "bad_request"
	Unauthenticated Reason = "unauthenticated"
	Forbidden       Reason = "forbidden"
	NotFound        Reason = "not_found"
	TooLarge        Reason = "too_large"
	Throttled       Reason = "throttled"
	Unavailable     Reason = "unavailable"
	ClientError     Reason = "client_error"
	ServerError     Reason = "server_error"
	TLS             Reason = "tls"
	DNS             Reason = "dns"
	Refused         Reason = "refused"
	Reset           Reason = "reset"
	Timeout         Reason = "timeout"
	Canceled        Reason = "canceled"
	Network         Reason = "network"
	Encode          Reason = "encode"
)

type meaning struct {
	retryable bool
	// configured marks a failure that lasts until somebody changes a setting.
	configured bool
	advice     string
}

const (
	checkHeaders  = "check OTEL_EXPORTER_OTLP_METRICS_HEADERS (or OTEL_EXPORTER_OTLP_HEADERS)"
	checkEndpoint = "check OTEL_EXPORTER_OTLP_METRICS_ENDPOINT (or OTEL_EXPORTER_OTLP_ENDPOINT)"
	checkProtocol = "check OTEL_EXPORTER_OTLP_PROTOCOL and the endpoint's port and path"
	checkTLS      = "check OTEL_EXPORTER_OTLP_CERTIFICATE, the client certificate and the endpoint's scheme"
)

var reasons = map[Reason]meaning{
	NotOTLP:         {configured: true, advice: "something other than an OTLP backend answered: " + checkEndpoint},
	Redirect:        {configured: true, advice: "redirects are not followed: " + checkEndpoint},
	BadRequest:      {configured: true, advice: checkProtocol},
	Unauthenticated: {configured: true, advice: checkHeaders},
	Forbidden:       {configured: true, advice: checkHeaders},
	NotFound:        {configured: true, advice: checkEndpoint},
	TooLarge:        {},
	Throttled:       {retryable: true},
	Unavailable:     {retryable: true},
	ClientError:     {configured: true, advice: checkProtocol},
	ServerError:     {},
	TLS:             {configured: true, advice: checkTLS},
	DNS:             {retryable: true, advice: checkEndpoint},
	Refused:         {retryable: true, advice: "nothing listens there: " + checkEndpoint},
	Reset:           {retryable: true},
	Timeout:         {retryable: true},
	Canceled:        {},
	Network:         {retryable: true},
	Encode:          {},
}

// NeedsPerson reports whether r lasts until somebody changes a setting, so that asking again at every
// interval only adds noise at the backend.
func (r Reason) NeedsPerson() bool { return reasons[r].configured }

// Reasons lists every reason, in no particular order.
func Reasons() []Reason {
	all := make([]Reason, 0, len(reasons))
	for r := range reasons {
		all = append(all, r)
	}
	return all
}
