// Package page fetches and reads a /metrics page as Prometheus does: with its parsers, which take nothing that is nearly
// right, in each of the formats it may ask for.
package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// Format is an exposition format.
type Format struct {
	Name   string
	accept string // the Accept header with which Prometheus asks for it
	media  string // what the answer's Content-Type begins with
}

// The formats.
var (
	Text        = Format{"text", "text/plain;version=0.0.4;q=1", "text/plain"}
	OpenMetrics = Format{"openmetrics", "application/openmetrics-text;version=1.0.0;q=1", "application/openmetrics-text"}
	Protobuf    = Format{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=1", "application/vnd.google.protobuf"}
)

// Formats returns every format.
func Formats() []Format { return []Format{Text, OpenMetrics, Protobuf} }

// Options say how a page is fetched.
type Options struct {
	// Timeout is for the whole answer. Default: 10 s.
	Timeout time.Duration
	// MaxBytes is the most that is read. Default: 256 MiB.
	MaxBytes int64
	// Header is sent with the request, for an authorization. Default: none.
	Header http.Header
}

// Page is a page as it was answered.
type Page struct {
	ContentType string
	Body        []byte
	Took        time.Duration
}

// Fetch gets a page in a format. Redirects are followed, and an answer that is not 200 or not in that format is an error.
func Fetch(ctx context.Context, address string, f Format, o Options) (Page, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 256 << 20
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Page{}, redact(err)
	}
	for key, values := range o.Header {
		req.Header[key] = values
	}
	req.Header.Set("Accept", f.accept)
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", fmt.Sprint(o.Timeout.Seconds()))
	start := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Page{}, redact(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, o.MaxBytes+1))
	p := Page{ContentType: resp.Header.Get("Content-Type"), Body: body, Took: time.Since(start)}
	switch {
	case err != nil:
		return p, redact(err)
	case int64(len(body)) > o.MaxBytes:
		return p, fmt.Errorf("the page has more than %d bytes", o.MaxBytes)
	case resp.StatusCode != http.StatusOK:
		return p, fmt.Errorf("status %s: %s", resp.Status, firstLine(body))
	case !strings.HasPrefix(p.ContentType, f.media):
		return p, fmt.Errorf("asked for %s, answered with Content-Type %q", f.media, p.ContentType)
	}
	return p, nil
}

// redact keeps a password in an address out of an error.
func redact(err error) error {
	var e *url.Error
	if errors.As(err, &e) {
		if u, bad := url.Parse(e.URL); bad == nil {
			e.URL = u.Redacted()
		} else {
			return errors.New("the address is no URL")
		}
	}
	return err
}

func firstLine(body []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(body), []byte("\n"))
	if len(line) > 200 {
		line = line[:200]
	}
	return string(line)
}

// Count parses the page strictly and returns the number of its samples, as Prometheus counts them: one for each line, and one for each
// native histogram. A series that is there twice is an error, because Prometheus keeps one of the two.
func (p Page) Count() (int, error) {
	parser, err := textparse.New(p.Body, p.ContentType, labels.NewSymbolTable(), textparse.ParserOptions{KeepClassicOnClassicAndNativeHistograms: true})
	if err != nil {
		return 0, err
	}
	seen := map[uint64]labels.Labels{}
	for n := 0; ; {
		entry, err := parser.Next()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		case entry != textparse.EntrySeries && entry != textparse.EntryHistogram:
			continue
		}
		n++
		var l labels.Labels
		parser.Labels(&l)
		key := l.Hash()
		if entry == textparse.EntryHistogram {
			key++ // a histogram may stand beside its classic series
		}
		if before, twice := seen[key]; twice && labels.Equal(before, l) {
			return n, fmt.Errorf("the series %s is there twice", l)
		}
		seen[key] = l
	}
}

// Families parses a page in the text format.
func (p Page) Families() (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(p.Body))
}

// Load reads the families of a page in the text format, from a URL or from a file; "-" is stdin.
func Load(ctx context.Context, from string, stdin io.Reader, o Options) (map[string]*dto.MetricFamily, error) {
	var (
		p   Page
		err error
	)
	switch {
	case IsURL(from):
		if p, err = Fetch(ctx, from, Text, o); err != nil {
			return nil, err
		}
	case from == "-":
		p.Body, err = io.ReadAll(stdin)
	default:
		p.Body, err = os.ReadFile(from)
	}
	if err != nil {
		return nil, err
	}
	families, err := p.Families()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return families, nil
}

// IsURL reports whether an argument is a URL rather than a file.
func IsURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }
