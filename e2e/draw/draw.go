// Package draw draws the data of a dashboard as a picture. It is not Grafana's look: it shows, for the documents, the
// numbers that people will see, from a real Prometheus.
package draw

import (
	"fmt"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/palette"
	"gonum.org/v1/plot/palette/moreland"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	vgdraw "gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/duotel/duotel/e2e/grafana"
	"github.com/duotel/duotel/e2e/servers"
)

// Panel is a panel with what its queries returned, in their order.
type Panel struct {
	grafana.Panel
	Lines [][]servers.Line
}

// The measures of a picture, in points.
const (
	column     = 50 // the width of one of Grafana's 24 columns
	row        = 26 // the height of one of its rows
	maxLegend  = 6
	nameLength = 34
)

// Dashboard draws panels where the dashboard has them, and writes a PNG.
func Dashboard(file string, panels []Panel) error {
	height := 0
	for _, p := range panels {
		height = max(height, p.Y+p.H)
	}
	if height == 0 {
		return fmt.Errorf("%s: no panels", file)
	}
	img := vgimg.NewWith(vgimg.UseWH(24*column, vg.Length(height)*row), vgimg.UseDPI(72))
	page := vgdraw.New(img)
	page.FillPolygon(color.White, []vg.Point{page.Min, {X: page.Max.X, Y: page.Min.Y}, page.Max, {X: page.Min.X, Y: page.Max.Y}})
	for _, p := range panels {
		place := vgdraw.Canvas{Canvas: page.Canvas, Rectangle: vg.Rectangle{
			Min: vg.Point{X: vg.Length(p.X)*column + 4, Y: vg.Length(height-p.Y-p.H)*row + 4},
			Max: vg.Point{X: vg.Length(p.X+p.W)*column - 4, Y: vg.Length(height-p.Y)*row - 4},
		}}
		if err := p.draw(place); err != nil {
			return fmt.Errorf("%s: %s: %w", file, p.Title, err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: img}).WriteTo(out); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// named is a line with the name that the legend shows.
type named struct {
	name string
	servers.Line
}

func (p Panel) lines() (out []named) {
	for i, q := range p.Queries {
		for _, l := range p.Lines[i] {
			if len(l.Points) > 0 {
				out = append(out, named{legend(q.Legend, l.Labels), l})
			}
		}
	}
	// The largest first: those are the ones that the legend names.
	sort.SliceStable(out, func(i, j int) bool { return last(out[i]) > last(out[j]) })
	return out
}

func last(l named) float64 { return l.Points[len(l.Points)-1].Value }

// legend fills the labels into Grafana's legend.
func legend(format string, labels map[string]string) string {
	name := format
	if format == "" || format == "__auto" {
		var parts []string
		for k, v := range labels {
			if k != "__name__" {
				parts = append(parts, k+"="+v)
			}
		}
		slices.Sort(parts)
		name = strings.Join(parts, " ")
	}
	for k, v := range labels {
		name = strings.ReplaceAll(strings.ReplaceAll(name, "{{"+k+"}}", v), "{{ "+k+" }}", v)
	}
	if len(name) > nameLength {
		name = name[:nameLength-1] + "…"
	}
	return name
}

func (p Panel) draw(c vgdraw.Canvas) error {
	switch {
	case p.Type == "heatmap":
		return p.heat(c)
	case p.Type == "stat" || p.Type == "gauge" || p.Type == "table" || p.Type == "bargauge":
		return p.words(c)
	default:
		return p.chart(c)
	}
}

// frame draws the border and the title, and returns what is left.
func (p Panel) frame(c vgdraw.Canvas) vgdraw.Canvas {
	c.StrokeLines(vgdraw.LineStyle{Color: color.Gray{200}, Width: 0.5}, []vg.Point{
		c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}, c.Min,
	})
	c.FillText(style(9, color.Black), vg.Point{X: c.Min.X + 5, Y: c.Max.Y - 13}, p.Title)
	return vgdraw.Crop(c, 4, -4, 4, -18)
}

func style(size vg.Length, c color.Color) text.Style {
	return text.Style{Color: c, Font: font.From(plot.DefaultFont, size), Handler: plot.DefaultTextHandler}
}

func (p Panel) chart(c vgdraw.Canvas) error {
	c = p.frame(c)
	lines := p.lines()
	if len(lines) == 0 {
		return p.say(c, "no data")
	}
	chart := plot.New()
	chart.X.Tick.Marker = plot.TimeTicks{Format: "15:04:05"}
	chart.Y.Tick.Marker = ticks{p.Unit}
	chart.Y.Min = 0
	for _, axis := range []*plot.Axis{&chart.X, &chart.Y} {
		axis.Tick.Label.Font.Size = 6
	}
	chart.Legend.TextStyle.Font.Size = 6
	chart.Legend.Top, chart.Legend.Left = true, true
	chart.Add(plotter.NewGrid())
	colors := palette.Rainbow(max(len(lines), 2), palette.Blue, palette.Red, 0.9, 0.75, 1).Colors()
	for i, l := range lines {
		line, err := plotter.NewLine(points(l.Points))
		if err != nil {
			continue // not a number anywhere
		}
		line.Color, line.Width = colors[i], 1
		chart.Add(line)
		if i < maxLegend {
			chart.Legend.Add(l.name, line)
		}
	}
	if len(lines) > maxLegend {
		chart.Legend.Add(fmt.Sprintf("and %d more", len(lines)-maxLegend))
	}
	if chart.Y.Max <= chart.Y.Min || math.IsInf(chart.Y.Max, 0) {
		chart.Y.Max = chart.Y.Min + 1
	}
	chart.Draw(c)
	return nil
}

func points(of []servers.Point) plotter.XYs {
	var out plotter.XYs
	for _, p := range of {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			out = append(out, plotter.XY{X: float64(p.Time.UnixMilli()) / 1000, Y: p.Value})
		}
	}
	return out
}

// words draws the latest values as text.
func (p Panel) words(c vgdraw.Canvas) error {
	c = p.frame(c)
	lines := p.lines()
	if len(lines) == 0 {
		return p.say(c, "no data")
	}
	if len(lines) == 1 && p.Type != "table" {
		size := min(26, (c.Max.Y-c.Min.Y)*0.5)
		c.FillText(style(size, color.NRGBA{20, 90, 50, 255}), vg.Point{X: c.Min.X + 6, Y: (c.Min.Y+c.Max.Y)/2 - size/3}, number(last(lines[0]), p.Unit))
		return nil
	}
	y := c.Max.Y - 10
	for _, l := range lines {
		if y < c.Min.Y {
			break
		}
		c.FillText(style(7, color.Black), vg.Point{X: c.Min.X + 4, Y: y}, l.name+"   "+number(last(l), p.Unit))
		y -= 10
	}
	return nil
}

func (p Panel) say(c vgdraw.Canvas, words string) error {
	c.FillText(style(10, color.Gray{120}), vg.Point{X: c.Min.X + 6, Y: (c.Min.Y + c.Max.Y) / 2}, words)
	return nil
}

// grid is the data of a heat map: the observations per second of each bucket at each time.
type grid struct {
	times  []time.Time
	bounds []float64
	values [][]float64 // by bound, then by time
}

func (g grid) Dims() (c, r int) { return len(g.times), len(g.bounds) }

func (g grid) Z(c, r int) float64 { return g.values[r][c] }

func (g grid) X(c int) float64 { return float64(g.times[c].UnixMilli()) / 1000 }

func (g grid) Y(r int) float64 { return float64(r) }

// buckets reads the cumulative classic buckets of the first query, by le.
func (p Panel) buckets() (g grid) {
	rows := map[float64]map[time.Time]float64{}
	for _, l := range p.Lines[0] {
		bound, err := strconv.ParseFloat(l.Labels["le"], 64)
		if err != nil {
			continue
		}
		rows[bound] = map[time.Time]float64{}
		for _, v := range l.Points {
			rows[bound][v.Time] = v.Value
		}
		if len(l.Points) > len(g.times) {
			g.times = nil
			for _, v := range l.Points {
				g.times = append(g.times, v.Time)
			}
		}
	}
	for b := range rows {
		g.bounds = append(g.bounds, b)
	}
	slices.Sort(g.bounds)
	for i, b := range g.bounds {
		values := make([]float64, len(g.times))
		for j, at := range g.times {
			values[j] = rows[b][at]
			if i > 0 {
				values[j] -= rows[g.bounds[i-1]][at]
			}
		}
		g.values = append(g.values, values)
	}
	return g
}

func (p Panel) heat(c vgdraw.Canvas) error {
	g := p.buckets()
	c = p.frame(c)
	if len(g.times) < 2 || len(g.bounds) < 2 {
		return p.say(c, "native histogram, or no data")
	}
	chart := plot.New()
	chart.X.Tick.Marker = plot.TimeTicks{Format: "15:04:05"}
	chart.Y.Tick.Marker = bounds{g.bounds, p.Unit}
	for _, axis := range []*plot.Axis{&chart.X, &chart.Y} {
		axis.Tick.Label.Font.Size = 6
	}
	colors := moreland.ExtendedBlackBody()
	colors.SetMax(1)
	colors.SetMin(0)
	heat := plotter.NewHeatMap(g, colors.Palette(64))
	if heat.Min == heat.Max {
		heat.Max = heat.Min + 1
	}
	chart.Add(heat)
	chart.Draw(c)
	return nil
}

// bounds are ticks at the buckets.
type bounds struct {
	of   []float64
	unit string
}

// Ticks implements plot.Ticker.
func (b bounds) Ticks(_, _ float64) (out []plot.Tick) {
	for i, bound := range b.of {
		tick := plot.Tick{Value: float64(i)}
		if i%2 == 0 || len(b.of) < 10 {
			tick.Label = number(bound, b.unit)
		}
		out = append(out, tick)
	}
	return out
}

// ticks are the usual ones, in the panel's unit.
type ticks struct{ unit string }

// Ticks implements plot.Ticker.
func (t ticks) Ticks(low, high float64) []plot.Tick {
	out := plot.DefaultTicks{}.Ticks(low, high)
	for i := range out {
		if out[i].Label != "" {
			out[i].Label = number(out[i].Value, t.unit)
		}
	}
	return out
}

// number writes a value in the words of Grafana's units, as far as the dashboards use them.
func number(v float64, unit string) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return fmt.Sprint(v)
	}
	short := func(v float64, base float64, suffixes ...string) string {
		i := 0
		for math.Abs(v) >= base && i < len(suffixes)-1 {
			v /= base
			i++
		}
		return strconv.FormatFloat(v, 'g', 3, 64) + suffixes[i]
	}
	switch unit {
	case "percentunit":
		return short(100*v, 1e9, " %")
	case "s", "dtdurations":
		switch a := math.Abs(v); {
		case a >= 3600:
			return short(v/3600, 1e9, " h")
		case a >= 1 || a == 0:
			return short(v, 1e9, " s")
		case a >= 1e-3:
			return short(1e3*v, 1e9, " ms")
		default:
			return short(1e6*v, 1e9, " µs")
		}
	case "bytes", "decbytes":
		return short(v, 1024, " B", " KiB", " MiB", " GiB")
	case "Bps", "binBps":
		return short(v, 1024, " B/s", " KiB/s", " MiB/s")
	case "reqps":
		return short(v, 1000, " req/s", "K req/s")
	default:
		return short(v, 1000, "", "K", "M", "G")
	}
}
