package dashboards

import (
	"fmt"

	"github.com/grafana/grafana-foundation-sdk/go/bargauge"
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/heatmap"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// size is how wide and high a panel is.
func (c panel) size() (width, height uint32) {
	width, height = 12, 8
	if c.draw == number {
		width, height = 4, 4
	}
	if c.width > 0 {
		width = c.width
	}
	return width, height
}

// render returns the panel as Grafana has it.
func (c panel) render(o Options, at dashboard.GridPos) (dashboard.Panel, error) {
	out, err := c.visualization().Build()
	if err != nil {
		return dashboard.Panel{}, fmt.Errorf("panel %d %q: %w", c.id, c.title, err)
	}
	out.RepeatDirection, out.Transparent = nil, nil // defaults that say nothing
	out.Id, out.PluginVersion = ptr(c.id), ptr(pluginVersion)
	out.Title, out.Description = ptr(c.title), ptr(c.about)
	out.Datasource, out.GridPos, out.Links = source(), &at, c.links(o)
	for _, t := range c.targets() {
		out.Targets = append(out.Targets, *t)
	}
	if out.FieldConfig == nil {
		out.FieldConfig = dashboard.NewFieldConfigSource()
	}
	defaults := &out.FieldConfig.Defaults
	defaults.Unit = ptr(string(c.unit))
	defaults.Thresholds = &dashboard.ThresholdsConfig{Mode: dashboard.ThresholdsModeAbsolute, Steps: c.steps()}
	return out, nil
}

// steps are the colours of values. Without limits nothing is good or bad.
func (c panel) steps() []dashboard.Threshold {
	if len(c.limits) == 0 {
		return []dashboard.Threshold{{Color: "text"}}
	}
	var out []dashboard.Threshold
	for i, l := range c.limits {
		step := dashboard.Threshold{Color: l.color}
		if i > 0 {
			step.Value = ptr(l.from)
		}
		out = append(out, step)
	}
	return out
}

// visualization is how the panel looks.
func (c panel) visualization() cog.Builder[dashboard.Panel] {
	latest := common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})
	switch c.draw {
	case number:
		return stat.NewPanelBuilder().ReduceOptions(latest).Orientation(common.VizOrientationAuto).GraphMode(common.BigValueGraphModeArea)
	case bars:
		return bargauge.NewPanelBuilder().ReduceOptions(latest).
			Orientation(common.VizOrientationHorizontal).DisplayMode(common.BarGaugeDisplayModeBasic)
	case heat:
		return heatmap.NewPanelBuilder().
			YAxis(heatmap.NewYAxisConfigBuilder().Unit(string(c.unit))).
			Tooltip(heatmap.NewHeatmapTooltipBuilder().Mode(common.TooltipDisplayModeSingle).YHistogram(true))
	default:
		return c.graph()
	}
}

// graph draws lines over time. A limit is a dashed line, so that one sees how far away it is.
func (c panel) graph() cog.Builder[dashboard.Panel] {
	g := timeseries.NewPanelBuilder().
		LineWidth(1).FillOpacity(8).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeTable).
			Placement(common.LegendPlacementBottom).Calcs([]string{"mean", "max", "lastNotNull"})).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if c.draw == stacked {
		g.FillOpacity(25).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal).Group("A"))
	}
	if len(c.limits) == 0 || c.limits[0].color == "green" {
		g.AxisSoftMin(0) // how far a value is from nothing; where high is good, what matters is how far it is from the objective
	}
	if len(c.limits) > 0 {
		g.ThresholdsStyle(common.NewGraphThresholdsStyleConfigBuilder().Mode(common.GraphThresholdsStyleModeDashed))
	}
	return g
}
