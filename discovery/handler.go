package discovery

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ErrUnauthenticated is wrapped by an error of [Config].Authorize when the client did not say, or not
// prove, who it is.
var ErrUnauthenticated = errors.New("unauthenticated")

// Outcomes of an answer, the values of duotel.discovery.answers' attribute.
const (
	outcomeServed     = "served"
	outcomeNotLoaded  = "not_loaded"
	outcomeDenied     = "denied"
	outcomeBadRequest = "bad_request"
)

// Handler returns the handler that Prometheus's http_sd_configs ask. It answers GET and HEAD from memory:
// the list in Prometheus's format, "[]" when it is known that nothing is registered, and 503 before the store was read,
// because Prometheus drops everything for an empty list and keeps what it has for a 503. While the
// store cannot be reached the last list is served; the Age header says how old it is, in seconds.
// The parameters are those of [ParseQuery].
func (r *Registry) Handler() http.Handler { return http.HandlerFunc(r.serve) }

func (r *Registry) serve(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "discovery: method "+strconv.Quote(cut(req.Method))+" is not allowed; GET or HEAD", http.StatusMethodNotAllowed)
		return
	}
	if !r.authorized(w, req) {
		return
	}
	var q Query
	if req.URL != nil && req.URL.RawQuery != "" {
		var err error
		if q, err = parseRawQuery(req.URL.RawQuery); err != nil {
			r.stats.answered(outcomeBadRequest)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	_, loaded, contact := r.view.state()
	if !loaded {
		r.stats.answered(outcomeNotLoaded)
		http.Error(w, ErrNotLoaded.Error()+"; try again", http.StatusServiceUnavailable)
		return
	}
	body, err := r.answers.of(r.view, q)
	if err != nil {
		http.Error(w, "discovery: the list cannot be encoded", http.StatusInternalServerError)
		return
	}
	r.stats.answered(outcomeServed)
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Age", strconv.Itoa(int(time.Since(contact).Seconds())))
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "Accept-Encoding")
	text := body.text
	if acceptsGzip(req.Header) {
		header.Set("Content-Encoding", "gzip")
		text = body.gzip
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	if req.Method == http.MethodGet {
		_, _ = w.Write(text) // who has left does not need the rest
	}
}

// authorized answers 401 or 403 itself where it returns false.
func (r *Registry) authorized(w http.ResponseWriter, req *http.Request) bool {
	if r.cfg.Authorize == nil {
		return true
	}
	err := r.cfg.Authorize(req)
	if err == nil {
		return true
	}
	r.stats.answered(outcomeDenied)
	status := http.StatusForbidden
	if errors.Is(err, ErrUnauthenticated) {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="discovery"`)
	}
	http.Error(w, err.Error(), status)
	return false
}

// acceptsGzip says whether a client named gzip in Accept-Encoding and did not give it the quality 0.
func acceptsGzip(h http.Header) bool {
	for _, line := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(line, ",") {
			name, parameter, _ := strings.Cut(part, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				quality, found := strings.CutPrefix(strings.ToLower(strings.ReplaceAll(parameter, " ", "")), "q=")
				value, err := strconv.ParseFloat(quality, 64)
				return !found || err == nil && value > 0
			}
		}
	}
	return false
}
