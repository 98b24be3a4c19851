package names

import (
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

func mustNew(t *testing.T, o Options) Names {
	t.Helper()
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestNames holds the names to those that docs/metrics.md and docs/http.md list.
func TestNames(t *testing.T) {
	semconv, classic := mustNew(t, Options{}), mustNew(t, Options{HTTP: Classic, Namespace: "shop", Subsystem: "web"})
	for _, c := range []struct{ got, want string }{
		{semconv.HTTPServer().Duration.Name, "http_server_request_duration_seconds"},
		{semconv.HTTPServer().Active.Name, "http_server_active_requests"},
		{semconv.HTTPServer().RequestSize().Name, "http_server_request_body_size_bytes"},
		{semconv.HTTPServer().ResponseSize().Name, "http_server_response_body_size_bytes"},
		{semconv.HistogramOf("http.client.request.duration", "s").Name, "http_client_request_duration_seconds"},
		{classic.HTTPServer().Duration.Name, "shop_web_http_request_duration_seconds"},
		{classic.HTTPServer().Active.Name, "shop_web_http_requests_inprogress"},
		{classic.HTTPServer().requests.Name, "shop_web_http_requests_total"},
		{classic.HTTPServer().RequestSize().Name, "shop_web_http_request_size_bytes"},
		{classic.HTTPServer().ResponseSize().Name, "shop_web_http_response_size_bytes"},
		{classic.Own("duotel.push.failures", "{push}", Counter), "duotel_push_failures_total"},
		{classic.Own("duotel.push.last_success.timestamp", "s", Gauge), "duotel_push_last_success_timestamp_seconds"},
		{Label("http.route"), "http_route"},
	} {
		if c.got != c.want {
			t.Errorf("%s; want %s", c.got, c.want)
		}
	}
}

// TestExpressions shows that everything that can be asked parses, in each vocabulary and kind of histogram, and
// that no two kinds are asked the same where they are stored differently.
func TestExpressions(t *testing.T) {
	seen := map[string]string{}
	for _, o := range []Options{{}, {Native: true}, {HTTP: Classic}, {HTTP: Classic, Native: true}} {
		h := mustNew(t, o).HTTPServer().Where(`job="shop"`)
		for name, expr := range map[string]string{
			"requests": h.Requests("5m", h.Route), "failed": h.Failed("5m"), "status": h.ByStatus("4..", "5m", h.Method),
			"quantile": h.Duration.Quantile(0.99, "5m", h.Route), "within": h.Duration.Within(0.3, "5m"), "whole": h.Duration.Within(1, "5m", h.Route),
			"mean": h.Duration.Mean("5m"), "buckets": h.Duration.Buckets("5m"), "active": Sum(h.Active.String()),
			"size":  h.ResponseSize().Sum("5m", h.Route),
			"ratio": Ratio(h.Failed("5m", h.Route), h.Requests("5m", h.Route), h.Route), "ratio of all": Ratio(h.Failed("5m"), h.Requests("5m")),
		} {
			if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
				t.Errorf("%+v: %s: %s: %v", o, name, expr, err)
			}
			if !strings.Contains(expr, `job="shop"`) {
				t.Errorf("%+v: %s: %s asks for every job", o, name, expr)
			}
			if name == "quantile" {
				if with, ok := seen[expr]; ok {
					t.Errorf("%+v asks as %s: %s", o, with, expr)
				}
				seen[expr] = "another"
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want []string
	}{
		{Options{HTTP: "old"}, []string{`"old"`, "semconv", "classic"}},
		{Options{Namespace: "my-shop"}, []string{`"my-shop"`, "letters"}},
		{Options{Subsystem: "1st"}, []string{`"1st"`, "digit"}},
	} {
		_, err := New(c.o)
		for _, w := range c.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%+v: error %v; want one that says %s", c.o, err, w)
			}
		}
	}
}

func TestDurationBounds(t *testing.T) {
	got := mustNew(t, Options{HTTP: Classic, Bounds: []float64{0.4, 1}}).DurationBounds()
	want := []float64{0.05, 0.1, 0.3, 0.4, 1, 3, 5}
	if len(got) != len(want) {
		t.Fatalf("bounds %v; want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("bounds %v; want %v", got, want)
		}
	}
}
