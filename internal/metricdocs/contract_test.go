package metricdocs

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/duotel/duotel/telemetry/contract"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

var update = flag.Bool("update", false, "write the tables of docs/metrics.md anew, from docs/metrics.yaml")

const (
	contractFile = "../../docs/metrics.yaml"
	docFile      = "../../docs/metrics.md"
)

func promised(t *testing.T) *contract.Contract {
	t.Helper()
	data, err := os.ReadFile(contractFile)
	if err != nil {
		t.Fatal(err)
	}
	c, err := contract.Parse(contractFile, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTables wants the tables of metrics in docs/metrics.md to be those that the contract makes.
func TestTables(t *testing.T) {
	before, err := os.ReadFile(docFile)
	if err != nil {
		t.Fatal(err)
	}
	want, listed := tables(string(before), promised(t))
	for _, i := range promised(t).Instruments {
		if !listed[i.Name] {
			t.Errorf("%s is in no table of %s: no section is for it", i.Name, docFile)
		}
	}
	if *update {
		if err := os.WriteFile(docFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(before) != want {
		t.Errorf("the tables of %s are not what %s says: go test ./internal/metricdocs -run TestTables -update", docFile, contractFile)
	}
}

// tables returns the page with the rows of each table that begins with the column "name" made anew, and the instruments in them.
func tables(page string, c *contract.Contract) (string, map[string]bool) {
	var out strings.Builder
	listed := map[string]bool{}
	section, inside := "", false
	for line := range strings.Lines(page) {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(title)
		}
		if inside = inside && strings.HasPrefix(line, "|"); inside {
			continue // a row of before, or the line below the header
		}
		out.WriteString(line)
		if !strings.HasPrefix(line, "| name |") {
			continue
		}
		inside = true
		columns := strings.Split(strings.Trim(strings.TrimSpace(line), "| "), " | ")
		out.WriteString("|" + strings.Repeat("---|", len(columns)) + "\n")
		for _, i := range c.Instruments {
			if sectionOf(i.Name) != section {
				continue
			}
			listed[i.Name] = true
			for _, column := range columns {
				out.WriteString(strings.TrimRight("| "+cell(column, i), " ") + " ")
			}
			out.WriteString("|\n")
		}
	}
	return out.String(), listed
}

// sectionOf returns the heading under which an instrument is listed.
func sectionOf(name string) string {
	switch {
	case strings.HasPrefix(name, "http.client."):
		return "HTTP client"
	case strings.HasPrefix(name, "http."), strings.HasPrefix(name, "duotel.http."):
		return "HTTP server"
	case strings.HasPrefix(name, "go."):
		return "Runtime"
	default:
		return "Duotel itself"
	}
}

func cell(column string, i contract.Instrument) string {
	switch column {
	case "name":
		return "`" + i.Name + "`"
	case "at the pull exit":
		return "`" + i.Family() + "`"
	case "kind":
		kind := strings.ReplaceAll(string(i.Kind), "updowncounter", "up-down counter")
		if i.Description == "" {
			return kind
		}
		return kind + ", " + strings.ToLower(i.Description[:1]) + strings.TrimSuffix(i.Description[1:], ".")
	case "unit":
		return i.Unit
	case "buckets":
		var bounds []string
		for _, b := range i.Bounds {
			bounds = append(bounds, strings.Replace(strconv.FormatFloat(b, 'g', -1, 64), "e+0", "e", 1))
		}
		return strings.Join(bounds, ", ")
	case "attributes":
		var attributes []string
		for _, a := range i.Attributes {
			text := "`" + a.Name + "`"
			if len(a.Values) > 0 {
				text += ": `" + strings.Join(a.Values, "`, `") + "`"
			}
			attributes = append(attributes, text)
		}
		return strings.Join(attributes, "; ")
	default:
		return fmt.Sprintf("no column %q can be made", column)
	}
}

// checkContract wants every series that was sent to be as the contract says: kind, unit, buckets, and no attribute or value that it does not
// have. That everything in it is sent is seen by [TestMetricsDoc], because each instrument has its row there.
func checkContract(t *testing.T, sent []telemetrytest.Series) {
	t.Helper()
	c := promised(t)
	for _, s := range sent {
		at := slices.IndexFunc(c.Instruments, func(i contract.Instrument) bool { return i.Name == s.Name })
		if at < 0 {
			t.Errorf("%s is sent and not in %s", s, contractFile)
			continue
		}
		i := c.Instruments[at]
		if kind := strings.ReplaceAll(kindOf(s), "up-down counter", "updowncounter"); kind != string(i.Kind) || s.Unit != i.Unit || !slices.Equal(s.Bounds, i.Bounds) {
			t.Errorf("%s is sent as a %s in %q with the buckets %v; promised is a %s in %q with %v", s, kind, s.Unit, s.Bounds, i.Kind, i.Unit, i.Bounds)
		}
		for key, value := range s.Labels {
			k := slices.IndexFunc(i.Attributes, func(a contract.Attribute) bool { return a.Name == key })
			switch {
			case key == "otel.metric.overflow": // of every instrument that is at its limit
			case k < 0:
				t.Errorf("%s has the attribute %s, which is not in %s", s, key, contractFile)
			case len(i.Attributes[k].Values) > 0 && !slices.Contains(i.Attributes[k].Values, value):
				t.Errorf("%s: %s=%q is not one of %q in %s", s, key, value, i.Attributes[k].Values, contractFile)
			}
		}
	}
}
