// Package grafana reads what the tests need of a Grafana dashboard (schema v1): its panels and their queries, with the
// variables filled in as Grafana would.
package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dashboard is a dashboard file.
type Dashboard struct {
	File, UID, Title string
	Panels           []Panel
	// Variables are the names of those that a reader chooses.
	Variables []string
}

// Panel is a panel that asks something. Rows are not among them.
type Panel struct {
	ID          int
	Title, Type string
	Unit        string
	X, Y, W, H  int
	Queries     []Query
	Row         string // the title of the row that it is in
	Description string
}

// Query is one query of a panel.
type Query struct {
	RefID, Expr, Legend, Format string
	Instant                     bool
}

type file struct {
	UID        string
	Title      string
	Panels     []panel
	Templating struct{ List []struct{ Name string } }
}

type panel struct {
	ID          int
	Type, Title string
	Description string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct {
		RefID, Expr, LegendFormat, Format string
		Instant                           bool
	}
	Panels []panel
}

// Read reads every dashboard of a folder, in the order of the files' names.
func Read(dir string) ([]Dashboard, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var out []Dashboard
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f file
		if err := json.Unmarshal(data, &f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		d := Dashboard{File: filepath.Base(name), UID: f.UID, Title: f.Title}
		for _, v := range f.Templating.List {
			d.Variables = append(d.Variables, v.Name)
		}
		row := ""
		d.add(f.Panels, &row)
		out = append(out, d)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: no dashboards", dir)
	}
	return out, nil
}

// add takes panels in their order; those of a collapsed row are inside it, those of an open one follow it.
func (d *Dashboard) add(panels []panel, row *string) {
	for _, p := range panels {
		if p.Type == "row" {
			*row = p.Title
			d.add(p.Panels, row)
			continue
		}
		if len(p.Targets) == 0 {
			continue
		}
		out := Panel{
			ID: p.ID, Title: p.Title, Type: p.Type, Unit: p.FieldConfig.Defaults.Unit, Row: *row, Description: p.Description,
			X: p.GridPos.X, Y: p.GridPos.Y, W: p.GridPos.W, H: p.GridPos.H,
		}
		for _, t := range p.Targets {
			out.Queries = append(out.Queries, Query{t.RefID, t.Expr, t.LegendFormat, t.Format, t.Instant})
		}
		d.Panels = append(d.Panels, out)
	}
}

// Fill returns an expression with Grafana's variables filled in: those of the dashboard by name, and its own intervals by interval.
func Fill(expr string, variables map[string]string, interval string) string {
	for _, name := range []string{"__rate_interval", "__interval", "__range"} {
		expr = fill(expr, name, interval)
	}
	for name, value := range variables {
		expr = fill(expr, name, value)
	}
	return expr
}

func fill(expr, name, value string) string {
	return strings.NewReplacer("${"+name+":regex}", value, "${"+name+"}", value, "$"+name, value).Replace(expr)
}
