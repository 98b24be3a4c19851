package exporter

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/expfmt"
)

// The media types of the metrics page.
const (
	mediaText        = "text/plain"
	mediaOpenMetrics = "application/openmetrics-text"
	mediaProtobuf    = "application/vnd.google.protobuf"
)

// negotiate returns the format that the Accept header asks for, and false where it admits none.
//
// Who sends no such header gets text 0.0.4, and so does who takes any text, or one of the media types in
// a version that nobody writes: promhttp answers them so, and no browser and no scraper may be refused
// for what it says beside that.
func negotiate(h http.Header) (expfmt.Format, bool) {
	ranges := mediaRanges(strings.Join(h.Values("Accept"), ","))
	media := []string{mediaText, mediaOpenMetrics, mediaProtobuf}
	if len(ranges) > 0 && !slices.ContainsFunc(media, func(m string) bool { return admission(ranges, m) == admitted }) {
		return "", false
	}
	formats := slices.DeleteFunc(expfmt.DefaultOpenMetricsAcceptedFormats(), func(f expfmt.Format) bool {
		return admission(ranges, mediaOf(f)) == refused
	})
	var wanted []string // expfmt takes q=0 for a wish
	for _, r := range ranges {
		if !r.refused {
			wanted = append(wanted, r.text)
		}
	}
	return expfmt.NegotiateAccept(http.Header{"Accept": {strings.Join(wanted, ",")}}, formats...), true
}

// notAcceptable answers 406.
func (p *Pull) notAcceptable(w http.ResponseWriter, r *http.Request) {
	p.stats.scraped(outcomeFormat)
	http.Error(w, fmt.Sprintf("Accept %.80q admits no format of the metrics page; it has %s, %s and %s",
		r.Header.Get("Accept"), mediaText, mediaOpenMetrics, mediaProtobuf), http.StatusNotAcceptable)
}

func mediaOf(f expfmt.Format) string {
	media, _, _ := strings.Cut(string(f), ";")
	return media
}

// mediaRange is one element of an Accept header.
type mediaRange struct {
	text, media string
	refused     bool // q=0
}

// mediaRanges leaves out what is not of the form type/subtype, but for the * that old clients send. Not
// goautoneg, which expfmt uses: to it Q=0 is no refusal, and a quality that cannot be read is one.
func mediaRanges(accept string) []mediaRange {
	var ranges []mediaRange
	for text := range strings.SplitSeq(accept, ",") {
		media, params, _ := strings.Cut(text, ";")
		media = strings.ToLower(strings.TrimSpace(media))
		if media == "*" {
			media = "*/*"
		}
		if strings.Contains(media, "/") {
			ranges = append(ranges, mediaRange{text, media, zeroQuality(params)})
		}
	}
	return ranges
}

func zeroQuality(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		if name, value, _ := strings.Cut(strings.TrimSpace(param), "="); strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && q <= 0
		}
	}
	return false
}

// codingRequest is what gzhttp sees of a request with header h. It reads the first Accept-Encoding line only, though several
// are one list (RFC 9110, section 5.3); it does not know "*", which stands for gzip where that is not named; and it never
// compresses the answer to a HEAD, which has to have the header of the answer to a GET.
func codingRequest(h http.Header) *http.Request {
	list := strings.Join(h.Values("Accept-Encoding"), ",")
	var rest string
	for coding := range strings.SplitSeq(list, ",") {
		switch name, params, _ := strings.Cut(coding, ";"); strings.ToLower(strings.TrimSpace(name)) {
		case "*":
			rest = ",gzip;" + params
		case "gzip":
			return &http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {list}}}
		}
	}
	return &http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {list + rest}}}
}

// verdict is what an Accept header says of a media type.
type verdict int

const (
	unmentioned verdict = iota
	refused
	admitted
)

// admission goes by the closest of the ranges, as RFC 9110 has it (section 12.5.1), and of equally close
// ones by the best.
func admission(ranges []mediaRange, media string) verdict {
	closest, said := 0, unmentioned
	for _, r := range ranges {
		near, v := closeness(r, media), admitted
		if r.refused {
			v = refused
		}
		switch {
		case near > closest:
			closest, said = near, v
		case near == closest && near > 0:
			said = max(said, v)
		}
	}
	return said
}

// closeness is 0 for a range that does not concern media. Any text there is stands for text/plain.
func closeness(r mediaRange, media string) int {
	kind, _, _ := strings.Cut(media, "/")
	switch {
	case r.media == media:
		return 4
	case r.media == kind+"/*":
		return 3
	case media == mediaText && strings.HasPrefix(r.media, "text/") && !r.refused:
		return 2
	case r.media == "*/*":
		return 1
	}
	return 0
}
