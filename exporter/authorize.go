package exporter

import (
	"errors"
	"net/http"

	"github.com/duotel/duotel/exporter/internal/exposition"
)

// ErrUnauthenticated is wrapped by an [Authorizer]'s error when the scraper did not say, or not
// prove, who it is. It is answered 401; any other error 403.
var ErrUnauthenticated = errors.New("unauthenticated")

// Authorizer says whether a scrape is answered, and with which series: nil means all of them. The
// error's text goes to the scraper, so it must not hold a secret. It must be safe for concurrent use.
type Authorizer func(*http.Request) (SeriesFilter, error)

// SeriesFilter says whether a series is shown. It sees the family's name and the series' labels as
// they stand in the answer, and is asked about every series: target_info's, those of client_golang
// registries and the library's own included. It must be quick and safe for concurrent use.
type SeriesFilter = func(family string, labels Labels) bool

// Labels are the labels of one series, sorted by name, while a [SeriesFilter] looks at it.
type Labels = exposition.Labels

// authorize answers 401 or 403 itself where it returns false.
func (p *Pull) authorize(w http.ResponseWriter, r *http.Request) (SeriesFilter, bool) {
	if p.cfg.Authorizer == nil {
		return nil, true
	}
	admit, err := p.cfg.Authorizer(r)
	if err == nil {
		return admit, true
	}
	p.stats.scraped(outcomeDenied)
	status := http.StatusForbidden
	if errors.Is(err, ErrUnauthenticated) {
		status = http.StatusUnauthorized
		w.Header().Set("WWW-Authenticate", `Bearer realm="metrics"`)
	}
	http.Error(w, err.Error(), status)
	return nil, false
}
