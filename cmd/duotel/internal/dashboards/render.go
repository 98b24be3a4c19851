package dashboards

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
)

// pluginVersion is the Grafana that the panels are written for, and whose types they are checked with
// (tools/dashboard-types). A panel without one is taken for very old, and Grafana's migrations change it.
const pluginVersion = "13.2.3"

// columns is how wide a dashboard is; rowHeight is how high a row's heading is.
const (
	columns   = 24
	rowHeight = 1
)

// ptr returns a pointer to v, which is how the SDK says that an optional field is there.
func ptr[T any](v T) *T { return &v }

// source is the data source that is chosen at the top of the dashboard.
func source() *common.DataSourceRef {
	return &common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${datasource}")}
}

// render returns the page as Grafana imports it.
func (p page) render(o Options) (Dashboard, error) {
	d := dashboard.NewDashboard()
	d.Uid, d.Title, d.Description = ptr(o.uid(p.key)), ptr(o.title(p.title)), ptr(p.about)
	d.Tags = []string{"duotel"}
	d.GraphTooltip = ptr(dashboard.DashboardCursorSyncCrosshair)
	d.Time = &dashboard.DashboardDashboardTime{From: "now-1h", To: "now"}
	d.Refresh = ptr("30s")
	d.Templating.List = p.templates(o)
	d.Links = []dashboard.DashboardLink{others()}
	out := Dashboard{File: p.key + ".json", UID: *d.Uid, Title: *d.Title}

	y := uint32(0)
	for _, r := range p.rows {
		if len(r.panels) == 0 {
			continue
		}
		d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{RowPanel: &dashboard.RowPanel{
			Type: "row", Id: r.id, Title: ptr(r.title), Panels: []dashboard.Panel{},
			GridPos: &dashboard.GridPos{X: 0, Y: y, W: columns, H: rowHeight},
		}})
		y += rowHeight
		x, high := uint32(0), uint32(0)
		for _, c := range r.panels {
			w, h := c.size()
			if x+w > columns {
				x, y, high = 0, y+high, 0
			}
			built, err := c.render(o, dashboard.GridPos{X: x, Y: y, W: w, H: h})
			if err != nil {
				return Dashboard{}, err
			}
			d.Panels = append(d.Panels, dashboard.PanelOrRowPanel{Panel: &built})
			out.Queries = append(out.Queries, c.asked(out)...)
			x, high = x+w, max(high, h)
		}
		y += high
	}

	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false) // a query is read by people, too
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return Dashboard{}, err
	}
	out.JSON = text.Bytes()
	return out, nil
}

// others leads to the other dashboards, and takes along what is chosen.
func others() dashboard.DashboardLink {
	return dashboard.DashboardLink{
		Title: "Duotel", Type: dashboard.DashboardLinkTypeDashboards, Icon: "external link", Tooltip: "The other dashboards of this service",
		Tags: []string{"duotel"}, AsDropdown: true, IncludeVars: true, KeepTime: true,
	}
}

// templates are the choices at the top. Each is looked up anew when the time range changes, because a series that has gone has its values only there.
func (p page) templates(o Options) []dashboard.VariableModel {
	list := []dashboard.VariableModel{
		{
			Type: dashboard.VariableTypeDatasource, Name: "datasource", Label: ptr("Data source"),
			Query: &dashboard.StringOrMap{String: ptr("prometheus")}, Refresh: ptr(dashboard.VariableRefreshOnDashboardLoad),
		},
		choice("job", "Job", "label_values("+p.present+", job)", o.Job),
		choice("instance", "Instance", "label_values("+p.present+`{job=~"$job"}, instance)`, ""),
	}
	for _, v := range p.variables {
		list = append(list, choice(v.name, v.label, v.query, ""))
	}
	return list
}

// choice is a variable of which several values, or all, can be chosen. All is "any value", and so needs no list of them in the query.
func choice(name, label, query, current string) dashboard.VariableModel {
	text, value := []string{"All"}, []string{"$__all"}
	if current != "" {
		text, value = []string{current}, []string{current}
	}
	return dashboard.VariableModel{
		Type: dashboard.VariableTypeQuery, Name: name, Label: ptr(label), Datasource: source(),
		Query:   &dashboard.StringOrMap{String: ptr(query)},
		Refresh: ptr(dashboard.VariableRefreshOnTimeRangeChanged), Sort: ptr(dashboard.VariableSortAlphabeticalAsc),
		Multi: ptr(true), IncludeAll: ptr(true), AllValue: ptr(".+"),
		Current: &dashboard.VariableOption{
			Text: dashboard.StringOrArrayOfString{ArrayOfString: text}, Value: dashboard.StringOrArrayOfString{ArrayOfString: value},
		},
	}
}

// links lead from a panel to the alerts that fire on it and to what to do then.
func (c panel) links(o Options) []dashboard.DashboardLink {
	var out []dashboard.DashboardLink
	link := func(title, tooltip, url string) {
		out = append(out, dashboard.DashboardLink{
			Title: title, Type: dashboard.DashboardLinkTypeLink, Icon: "external link", Tooltip: tooltip, Url: ptr(url), Tags: []string{}, TargetBlank: true,
		})
	}
	for _, a := range c.alerts {
		link("Alert "+a, "Is it firing?", "/alerting/list?search="+a)
		link("Runbook "+a, "What to do when it fires", o.Runbooks+"#"+strings.ToLower(a))
	}
	return out
}

// targets are the panel's queries.
func (c panel) targets() []*prometheus.Dataquery {
	var out []*prometheus.Dataquery
	for i, q := range c.queries {
		t := &prometheus.Dataquery{
			RefId: ptr(refID(i)), Expr: q.expr, LegendFormat: ptr(q.legend), Datasource: source(),
			EditorMode: ptr(prometheus.QueryEditorModeCode), Range: ptr(c.draw != bars), Instant: ptr(c.draw == bars), Exemplar: ptr(q.exemplars),
			Format: ptr(prometheus.PromQueryFormatTimeSeries),
		}
		if c.draw == heat {
			t.Format = ptr(prometheus.PromQueryFormatHeatmap)
		}
		out = append(out, t)
	}
	return out
}

// refID names the i-th query of a panel as Grafana does. No panel has more than 26.
func refID(i int) string { return string(rune('A' + i)) }
