package servers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"time"
)

// Line is a series over time.
type Line struct {
	Labels map[string]string
	Points []Point
	// Histograms are the samples where they are native histograms.
	Histograms []HistogramPoint
}

// HistogramPoint is a native histogram at a time.
type HistogramPoint struct {
	Time time.Time
	Histogram
}

// Range runs an expression from start to end.
func (p *Prometheus) Range(expression string, start, end time.Time, step time.Duration) ([]Line, error) {
	var data struct {
		ResultType string
		Result     []struct {
			Metric     map[string]string
			Values     [][]any
			Histograms [][]json.RawMessage
		}
	}
	err := p.get("/api/v1/query_range", url.Values{
		"query": {expression}, "start": {unix(start)}, "end": {unix(end)}, "step": {fmt.Sprint(step.Seconds())},
	}, &data)
	if err != nil {
		return nil, err
	}
	out := make([]Line, len(data.Result))
	for i, r := range data.Result {
		out[i].Labels = r.Metric
		for _, v := range r.Values {
			out[i].Points = append(out[i].Points, point(v))
		}
		for _, h := range r.Histograms {
			var at float64
			var histogram Histogram
			if len(h) != 2 {
				return nil, fmt.Errorf("a histogram of %d parts", len(h))
			}
			if err := json.Unmarshal(h[0], &at); err != nil {
				return nil, err
			}
			if err := json.Unmarshal(h[1], &histogram); err != nil {
				return nil, err
			}
			out[i].Histograms = append(out[i].Histograms, HistogramPoint{time.UnixMilli(int64(at * 1000)), histogram})
		}
	}
	return out, nil
}
