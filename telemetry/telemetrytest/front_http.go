package telemetrytest

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"

	colmetricpb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/duotel/duotel/exporter"
)

// httpFront is the HTTP side of a site.
type httpFront struct{ site *site }

// ServeHTTP records a request and answers it.
func (f httpFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := Request{Protocol: exporter.ProtocolHTTPProtobuf, Path: r.URL.Path, Header: r.Header.Clone(), Encoding: r.Header.Get("Content-Encoding")}
	refusal := f.read(&req, r)
	answer, ok := f.site.arrive(req, refusal)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	defer f.site.leave()
	client := r.Context().Done()
	answer.wait(client, f.site.down)
	switch answer.effect {
	case hang:
		select {
		case <-client:
		case <-f.site.down:
		}
		panic(http.ErrAbortHandler)
	case reset:
		f.site.onHTTP.connections.reset(r.RemoteAddr)
		panic(http.ErrAbortHandler)
	}
	answer.write(w)
}

// read fills req from the body. It returns the answer to a request that is none to script for, as a
// real backend would give it, and else the zero Answer.
func (f httpFront) read(req *Request, r *http.Request) Answer {
	body, wire, err := readBody(r, f.site.backend.options.bodyLimit())
	req.Bytes, req.WireBytes = len(body), wire
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return f.site.backend.tooBig()
	case err != nil:
		return Status(http.StatusBadRequest).WithMessage("body: " + err.Error())
	case r.Method != http.MethodPost:
		return Status(http.StatusMethodNotAllowed).WithMessage("method: only POST is allowed")
	}
	if refusal := parse(req, r.Header.Get("Content-Type"), body); refusal != (Answer{}) {
		return refusal
	}
	if want := f.site.backend.options.httpPath(); r.URL.Path != want {
		return Status(http.StatusNotFound).WithMessage("path: OTLP metrics are at " + want)
	}
	return f.site.backend.unauthorized(r.Header)
}

func parse(req *Request, contentType string, body []byte) Answer {
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != contentTypeProtobuf {
		return Status(http.StatusUnsupportedMediaType).WithMessage("content-type: only application/x-protobuf is allowed")
	}
	var m colmetricpb.ExportMetricsServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil {
		return Status(http.StatusBadRequest).WithMessage("body: " + err.Error())
	}
	req.Message, req.Points = &m, countPoints(&m)
	return Answer{}
}

// readBody reads at most max bytes, as they travelled and uncompressed, and counts the former.
func readBody(r *http.Request, limit int) (body []byte, wire int, err error) {
	raw := &counted{Reader: http.MaxBytesReader(nil, r.Body, int64(limit))}
	plain := io.Reader(raw)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		unzip, err := gzip.NewReader(raw)
		if err != nil {
			return nil, raw.n, err
		}
		plain = unzip
	default:
		return nil, 0, fmt.Errorf("content-encoding %q; only gzip is allowed", encoding)
	}
	body, err = io.ReadAll(http.MaxBytesReader(nil, io.NopCloser(plain), int64(limit)))
	return body, raw.n, err
}

// counted counts what is read through it.
type counted struct {
	io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}
