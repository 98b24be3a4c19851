package names

// HTTP is what the HTTP server's metrics are called in the service's vocabulary.
type HTTP struct {
	// Duration is the histogram of request durations in seconds.
	Duration Hist
	// Active counts requests in flight.
	Active Series
	// Route, Method and Status are labels. Status has "none" in the classic vocabulary where nothing was sent.
	// In it the durations have no status.
	Route, Method, Status string
	// ErrorType is the label that says how a request failed; empty in the classic vocabulary, which has none.
	ErrorType string

	requests              Series // the classic counter
	failed                []string
	requestSize, response Hist
	classic               bool
}

// HTTPServer returns the names of the HTTP server's metrics.
func (n Names) HTTPServer() HTTP {
	if n.opts.HTTP == Classic {
		return n.classicHTTP()
	}
	return HTTP{
		Duration:    n.HistogramOf("http.server.request.duration", "s"),
		Active:      Series{Name: n.Of("http.server.active_requests", "{request}", UpDown)},
		Route:       Label("http.route"),
		Method:      Label("http.request.method"),
		Status:      Label("http.response.status_code"),
		ErrorType:   Label("error.type"),
		failed:      []string{`error_type!=""`, `error_type!="client_closed_request"`},
		requestSize: n.HistogramOf("http.server.request.body.size", "By"),
		response:    n.HistogramOf("http.server.response.body.size", "By"),
	}
}

// classicHTTP returns the names of the classic vocabulary. Its sizes are sums and counts, in both kinds of histogram.
func (n Names) classicHTTP() HTTP {
	named := func(instrument, unit string, kind Kind) string { return n.Of(instrument, unit, kind) }
	return HTTP{
		Duration: Hist{Series{Name: named("http.request.duration", "s", Histogram)}, n.opts.Native},
		Active:   Series{Name: named("http.requests.inprogress", "", Gauge)},
		Route:    "handler", Method: "method", Status: "status",
		requests:    Series{Name: named("http.requests", "", Counter)},
		failed:      []string{`status=~"5.."`},
		requestSize: Hist{Series: Series{Name: named("http.request.size", "By", Histogram)}},
		response:    Hist{Series: Series{Name: named("http.response.size", "By", Histogram)}},
		classic:     true,
	}
}

// Where returns h with further matchers on everything it asks for.
func (h HTTP) Where(matchers ...string) HTTP {
	h.Duration = h.Duration.Where(matchers...)
	h.Active = h.Active.Where(matchers...)
	h.requests = h.requests.Where(matchers...)
	h.requestSize = h.requestSize.Where(matchers...)
	h.response = h.response.Where(matchers...)
	return h
}

// Requests returns the requests per second by labels.
func (h HTTP) Requests(window string, by ...string) string { return h.rate(nil, window, by) }

// Failed returns the requests per second that the service failed, by labels. Of these a client that left is
// none. The classic vocabulary knows only the status, and so not what broke after the header.
func (h HTTP) Failed(window string, by ...string) string { return h.rate(h.failed, window, by) }

// ByStatus returns the requests per second of the statuses that match the regular expression, by labels.
func (h HTTP) ByStatus(status, window string, by ...string) string {
	return h.rate([]string{h.Status + `=~"` + status + `"`}, window, by)
}

func (h HTTP) rate(matchers []string, window string, by []string) string {
	if h.classic {
		return h.requests.Where(matchers...).Rate(window, by...)
	}
	return h.Duration.Where(matchers...).Count(window, by...)
}

// RequestSize and ResponseSize are the histograms of body sizes in bytes. Only their Sum, Count and Mean can be asked for in both
// vocabularies: [HTTP.HasSizeBuckets] says whether there is more.
func (h HTTP) RequestSize() Hist { return h.requestSize }

// ResponseSize is documented at RequestSize.
func (h HTTP) ResponseSize() Hist { return h.response }

// HasSizeBuckets reports whether the sizes have buckets, so that Quantile and Buckets have an answer.
func (h HTTP) HasSizeBuckets() bool { return !h.classic }

// FailedMatchers returns the matchers of the series that count failed requests.
func (h HTTP) FailedMatchers() []string { return h.failed }

// Counter returns the series that counts requests: the classic counter, or the count of durations. It is for tools that want a
// selector, and is not there ("") where the conventions' histogram is native.
func (h HTTP) Counter() Series {
	switch {
	case h.classic:
		return h.requests
	case h.Duration.Native:
		return Series{}
	default:
		return h.Duration.part("_count")
	}
}
