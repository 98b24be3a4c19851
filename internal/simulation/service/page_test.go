package service

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// formats are what scrapers ask for.
var formats = []string{
	"text/plain;version=0.0.4",
	"application/openmetrics-text;version=1.0.0",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

// scrapeLimit is how long a page may take: the exit's own limit, and a second for a client that has to make way.
const scrapeLimit = 11 * time.Second

// page serves the metrics of a life to those who scrape it.
type page struct {
	life   *life
	net    *network
	client *http.Client
	stop   func()
}

func newPage(l *life) *page {
	p := &page{life: l, net: newNetwork()}
	h := &http.Server{Handler: l.sdk.MetricsHandler(), ErrorLog: log.New(io.Discard, "", 0), IdleTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = h.Serve(p.net)
	}()
	transport := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return p.net.dial(ctx) },
		DisableCompression: true, DisableKeepAlives: true,
	}
	p.client = &http.Client{Transport: transport}
	p.stop = func() {
		_ = h.Close()
		<-served
		p.net.cut()
		transport.CloseIdleConnections()
	}
	return p
}

// scrape asks for the page as a scraper does, and holds what it says against the truth.
func (p *page) scrape(ctx context.Context, rng *rand.Rand) {
	l, w := p.life, p.life.world
	fault := ""
	if rng.Float64() < w.plan.trouble/2 && w.faulty() {
		fault = w.plan.pick(rng, readers)
	}
	format := formats[rng.IntN(len(formats))]
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if fault == "scrape-cancelled" {
		timer := time.AfterFunc(time.Duration(rng.Int64N(int64(100*time.Millisecond))), cancel)
		defer timer.Stop()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://page/metrics", nil)
	if err != nil {
		panic(err)
	}
	r.Header.Set("Accept", format)
	if rng.IntN(2) == 0 {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	if fault != "" {
		w.struck(l.id, "", fault)
		w.tell("scrape of %s: %s", l.id, fault)
	}
	from := time.Now()
	answer, err := p.client.Do(r)
	if err != nil {
		if fault == "" && ctx.Err() == nil && l.alive() {
			w.broken("a page is answered", "%s: %v", l.id, err)
		}
		return
	}
	defer answer.Body.Close()
	if fault == "scrape-mute" {
		wait(ctx, 30*time.Second)
		return
	}
	body := io.Reader(answer.Body)
	if fault == "scrape-slow" {
		body = &slowReader{answer.Body, ctx}
	}
	text, err := read(body, answer.Header.Get("Content-Encoding"))
	took := time.Since(from)
	switch {
	case fault != "" || ctx.Err() != nil || !l.alive():
		return
	case err != nil:
		w.broken("a page is answered", "%s: %v after %v", l.id, err, took)
		return
	case answer.StatusCode != http.StatusOK:
		w.broken("a page is answered", "%s: %s %s", l.id, answer.Status, text)
		return
	case took > scrapeLimit:
		w.broken("a page is answered in its time", "%s: %v", l.id, took)
	}
	w.public("the page", text)
	points, err := parse(text, answer.Header)
	if err != nil {
		w.broken("a page can be parsed", "%s: %v", format, err)
		return
	}
	w.truth.page(l.id, points, from, time.Now(), l.left)
	l.starts(points)
	w.scraped.Add(1)
}

// slowReader reads a few bytes a second.
type slowReader struct {
	io.Reader
	ctx context.Context
}

func (s *slowReader) Read(p []byte) (int, error) {
	wait(s.ctx, 100*time.Millisecond)
	return s.Reader.Read(p[:min(len(p), 50)])
}

func read(r io.Reader, encoding string) (string, error) {
	if encoding == "gzip" {
		z, err := gzip.NewReader(r)
		if err != nil {
			return "", err
		}
		r = z
	}
	out, err := io.ReadAll(r)
	return string(out), err
}

// parse returns the points of a page that the truth knows. Text and protobuf are read by Prometheus's common library; OpenMetrics here, in
// the part of it that a page has.
func parse(text string, header http.Header) ([]point, error) {
	if strings.HasPrefix(header.Get("Content-Type"), "application/openmetrics-text") {
		return parseOpenMetrics(text)
	}
	format := expfmt.ResponseFormat(header)
	families := map[string]*dto.MetricFamily{}
	if format.FormatType() == expfmt.TypeProtoDelim {
		decoder := expfmt.NewDecoder(strings.NewReader(text), format)
		for {
			f := new(dto.MetricFamily)
			err := decoder.Decode(f)
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			families[f.GetName()] = f
		}
	} else {
		parser := expfmt.NewTextParser(model.UTF8Validation)
		var err error
		if families, err = parser.TextToMetricFamilies(strings.NewReader(text)); err != nil {
			return nil, err
		}
	}
	var out []point
	for name, f := range families {
		if name, ok := modelled(name); ok {
			for _, m := range f.GetMetric() {
				out = append(out, familyPoint(name, m))
			}
		}
	}
	return out, nil
}

func familyPoint(name string, m *dto.Metric) point {
	labels := map[string]string{}
	for _, l := range m.GetLabel() {
		labels[l.GetName()] = l.GetValue()
	}
	p := point{series: seriesName(name, labels), attributes: fmt.Sprint(labels), parts: map[string]float64{}, rises: m.Gauge == nil}
	switch {
	case m.Counter != nil:
		p.parts["value"], p.start = m.Counter.GetValue(), m.Counter.GetCreatedTimestamp().AsTime()
	case m.Gauge != nil:
		p.parts["value"] = m.Gauge.GetValue()
	case m.Histogram != nil:
		h := m.Histogram
		p.parts["count"], p.parts["sum"], p.start = float64(h.GetSampleCount()), h.GetSampleSum(), h.GetCreatedTimestamp().AsTime()
		before := 0.0
		for i, b := range h.GetBucket() {
			p.parts[bucket(i)] = float64(b.GetCumulativeCount()) - before
			before = float64(b.GetCumulativeCount())
		}
		if n := len(h.GetBucket()); n > 0 && !math.IsInf(h.GetBucket()[n-1].GetUpperBound(), 1) {
			p.parts[bucket(n)] = p.parts["count"] - before
		}
	}
	return p
}

// parseOpenMetrics reads what a page of OpenMetrics has, and wants it to end as one does.
func parseOpenMetrics(text string) ([]point, error) {
	if !strings.HasSuffix(text, "\n# EOF\n") {
		return nil, fmt.Errorf("ends with %q", text[max(0, len(text)-40):])
	}
	points := map[string]*point{}
	var order []string
	types, before := map[string]string{}, map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			types[name] = kind
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, labels, value, err := sampleLine(line)
		if err != nil {
			return nil, err
		}
		family, part := familyOf(name, types)
		metric, ok := modelled(family)
		if !ok {
			continue
		}
		delete(labels, "le")
		p := point{series: seriesName(metric, labels), attributes: fmt.Sprint(labels)}
		key := p.series + p.attributes
		if points[key] == nil {
			p.parts, p.rises = map[string]float64{}, types[family] != "gauge"
			points[key], order = &p, append(order, key)
		}
		switch at := points[key]; part {
		case "created":
			seconds, fraction := math.Modf(value)
			at.start = time.Unix(int64(seconds), int64(fraction*1e9))
		case "bucket":
			n := 0
			for at.parts[bucket(n)] != 0 || hasPart(at, bucket(n)) {
				n++
			}
			at.parts[bucket(n)] = value - before[key]
			before[key] = value
		default:
			at.parts[part] = value
		}
	}
	out := make([]point, 0, len(order))
	for _, key := range order {
		out = append(out, *points[key])
	}
	return out, lines.Err()
}

func hasPart(p *point, part string) bool { _, ok := p.parts[part]; return ok }

// familyOf cuts a sample's name in the family's and what it says of it.
func familyOf(name string, types map[string]string) (family, part string) {
	for suffix, part := range map[string]string{"_total": "value", "_count": "count", "_sum": "sum", "_bucket": "bucket", "_created": "created"} {
		if family, ok := strings.CutSuffix(name, suffix); ok && types[family] != "" && types[family] != "gauge" {
			return family, part
		}
	}
	return name, "value"
}

// sampleLine reads `name{a="b"} 1 …`.
func sampleLine(line string) (name string, labels map[string]string, value float64, err error) {
	labels = map[string]string{}
	end := strings.IndexAny(line, "{ ")
	if end < 0 {
		return "", nil, 0, fmt.Errorf("no value in %q", line)
	}
	name, line = line[:end], line[end:]
	if line[0] == '{' {
		line = line[1:]
		for line != "" && line[0] != '}' {
			key, rest, ok := strings.Cut(line, `="`)
			quote := strings.Index(rest, `"`)
			if !ok || quote < 0 {
				return "", nil, 0, fmt.Errorf("labels without end: %q", line)
			}
			labels[key], line = rest[:quote], strings.TrimPrefix(rest[quote+1:], ",")
		}
		line = strings.TrimPrefix(line, "}")
	}
	field, _, _ := strings.Cut(strings.TrimPrefix(line, " "), " ")
	_, err = fmt.Sscan(field, &value)
	return name, labels, value, err
}
