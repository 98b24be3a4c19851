package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duotel/duotel/e2e/draw"
	"github.com/duotel/duotel/e2e/grafana"
	"github.com/duotel/duotel/e2e/servers"
)

// drawAll draws every dashboard of a kit from what Prometheus has since start, as the documents show it.
func drawAll(t *testing.T, p *servers.Prometheus, dir string, k kit, start time.Time) {
	t.Helper()
	all, err := grafana.Read(filepath.Join(k.dir, "dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	end := time.Now()
	for _, d := range all {
		var panels []draw.Panel
		for _, panel := range d.Panels {
			out := draw.Panel{Panel: panel}
			for _, q := range panel.Queries {
				lines, err := p.Range(k.fill(d, q.Expr), start, end, max(time.Second, end.Sub(start)/200))
				if err != nil {
					t.Fatalf("%s: %s: %v", d.Title, q.Expr, err)
				}
				out.Lines = append(out.Lines, lines)
			}
			panels = append(panels, out)
		}
		file := filepath.Join(dir, strings.TrimSuffix(d.File, ".json")+".png")
		if err := draw.Dashboard(file, panels); err != nil {
			t.Error(err)
		}
	}
}

// copyTree copies a folder of files.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
