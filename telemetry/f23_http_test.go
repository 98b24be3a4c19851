package telemetry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/duotel/duotel/middleware"
	"github.com/duotel/duotel/telemetry"
)

const (
	f23Limit  = 20
	f23Routes = 5
)

// f23Histograms are the instruments that have the application's own attributes.
var f23Histograms = []string{"http.server.request.duration", "http.server.request.body.size", "http.server.response.body.size"}

// f23Service is a server of declared routes whose SDK has little room, with the tenant on every series.
type f23Service struct {
	*testing.T
	*httptest.Server
	log    *logBuffer
	served chan struct{}
}

func newF23Service(t *testing.T, http2 bool) *f23Service {
	t.Helper()
	sdk, log := newSDK(t, telemetry.Config{ServiceName: "shop", CardinalityLimit: f23Limit})
	mux := http.NewServeMux()
	sdk.Mount(mux)
	mux.HandleFunc("GET /tenants", func(http.ResponseWriter, *http.Request) {})
	for i := range f23Routes {
		mux.HandleFunc(fmt.Sprintf("GET /route-%d/{id}", i), func(http.ResponseWriter, *http.Request) {})
	}
	measured := sdk.Middleware(mux, middleware.WithAttributes(func(r *http.Request) []attribute.KeyValue {
		if name := r.Header.Get("X-Tenant"); name != "" {
			return []attribute.KeyValue{attribute.String("tenant", name)}
		}
		return nil
	}))
	s := &f23Service{T: t, log: log, served: make(chan struct{}, 1)}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { s.served <- struct{}{} }()
		measured.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = http2
	if http2 {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

// get returns the answer when the request has been measured, which may be later than the client has it.
func (s *f23Service) get(path, tenant string) string {
	s.Helper()
	r := must(http.NewRequestWithContext(s.Context(), http.MethodGet, s.URL+path, nil))
	r.Header.Set("X-Tenant", tenant)
	res := must(s.Client().Do(r))
	defer res.Body.Close()
	body := string(must(io.ReadAll(res.Body)))
	<-s.served
	return body
}

// tenants sends a request of each of the tenants from one number to another.
func (s *f23Service) tenants(from, to int) {
	s.Helper()
	for i := from; i < to; i++ {
		s.get("/tenants", fmt.Sprintf("tenant-%02d", i))
	}
}

// routes sends a request to every other route, of no tenant.
func (s *f23Service) routes() {
	s.Helper()
	for i := range f23Routes {
		s.get(fmt.Sprintf("/route-%d/7", i), "")
	}
}

// wantLines wants so many lines of the log to name each of the histograms, and no others about cardinality; the
// last ones say how many series are used and which attribute it is.
func (s *f23Service) wantLines(n int, last string) {
	s.Helper()
	var lines []string
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "cardinality") {
			lines = append(lines, line)
		}
	}
	if len(lines) != n*len(f23Histograms) {
		s.Errorf("%d lines, want %d about each of %v:\n%s", len(lines), n, f23Histograms, strings.Join(lines, ""))
		return
	}
	for _, name := range f23Histograms {
		about := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !strings.Contains(line, name+": ") })
		if len(about) != n {
			s.Errorf("%d lines name %s, want %d:\n%s", len(about), name, n, strings.Join(lines, ""))
		} else if n > 0 && !strings.Contains(strings.ReplaceAll(about[n-1], `\"`, `"`), last) {
			s.Errorf("the log says of %s %s, want %s", name, about[n-1], last)
		}
	}
}

// wantSamples wants each line of page that begins with name and has the label to end with value, and so many of
// them.
func (s *f23Service) wantSamples(page string, n int, name, label, value string) {
	s.Helper()
	found := 0
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, name+"{") && strings.Contains(line, label) {
			found++
			if !strings.HasSuffix(line, "} "+value+"\n") {
				s.Errorf("the page has %s, want the value %s", line, value)
			}
		}
	}
	if found != n {
		s.Errorf("the page has %s{…%s…} %d times, want %d:\n%s", name, label, found, n, page)
	}
}

// wantUsage wants a page to show how many of their series the histograms use.
func (s *f23Service) wantUsage(page, used string) {
	s.Helper()
	s.wantSamples(page, len(f23Histograms), "duotel_cardinality_used", "instrument=", used)
	s.wantSamples(page, len(f23Histograms), "duotel_cardinality_limit", "instrument=", fmt.Sprint(f23Limit))
	for _, name := range f23Histograms {
		s.wantSamples(page, 1, "duotel_cardinality_used", fmt.Sprintf("instrument=%q", name), used)
	}
}

// TestF23OverHTTP has tenants use up the series of the HTTP metrics, which the declared routes have their share
// of before. A page shows the usage of the collection before it.
func TestF23OverHTTP(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP1": false, "HTTP2": true} {
		t.Run(name, func(t *testing.T) {
			s := newF23Service(t, http2)
			s.routes()
			s.tenants(0, 10)
			s.get("/metrics", "")
			s.wantLines(0, "")
			if page := s.get("/metrics", ""); strings.Contains(page, "duotel_cardinality_used{") {
				t.Errorf("usage is shown below 80 %%:\n%s", page)
			}

			s.tenants(10, 11)
			s.get("/metrics", "")
			near := `16 of 20 series are used; the attribute with the most values is "tenant": 11, such as "tenant-00", "tenant-01", "tenant-02"`
			s.wantLines(1, near)
			s.wantUsage(s.get("/metrics", ""), "16")
			s.wantLines(1, near)

			s.tenants(11, 40)
			s.get("/metrics", "")
			full := `20 of 20 series are used, and new ones fold into the overflow series; the attribute with the most values is "tenant": 14, such as "tenant-00"`
			s.wantLines(2, full)
			s.tenants(40, 60)
			s.routes()
			page := s.get("/metrics", "")
			s.wantUsage(page, "20")
			s.wantLines(2, full)

			s.wantSamples(page, f23Routes, "http_server_request_duration_seconds_count", `http_route="/route-`, "2")
			s.wantSamples(page, 14, "http_server_request_duration_seconds_count", `tenant="`, "1")
			s.wantSamples(page, 1, "http_server_request_duration_seconds_count", `otel_metric_overflow="true"`, "46")
		})
	}
}
