package axiom_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/duotel/duotel/cmd/duotel/internal/axiom"
)

// fields are those of the published schema, required ones with a star. A field that is not here is refused by Axiom.
var fields = map[string][]string{
	"dashboard":  {"name*", "owner*", "description", "charts*", "layout*", "refreshTime*", "schemaVersion*", "against", "againstTimestamp", "timeWindowStart*", "timeWindowEnd*", "uid"},
	"TimeSeries": {"id*", "type*", "name", "query*"},
	"Statistic":  {"id*", "type*", "name", "query*", "colorScheme", "customUnits", "showChart", "hideValue", "errorThreshold", "errorThresholdValue", "warningThreshold", "warningThresholdValue"},
	"Note":       {"id*", "type*", "text*", "variant"},
	"query":      {"mpl*"},
	"cell":       {"i*", "x*", "y*", "w*", "h*", "minW", "minH", "maxW", "maxH", "static"},
}

type object = map[string]any

// checkFields says which fields of o the schema does not know, and which it misses.
func checkFields(kind string, o object) (all []string) {
	allowed := fields[kind]
	if allowed == nil {
		return []string{"the schema has no " + kind}
	}
	for key := range o {
		if !slices.Contains(allowed, key) && !slices.Contains(allowed, key+"*") {
			all = append(all, kind+": unknown field "+key)
		}
	}
	for _, key := range allowed {
		if key, required := strings.CutSuffix(key, "*"); required && o[key] == nil {
			all = append(all, kind+": no field "+key)
		}
	}
	return all
}

// check holds a document to the schema, and to what the schema says in words: every chart has a place, and no two share one.
func check(document []byte) (all []string) {
	var d object
	if err := json.Unmarshal(document, &d); err != nil {
		return []string{err.Error()}
	}
	all = checkFields("dashboard", d)
	wrong := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if name, _ := d["name"].(string); utf8.RuneCountInString(name) > 100 || !strings.HasSuffix(name, "(preview)") {
		wrong("the name is %q", name)
	}
	if d["schemaVersion"] != 2.0 || !slices.Contains([]any{15.0, 60.0, 300.0}, d["refreshTime"]) {
		wrong("schemaVersion %v, refreshTime %v", d["schemaVersion"], d["refreshTime"])
	}
	if start, _ := d["timeWindowStart"].(string); !regexp.MustCompile(`^qr-now-[0-9]+[smhdw]$`).MatchString(start) || d["timeWindowEnd"] != "qr-now" {
		wrong("from %v to %v", d["timeWindowStart"], d["timeWindowEnd"])
	}
	ids := map[string]int{}
	for _, c := range d["charts"].([]any) {
		c := c.(object)
		id, _ := c["id"].(string)
		ids[id]++
		for _, finding := range checkChart(c) {
			wrong("chart %s: %s", id, finding)
		}
	}
	taken := map[[2]int]string{}
	for _, l := range d["layout"].([]any) {
		l := l.(object)
		all = append(all, checkFields("cell", l)...)
		i := l["i"].(string)
		ids[i]--
		x, y, w, h := int(l["x"].(float64)), int(l["y"].(float64)), int(l["w"].(float64)), int(l["h"].(float64))
		if x < 0 || w < 1 || x+w > 12 || h < 1 || h > 100 {
			wrong("cell %s is at %d,%d, %d wide and %d high", i, x, y, w, h)
		}
		for at := range w * h {
			place := [2]int{x + at%w, y + at/w}
			if other := taken[place]; other != "" {
				wrong("cell %s is where %s is", i, other)
				break
			}
			taken[place] = i
		}
	}
	for id, n := range ids {
		if n != 0 || id == "" {
			wrong("chart %q: it is not once in charts and once in layout", id)
		}
	}
	return all
}

func checkChart(c object) (all []string) {
	kind, _ := c["type"].(string)
	all = checkFields(kind, c)
	if kind == "Note" {
		return all
	}
	q, _ := c["query"].(object)
	all = append(all, checkFields("query", q)...)
	mpl, _ := q["mpl"].(string)
	if _, err := parseMPL(mpl); err != nil {
		all = append(all, fmt.Sprintf("%v: %s", err, mpl))
	}
	if bound, has := c["errorThresholdValue"]; has {
		if _, isText := bound.(string); !isText || c["errorThreshold"] != "Above" {
			all = append(all, fmt.Sprintf("the threshold is %v %v", c["errorThreshold"], bound))
		}
	}
	return all
}

var odd = axiom.Options{Service: "a `b` \"c\" ${d} \\", Dataset: "my `set`", Temporality: "delta", HTTPNames: "both"}

func TestDashboard(t *testing.T) {
	for name, o := range map[string]axiom.Options{
		"cumulative": {Service: "shop", Dataset: "my-metrics"},
		"delta":      {Service: "shop", Dataset: "my-metrics", Temporality: "delta"},
		"odd":        odd,
		"long":       {Service: strings.Repeat("é", 200), Dataset: "d"},
	} {
		panels := append(axiom.Service(axiom.Objective{0.99, 0.3}, axiom.Objective{0.999, 1}),
			axiom.Instrument("jobs.done", "counter", "{job}", "queue", "out come"),
			axiom.Instrument("jobs/duration", "histogram", "s", "queue"),
			axiom.Instrument("jobs.waiting", "updowncounter", "{job}"))
		first, err := axiom.Render(o, panels)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, finding := range check(first) {
			t.Errorf("%s: %s", name, finding)
		}
		second, err := axiom.Render(o, panels)
		if err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s: a second time it is another dashboard: %v", name, err)
		}
	}
}

// TestChecksFind is here so that the test above can be believed.
func TestChecksFind(t *testing.T) {
	good, err := axiom.Render(axiom.Options{Service: "shop", Dataset: "d"}, axiom.Service())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{`"charts"`, `"chart"`, ""},
		{`"refreshTime": 60`, `"refreshTime": 30`, "refreshTime 30"},
		{`"owner"`, `"$schema": "", "owner"`, "unknown field $schema"},
		{`"query"`, `"datasetId": "d", "query"`, "unknown field datasetId"},
		{`"mpl"`, `"apl"`, "query: no field mpl"},
		{`"id": "p99"`, `"id": "p98"`, `chart "p98"`},
		{`"type": "TimeSeries"`, `"type": "Lines"`, "the schema has no Lines"},
		{`"x": 3`, `"x": 0`, "is where p99 is"},
		{`"x": 9`, `"x": 10`, "is at 10,"},
		{"| bucket using", "| buckets using", `"buckets" is none of`},
		{"interpolate_cumulative_histogram(increase", "interpolate_cumulative_histogram(sum", `"sum" is none of`},
		{"prom::rate", "rate", `"rate" is none of`},
		{"`service.name` ==", "`service.name` =~", "no token"},
	} {
		broken := strings.Replace(string(good), c.old, c.new, 1)
		if broken == string(good) {
			t.Fatalf("the dashboard has no %s", c.old)
		}
		func() {
			defer func() {
				if r := recover(); r != nil && c.want != "" {
					t.Errorf("%s: %v", c.new, r)
				}
			}()
			if all := strings.Join(check([]byte(broken)), "\n"); !strings.Contains(all, c.want) || all == "" {
				t.Errorf("%s is not found, but: %s", c.new, all)
			}
		}()
	}
}

// TestQueries has one query of each kind, as Axiom's documentation writes it.
func TestQueries(t *testing.T) {
	for _, c := range []struct {
		options axiom.Options
		panel   axiom.Panel
		want    string
	}{
		{
			axiom.Options{},
			axiom.Panel{Draw: axiom.TimeSeries, Ask: axiom.Rate, Instrument: "jobs", By: []string{"queue", "k8s.pod.name"}},
			"`d`:`jobs`\n| where `service.name` == \"shop\"\n| align to 5m using prom::rate\n| group by `queue`, `k8s.pod.name` using sum",
		},
		{
			axiom.Options{Temporality: "delta"},
			axiom.Panel{Draw: axiom.TimeSeries, Ask: axiom.Rate, Instrument: "jobs"},
			"`d`:`jobs`\n| where `service.name` == \"shop\"\n| align to 5m using sum\n| group using sum\n| map / 300",
		},
		{
			axiom.Options{},
			axiom.Panel{Draw: axiom.TimeSeries, Ask: axiom.Quantiles, Quantiles: []float64{0.5, 0.999}, Instrument: "h", Unit: "s"},
			"set custom_unit = \"s\";\n`d`:`h`\n| where `service.name` == \"shop\"\n| bucket to 5m using interpolate_cumulative_histogram(rate, 0.5, 0.999)",
		},
		{
			axiom.Options{Temporality: "delta"},
			axiom.Panel{Draw: axiom.TimeSeries, Ask: axiom.Count, Instrument: "h", By: []string{"r"}},
			"`d`:`h`\n| where `service.name` == \"shop\"\n| bucket by `r` to 5m using interpolate_delta_histogram(count)\n| map / 300",
		},
		{
			axiom.Options{},
			axiom.Panel{Draw: axiom.Statistic, Ask: axiom.Count, Instrument: "h", Where: []axiom.Condition{{"s", ">=", 500}, {"e", "is", "string"}, {"a", "!=", "${b}"}}},
			"`d`:`h`\n| where `service.name` == \"shop\"\n| where `s` >= 500\n| where `e` is string\n| where `a` != \"\\${b}\"\n| bucket using interpolate_cumulative_histogram(increase, count)",
		},
		{
			axiom.Options{},
			axiom.Panel{Draw: axiom.Statistic, Ask: axiom.Value, Instrument: "g", Over: "max"},
			"`d`:`g`\n| where `service.name` == \"shop\"\n| align using last\n| group using max",
		},
	} {
		c.options.Service, c.options.Dataset = "shop", "d"
		c.panel.ID, c.panel.Title = "p", "P"
		out, err := axiom.Render(c.options, []axiom.Panel{c.panel})
		if err != nil {
			t.Fatal(err)
		}
		var d struct {
			Charts []struct{ Query struct{ MPL string } }
		}
		if err := json.Unmarshal(out, &d); err != nil || d.Charts[1].Query.MPL != c.want {
			t.Errorf("%v\n%s\nis not\n%s", err, d.Charts[1].Query.MPL, c.want)
		}
	}
}

// TestInstrumentsExist compares the panels of every service with docs/metrics.md.
func TestInstrumentsExist(t *testing.T) {
	documented, err := os.ReadFile("../../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z][a-z0-9_.]+)`").FindAllStringSubmatch(string(documented), -1) {
		known[m[1]] = true
	}
	out, err := axiom.Render(axiom.Options{Service: "shop", Dataset: "d"}, axiom.Service())
	if err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`"mpl": (".*")`).FindAllStringSubmatch(string(out), -1) {
		var mpl string
		if err := json.Unmarshal([]byte(m[1]), &mpl); err != nil {
			t.Fatal(err)
		}
		g, err := parseMPL(mpl)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range g.names[1:] {
			asked[n] = true
		}
	}
	for _, n := range slices.Sorted(maps.Keys(asked)) {
		if !known[n] {
			t.Errorf("docs/metrics.md knows no %s", n)
		}
	}
	if len(asked) < 15 {
		t.Errorf("the panels ask for %d instruments and attributes only", len(asked))
	}
}

func TestRenderRefuses(t *testing.T) {
	good := axiom.Panel{ID: "p", Title: "P", Draw: axiom.TimeSeries, Instrument: "i", Ask: axiom.Value}
	with := func(change func(*axiom.Panel)) []axiom.Panel {
		p := good
		change(&p)
		return []axiom.Panel{p}
	}
	fine := axiom.Options{Service: "s", Dataset: "d"}
	for _, c := range []struct {
		options axiom.Options
		panels  []axiom.Panel
		want    []string
	}{
		{axiom.Options{Dataset: "d"}, []axiom.Panel{good}, []string{`service=""`}},
		{axiom.Options{Service: "s"}, []axiom.Panel{good}, []string{`dataset=""`, "X-Axiom-Metrics-Dataset"}},
		{axiom.Options{Service: "s", Dataset: "d", Temporality: "lowmemory"}, []axiom.Panel{good}, []string{`temporality="lowmemory"`, `"delta"`}},
		{axiom.Options{Service: "s", Dataset: "d", HTTPNames: "classic"}, []axiom.Panel{good}, []string{`names="classic"`, `"both"`}},
		{axiom.Options{Service: "s", Temporality: "x"}, []axiom.Panel{good}, []string{`dataset=""`, `temporality="x"`}},
		{fine, nil, []string{`panels="0"`, "1 to 199"}},
		{fine, slices.Repeat([]axiom.Panel{good}, 200), []string{`panels="200"`, "1 to 199"}},
		{fine, []axiom.Panel{good, good}, []string{`panel="p"`, "taken"}},
		{fine, with(func(p *axiom.Panel) { p.ID = "note" }), []string{`panel="note"`, "not note"}},
		{fine, with(func(p *axiom.Panel) { p.ID = "a b" }), []string{`panel="a b"`, "letters"}},
		{fine, with(func(p *axiom.Panel) { p.Title = "" }), []string{`panel="p"`, `title ""`}},
		{fine, with(func(p *axiom.Panel) { p.Instrument = "" }), []string{`panel="p"`, "no instrument"}},
		{fine, with(func(p *axiom.Panel) { p.Draw = "Pie" }), []string{`draw "Pie"`, `"Statistic"`}},
		{fine, with(func(p *axiom.Panel) { p.Ask = "mean" }), []string{`ask "mean"`, `"quantiles"`}},
		{fine, with(func(p *axiom.Panel) { p.Ask = axiom.Quantiles }), []string{"quantiles []"}},
		{fine, with(func(p *axiom.Panel) { p.Quantiles = []float64{0.5} }), []string{"quantiles [0.5]"}},
		{fine, with(func(p *axiom.Panel) { p.Ask, p.Quantiles = axiom.Quantiles, []float64{99} }), []string{"quantiles [99]", "between 0 and 1"}},
		{fine, with(func(p *axiom.Panel) { p.Ask, p.Draw = axiom.Rate, axiom.Statistic }), []string{`draw "Statistic"`, `"rate"`}},
		{fine, with(func(p *axiom.Panel) { p.Over = "median" }), []string{`over "median"`, `"max"`}},
		{fine, with(func(p *axiom.Panel) { p.Above = "1" }), []string{`above "1"`, "Statistic"}},
		{fine, with(func(p *axiom.Panel) { p.Draw, p.Above = axiom.Statistic, "much" }), []string{`above "much"`, "a number"}},
		{fine, with(func(p *axiom.Panel) { p.Where = []axiom.Condition{{"a", "=~", "b"}} }), []string{`"=~"`, "allowed are =="}},
		{fine, with(func(p *axiom.Panel) { p.Where = []axiom.Condition{{"a", ">=", "b"}} }), []string{`">="`, "with an int"}},
		{fine, with(func(p *axiom.Panel) { p.Where = []axiom.Condition{{"a", "is", "text"}} }), []string{`"is"`, "with a type"}},
	} {
		_, err := axiom.Render(c.options, c.panels)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: the error does not say %s: %v", c, want, err)
			}
		}
	}
}
