package axiom

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// The document as Axiom's API takes it, version 2: the schema is https://axiom.co/docs/schemas/dashboard.json, made
// from https://axiom.co/docs/openapi/v2.json, as both were in October 2026. It knows no other fields, and refuses those it does not know.
type document struct {
	Name            string  `json:"name"`
	Owner           string  `json:"owner"`
	Description     string  `json:"description"`
	Charts          []chart `json:"charts"`
	Layout          []cell  `json:"layout"`
	RefreshTime     int     `json:"refreshTime"` // seconds; allowed are 15, 60 and 300
	SchemaVersion   int     `json:"schemaVersion"`
	TimeWindowStart string  `json:"timeWindowStart"`
	TimeWindowEnd   string  `json:"timeWindowEnd"`
}

// chart is a TimeSeries, a Statistic or a Note. Only a Note has a text, only the others have a query, and only a
// Statistic has a threshold.
type chart struct {
	ID                  string `json:"id"`
	Type                string `json:"type"`
	Name                string `json:"name,omitempty"`
	Query               *query `json:"query,omitempty"`
	ErrorThreshold      string `json:"errorThreshold,omitempty"`
	ErrorThresholdValue string `json:"errorThresholdValue,omitempty"`
	Text                string `json:"text,omitempty"`
}

type query struct {
	MPL string `json:"mpl"`
}

// cell is where a chart stands in a grid of 12 columns. I is the chart's id.
type cell struct {
	I string `json:"i"`
	X int    `json:"x"`
	Y int    `json:"y"`
	W int    `json:"w"`
	H int    `json:"h"`
}

const (
	columns       = 12
	most          = 200                // charts
	longestName   = 100                // characters
	everybody     = "X-AXIOM-EVERYONE" // the owner of what an API token makes
	latestVersion = 2
)

// Render returns the dashboard as JSON, the same bytes for the same options and panels. Options or panels that cannot be are
// an error, which names all of them.
func Render(o Options, panels []Panel) ([]byte, error) {
	o, err := o.complete(panels)
	if err != nil {
		return nil, err
	}
	const mark = " (preview)"
	title := []rune(o.Service)
	title = title[:min(len(title), longestName-len(mark))]
	d := document{
		Name:        string(title) + mark,
		Owner:       everybody,
		Description: "Written by duotel gen. A preview: made by Axiom's published schema and language, and not tried on Axiom.",
		RefreshTime: 60, SchemaVersion: latestVersion, TimeWindowStart: "qr-now-1h", TimeWindowEnd: "qr-now",
	}
	d.place(chart{ID: "note", Type: "Note", Text: o.note()}, columns, 3)
	for _, p := range panels {
		c := chart{ID: p.ID, Type: string(p.Draw), Name: p.Title, Query: &query{MPL: o.mpl(p)}}
		width, height := columns/2, 5
		if p.Draw == Statistic {
			width, height = columns/4, 3
			if p.Above != "" {
				c.ErrorThreshold, c.ErrorThresholdValue = "Above", p.Above
			}
		}
		d.place(c, width, height)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(d)
	return out.Bytes(), err
}

// place puts a chart right of the one before, or below where there is no room or that one has another height.
func (d *document) place(c chart, width, height int) {
	at := cell{I: c.ID, W: width, H: height}
	if n := len(d.Layout); n > 0 {
		last := d.Layout[n-1]
		at.X, at.Y = last.X+last.W, last.Y
		if at.X+width > columns || last.H != height {
			at.X, at.Y = 0, last.Y+last.H
		}
	}
	d.Charts, d.Layout = append(d.Charts, c), append(d.Layout, at)
}

// note is what somebody who opens the dashboard should know of it.
func (o Options) note() string {
	return fmt.Sprintf("## %s\nWritten by `duotel gen -for axiom`; a preview. It asks dataset `%s` for `service.name` `%s`, with %s temporality. "+
		"A chart without data is one of which nothing was counted: failures are shown as a rate, because a ratio would be absent until the first one.",
		o.Service, o.Dataset, o.Service, o.Temporality)
}
