package exporter_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/duotel/duotel/exporter"
)

// The Accept headers of programs as they are.
const (
	acceptChrome     = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	acceptJava       = "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"
	acceptPrometheus = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6," +
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4," +
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)

func TestPullNegotiatesTheFormat(t *testing.T) {
	const text, openMetrics, protobuf = "text/plain; version=0.0.4", "application/openmetrics-text; version=", "application/vnd.google.protobuf"
	r := newPull(t, nil)
	for accept, want := range map[string]string{
		"":                  text,
		" ":                 text,
		"*/*":               text,
		"*":                 text,
		"image/gif, *;q=.2": text,
		acceptOpenMetrics + ";q=0, application/openmetrics-text;version=9.9.9": text,
		"text/*":                       text,
		"text/html":                    text,
		"TEXT/Plain":                   text,
		"nonsense":                     text,
		acceptChrome:                   text,
		acceptJava:                     text,
		acceptPrometheus:               protobuf,
		acceptText:                     text,
		acceptOpenMetrics:              openMetrics + "1.0.0",
		acceptProtobuf:                 protobuf,
		"application/openmetrics-text": openMetrics,
		"application/json, */*;q=0.1":  text,
		"application/*":                text,
		"text/plain;version=9.9.9":     text,
		"text/plain;q=0.001":           text,
		"text/plain;q=much":            text,
		"text/html, */*;q=0":           text,
		"application/openmetrics-text;version=9.9.9":                                    text,
		"application/vnd.google.protobuf;proto=x.y":                                     text,
		acceptOpenMetrics + ";q=0, */*":                                                 text,
		acceptOpenMetrics + ";q=0.2," + acceptText + ";q=0.9,application/vnd.x.y;q=0.5": text,
		"text/plain;q=0, */*":                                                           openMetrics,
		"text/plain;q=0, application/*":                                                 openMetrics,
		acceptOpenMetrics + ", */*;q=0":                                                 openMetrics + "1.0.0",
		acceptOpenMetrics + ", text/plain; q=0.0, a/b":                                  openMetrics + "1.0.0",
	} {
		w := r.get(http.MethodGet, "Accept", accept)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || !strings.HasPrefix(got, want) {
			t.Errorf("Accept %q: %d %q, want 200 %q", accept, w.Code, got, want)
		}
		if !slices.Contains(w.Header().Values("Vary"), "Accept") {
			t.Errorf("Accept %q: the answer does not say that it depends on that", accept)
		}
	}
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header["Accept"] = []string{"application/json", "text/plain"}
	w := httptest.NewRecorder()
	if r.ServeHTTP(w, req); w.Code != http.StatusOK {
		t.Errorf("a header of two lines is answered %d", w.Code)
	}
}

// TestPullAnswers406 asks for what there is not.
func TestPullAnswers406(t *testing.T) {
	r := newPull(t, nil)
	for i, accept := range []string{
		"application/json", "application/json, application/yaml;q=0.5", "image/*", "*/*;q=0", "text/*;q=0.0", acceptText + ";q=0",
		"text/plain; Q=0, application/json", acceptOpenMetrics + ";q=0," + acceptProtobuf + ";q=0,text/plain;q=0",
		"*/*, text/*;q=0, application/openmetrics-text;q=0, application/vnd.google.protobuf;q=0",
	} {
		w := r.get(http.MethodGet, "Accept", accept)
		if w.Code != http.StatusNotAcceptable || r.Stats().Scrapes["format"] != int64(i+1) {
			t.Errorf("Accept %q: %d, want 406; counted %v", accept, w.Code, r.Stats().Scrapes)
		}
		for _, want := range []string{accept[:7], "text/plain", "application/openmetrics-text", "application/vnd.google.protobuf"} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("Accept %q: %q does not mention %s", accept, w.Body, want)
			}
		}
	}
	denying := newPull(t, func(c *exporter.PullConfig) {
		c.Authorizer = func(*http.Request) (exporter.SeriesFilter, error) { return nil, exporter.ErrUnauthenticated }
	})
	if w := denying.get(http.MethodGet, "Accept", "application/json"); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger's wish is answered %d, want 401 before anything else", w.Code)
	}
}

// TestPullNameFilter asks for some families, as promhttp has it, in every format.
func TestPullNameFilter(t *testing.T) {
	r := newPull(t, func(c *exporter.PullConfig) { c.Gatherers = []prometheus.Gatherer{registry([]string{"disk", "net"})} })
	for _, name := range []string{"jobs", "mails"} {
		must(r.meter.Int64Counter(name)).Add(t.Context(), 1)
	}
	for format, accept := range accepts {
		for query, want := range map[string][]string{
			"":                                      {"disk", "jobs_total", "mails_total", "net", "target_info"},
			"?name[]=jobs_total&name[]=disk":        {"disk", "jobs_total"},
			"?name%5B%5D=target_info":               {"target_info"},
			"?name[]=jobs_total&name[]=no_such_one": {"jobs_total"},
			"?name[]=no_such_one":                   {},
		} {
			req := httptest.NewRequest(http.MethodGet, "/metrics"+query, nil)
			req.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, req)
			page := w.Body.String()
			if w.Code != http.StatusOK {
				t.Fatalf("%s, %q is answered %d: %s", format, query, w.Code, page)
			}
			names := slices.DeleteFunc(slices.Sorted(maps.Keys(must(parsed(accept, page)))), func(name string) bool { return strings.HasSuffix(name, "_created") })
			if !slices.Equal(names, want) {
				t.Errorf("%s, %q shows %v, want %v", format, query, names, want)
			}
		}
	}
}

// TestPullAnswersHEAD goes through a server, which is what leaves the body out. The header is that of GET, whatever the page's
// size and the coding.
func TestPullAnswersHEAD(t *testing.T) {
	small, large := newPull(t, nil), newPull(t, nil)
	large.fill(t)
	for size, r := range map[string]*pullRig{"small": small, "large": large} {
		server := httptest.NewServer(r)
		defer server.Close()
		client := server.Client()
		client.Transport.(*http.Transport).DisableCompression = true
		defer client.CloseIdleConnections()
		for format, accept := range accepts {
			for _, coding := range []string{"", "gzip", "zstd", "br"} {
				var answers []http.Header
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					req := must(http.NewRequestWithContext(t.Context(), method, server.URL, nil))
					req.Header.Set("Accept", accept)
					req.Header.Set("Accept-Encoding", coding)
					res := must(client.Do(req))
					body := must(io.ReadAll(res.Body))
					_ = res.Body.Close()
					if res.StatusCode != http.StatusOK || (method == http.MethodHead) != (len(body) == 0) {
						t.Errorf("%s, %s, %q: %s is answered %d with %d bytes", size, format, coding, method, res.StatusCode, len(body))
					}
					answers = append(answers, res.Header)
				}
				for _, name := range []string{"Content-Type", "Content-Encoding", "Vary"} {
					if get, head := answers[0].Values(name), answers[1].Values(name); !slices.Equal(get, head) {
						t.Errorf("%s, %s, %q: %s of HEAD is %q, of GET %q", size, format, coding, name, head, get)
					}
				}
			}
		}
	}
}

// TestPullNegotiatesTheCoding has lists of one line and of several, which are the same (RFC 9110, section 5.3).
func TestPullNegotiatesTheCoding(t *testing.T) {
	r := newPull(t, nil)
	r.fill(t)
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"gzip"}, "gzip"},
		{[]string{"deflate", "gzip"}, "gzip"},
		{[]string{"br", "", "GZIP;q=0.5"}, "gzip"},
		{[]string{"deflate, br", "zstd"}, "zstd"},
		{[]string{"gzip;q=0", "zstd"}, "zstd"},
		{[]string{"gzip;q=0.1", "zstd;q=0.9"}, "zstd"},
		{[]string{"identity;q=0", "gzip"}, "gzip"},
		{[]string{"identity;q=0", "*"}, "gzip"},
		{[]string{"*;q=0.1"}, "gzip"},
		{[]string{"gzip;q=0, *"}, ""},
		{[]string{"*;q=0"}, ""},
		{[]string{"identity", "*;q=0"}, ""},
		{[]string{"zstd;q=0.9", "*;q=0.1"}, "zstd"},
	} {
		req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		req.Header["Accept-Encoding"] = test.lines
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if got := w.Header().Get("Content-Encoding"); w.Code != http.StatusOK || got != test.want {
			t.Errorf("Accept-Encoding %q: %d, coding %q, want %q", test.lines, w.Code, got, test.want)
		}
		if !slices.Contains(w.Header().Values("Vary"), "Accept-Encoding") {
			t.Errorf("Accept-Encoding %q: the answer does not say that it depends on that", test.lines)
		}
	}
}

// TestPullAnswersRequestsMadeByHand has requests as programs make them that call the handler themselves.
func TestPullAnswersRequestsMadeByHand(t *testing.T) {
	r := newPull(t, nil)
	for name, test := range map[string]struct {
		req  *http.Request
		want int
	}{
		"no URL":       {&http.Request{Method: http.MethodGet, Header: http.Header{"Accept-Encoding": {"gzip"}}}, http.StatusOK},
		"no header":    {&http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/metrics"}}, http.StatusOK},
		"HEAD":         {&http.Request{Method: http.MethodHead}, http.StatusOK},
		"no method":    {&http.Request{}, http.StatusMethodNotAllowed},
		"other method": {&http.Request{Method: "BREW"}, http.StatusMethodNotAllowed},
	} {
		w := httptest.NewRecorder()
		if r.ServeHTTP(w, test.req); w.Code != test.want {
			t.Errorf("%s: %d, want %d", name, w.Code, test.want)
		}
	}
}
