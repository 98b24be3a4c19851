package dashboards

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// TestQueriesParse shows that every query is PromQL as it is sent, whatever is chosen, and that no variable is left.
func TestQueriesParse(t *testing.T) {
	for setup, o := range setups(t) {
		queries := Queries(mustDashboards(t, o))
		if len(queries) < 120 {
			t.Errorf("%s: %d queries; want those of every panel", setup, len(queries))
		}
		for _, q := range queries {
			for _, chosen := range []map[string]string{nil, {"job": "shop", "instance": `10\\.0\\.0\\.7:9464`, "slo": "a|b"}} {
				expr := q.Concrete("1m", chosen)
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(expr); err != nil {
					t.Errorf("%s: %s, %q: %s: %v", setup, q.File, q.Title, expr, err)
				}
				if strings.Contains(expr, `"$`) || strings.Contains(expr, "$__") {
					t.Errorf("%s: %s, %q: a variable is left in %s", setup, q.File, q.Title, expr)
				}
			}
		}
	}
}

// TestKinds shows that the kind of histogram and the vocabulary are decided here: no query of one asks for the series of the other.
func TestKinds(t *testing.T) {
	for setup, o := range setups(t) {
		native, classic := o.Names.Options().Native, o.Names.Options().HTTP == names.Classic
		for _, q := range Queries(mustDashboards(t, o)) {
			bucket := strings.Contains(q.Expr, "_bucket{")
			if bucket && native && !strings.Contains(q.Expr, "legacy_duration_seconds") {
				t.Errorf("%s: %s, %q: %s has classic buckets", setup, q.File, q.Title, q.Expr)
			}
			if classic && strings.Contains(q.Expr, "http_server_") && !strings.Contains(q.Expr, "duotel_http_server_") {
				t.Errorf("%s: %s, %q: %s has semantic conventions' names", setup, q.File, q.Title, q.Expr)
			}
			if !classic && regexp.MustCompile(`\bhttp_requests?_(total|duration_seconds)`).MatchString(q.Expr) {
				t.Errorf("%s: %s, %q: %s has classic names", setup, q.File, q.Title, q.Expr)
			}
		}
	}
}

// TestSelectors shows that every family that is asked for exists, and has the labels that are asked for: on the page
// of a service that is set up so, in docs/metrics.md, in the contract, or where Prometheus and Sloth make it.
func TestSelectors(t *testing.T) {
	for setup, o := range setups(t) {
		known := livePage(t, o.Names.Options())
		documented(t, known)
		elsewhere(known, o)
		for _, q := range Queries(mustDashboards(t, o)) {
			for _, wrong := range unknown(t, q.Concrete("1m", nil), known) {
				t.Errorf("%s: %s breaks %s, panel %d %q, and the alerts %q that are looked at there: %s", setup, wrong, q.File, q.Panel, q.Title, q.Alerts, q.Expr)
			}
		}
		for _, d := range mustDashboards(t, o) {
			for _, v := range decode(t, d).Templating.List {
				if match := labelValues.FindStringSubmatch(v.Query); match != nil {
					expr := concrete(fmt.Sprintf("sum by (%s) (%s)", match[2], match[1]), "1m", nil)
					for _, wrong := range unknown(t, expr, known) {
						t.Errorf("%s: %s, variable %s: %s: %s", setup, d.File, v.Name, wrong, v.Query)
					}
				}
			}
		}
	}
}

// TestUnknown shows that what does not exist is found: a family, a label that is matched, one that is added up by, one that is joined on.
func TestUnknown(t *testing.T) {
	known := vocabulary{}
	known.add("a_seconds", "code", "le=1")
	for expr, want := range map[string]string{
		`sum by (code) (rate(a_seconds_bucket{job="x",le="1"}[5m]))`: "",
		`rate(b_seconds_count[5m])`:                                  "b_seconds_count",
		`rate(a_seconds_bucket{le=~"1(\\.0)?"}[5m])`:                 "",
		`rate(a_seconds_bucket{le="0.4"}[5m])`:                       "0.4",
		`a_seconds{status="1"}`:                                      "status",
		`sum by (route) (a_seconds)`:                                 "route",
		`a_seconds / on (method) a_seconds`:                          "method",
	} {
		if got := strings.Join(unknown(t, expr, known), " "); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: finds %q; want %q", expr, got, want)
		}
	}
}

// everywhere are labels that Prometheus or a histogram adds to every series.
var everywhere = []string{model.MetricNameLabel, "job", "instance", "le"}

// unknown returns what an expression asks for that nobody has.
func unknown(t *testing.T, expr string, known vocabulary) (wrong []string) {
	t.Helper()
	e, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	walk(e, func(node parser.Node, path []parser.Node) {
		s, ok := node.(*parser.VectorSelector)
		if !ok || s.Name == "" { // the one that counts all families
			return
		}
		family := s.Name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if base, cut := strings.CutSuffix(s.Name, suffix); cut && known[family] == nil {
				family = base
			}
		}
		if known[family] == nil {
			wrong = append(wrong, "no family "+s.Name)
			return
		}
		for _, m := range s.LabelMatchers {
			if m.Name == model.BucketLabel && !hasBound(known[family], m) {
				wrong = append(wrong, fmt.Sprintf("%s has no bucket %s", family, m))
			}
		}
		for _, l := range expected(s, path) {
			if !slices.Contains(everywhere, l) && !known[family][l] {
				wrong = append(wrong, fmt.Sprintf("%s has no label %s", family, l))
			}
		}
	})
	return wrong
}

// hasBound reports whether one of a family's bounds matches. Prometheus 3 stores whole ones with .0.
func hasBound(known map[string]bool, m *labels.Matcher) bool {
	for l := range known {
		if bound, is := strings.CutPrefix(l, "le="); is && (m.Matches(bound) || m.Matches(bound+".0")) {
			return true
		}
	}
	return false
}

// expected are the labels that an expression expects of a selector in it.
func expected(s *parser.VectorSelector, path []parser.Node) (out []string) {
	for _, m := range s.LabelMatchers {
		if m.Name != labels.MetricName {
			out = append(out, m.Name)
		}
	}
	for _, node := range path {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			if !n.Without {
				out = append(out, n.Grouping...)
			}
		case *parser.BinaryExpr:
			if n.VectorMatching != nil && n.VectorMatching.On {
				out = append(out, n.VectorMatching.MatchingLabels...)
			}
		}
	}
	return out
}

// cell is a name in a table of docs/metrics.md.
var cell = regexp.MustCompile("`([a-zA-Z_:.][a-zA-Z0-9_:.]*)`")

// documented adds Duotel's own families by the table of docs/metrics.md, because some exist only while something is wrong.
func documented(t *testing.T, known vocabulary) {
	t.Helper()
	text, err := os.ReadFile("../../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, own, found := strings.Cut(string(text), "## Duotel itself")
	own, _, end := strings.Cut(own, "\n## ")
	rows := 0
	for line := range strings.Lines(own) {
		columns := strings.Split(line, "|")
		if len(columns) < 7 || !strings.HasPrefix(strings.TrimSpace(columns[1]), "`") {
			continue
		}
		rows++
		family := cell.FindStringSubmatch(columns[2])[1]
		known.add(family)
		for _, attribute := range cell.FindAllStringSubmatch(columns[5], -1) {
			known.add(family, names.Label(attribute[1]))
		}
	}
	if !found || !end || rows < 20 {
		t.Fatalf("%d rows in docs/metrics.md, Duotel itself; the table is not where it was", rows)
	}
}

// elsewhere adds what is on no page: the contract's families, what Prometheus says about a target, and what Sloth records.
func elsewhere(known vocabulary, o Options) {
	for _, m := range o.Own {
		known.add(m.Family, m.Labels...)
		if m.Kind == Summary {
			known.add(m.Family, model.QuantileLabel)
		}
	}
	for _, name := range []string{"up", "scrape_duration_seconds", "scrape_samples_post_metric_relabeling", "scrape_series_added"} {
		known.add(name)
	}
	// As Sloth's library writes them, and the windows of 30 days.
	for _, name := range strings.Fields(`slo:objective:ratio slo:error_budget:ratio slo:time_period:days slo:current_burn_rate:ratio
		slo:period_burn_rate:ratio slo:period_error_budget_remaining:ratio slo:sli_error:ratio_rate5m slo:sli_error:ratio_rate30m
		slo:sli_error:ratio_rate1h slo:sli_error:ratio_rate2h slo:sli_error:ratio_rate6h slo:sli_error:ratio_rate1d slo:sli_error:ratio_rate3d`) {
		known.add(name, "sloth_id", "sloth_service", "sloth_slo", "job")
	}
}

// TestNumbersInLabels shows that no matcher wants a number of le or quantile as one version of Prometheus alone writes it: 1 is 1.0 since Prometheus 3.
func TestNumbersInLabels(t *testing.T) {
	whole := regexp.MustCompile(`^[0-9]+(\.0)?$`)
	for setup, o := range setups(t) {
		for _, q := range Queries(mustDashboards(t, o)) {
			e, err := parser.NewParser(parser.Options{}).ParseExpr(q.Concrete("1m", nil))
			if err != nil {
				t.Fatal(err)
			}
			walk(e, func(node parser.Node, _ []parser.Node) {
				s, ok := node.(*parser.VectorSelector)
				if !ok {
					return
				}
				for _, m := range s.LabelMatchers {
					if (m.Name == model.BucketLabel || m.Name == model.QuantileLabel) && whole.MatchString(m.Value) {
						t.Errorf("%s: %s, %q: %s has %s", setup, q.File, q.Title, q.Expr, m)
					}
				}
			})
		}
	}
}
