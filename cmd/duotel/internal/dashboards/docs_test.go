package dashboards

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/cmd/duotel/internal/names"
)

// docs is what people read about the dashboards: written by hand down to the tables, which come from the catalogue.
const (
	docs   = "../../../../docs/dashboards.md"
	tables = "\n<!-- From here on written by the test of cmd/duotel/internal/dashboards, with -update. -->\n"
)

// TestDocs holds the tables of docs/dashboards.md to the catalogue.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), tables)
	want := catalogueTables(t)
	if *update {
		if err := os.WriteFile(docs, []byte(strings.TrimRight(head, "\n")+"\n"+tables+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if rest != want {
		t.Errorf("%s does not have the catalogue's tables; -update writes them", docs)
	}
}

// catalogueTables has a table for each dashboard of a service with the defaults.
func catalogueTables(t *testing.T) string {
	t.Helper()
	o, err := Options{Names: mustNames(t, names.Options{})}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, p := range newMaker(o).pages() {
		fmt.Fprintf(&out, "\n## %s\n\n`%s.json`. %s\n\n| id | panel | | alerts |\n|---|---|---|---|\n", p.title, p.key, p.about)
		for _, r := range p.rows {
			slices.SortFunc(r.panels, func(a, b panel) int { return int(a.id) - int(b.id) })
			for _, c := range r.panels {
				var alerts []string
				for _, a := range c.alerts {
					alerts = append(alerts, fmt.Sprintf("[%s](runbooks.md#%s)", a, strings.ToLower(a)))
				}
				fmt.Fprintf(&out, "| %d | %s | %s | %s |\n", c.id, c.title, strings.ReplaceAll(c.about, "|", `\|`), strings.Join(alerts, ", "))
			}
		}
	}
	return out.String()
}
