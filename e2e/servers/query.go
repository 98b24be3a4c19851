package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Sample is one series of an answer with its latest value, which is a number or a native histogram.
type Sample struct {
	Labels    map[string]string
	Value     float64
	Time      time.Time
	Histogram *Histogram // nil for a number
	// Values are the raw samples of a range selector, oldest first.
	Values []Point
}

// Point is one raw sample.
type Point struct {
	Value float64
	Time  time.Time
}

// Histogram is a native histogram as the API tells it.
type Histogram struct {
	Count, Sum string
	// Buckets are the rule for the bounds, the bounds and the count.
	Buckets [][4]any
}

// Query runs a PromQL expression now and fails the test when Prometheus does not take it.
func (p *Prometheus) Query(expression string) []Sample {
	p.tb.Helper()
	samples, err := p.query(expression, time.Time{})
	if err != nil {
		p.tb.Fatalf("prometheus: %s: %v", expression, err)
	}
	return samples
}

// Has says whether an expression returns anything. An expression that Prometheus does not take is an error.
func (p *Prometheus) Has(expression string) (bool, error) {
	return p.HasAt(expression, time.Time{})
}

// HasAt is Has at another time than now.
func (p *Prometheus) HasAt(expression string, at time.Time) (bool, error) {
	samples, err := p.query(expression, at)
	return len(samples) > 0, err
}

// Exemplars returns the number of exemplars per metric name that the selector finds in the last hour.
func (p *Prometheus) Exemplars(selector string) map[string]int {
	p.tb.Helper()
	var data []struct {
		SeriesLabels map[string]string
		Exemplars    []json.RawMessage
	}
	now := time.Now()
	if err := p.get("/api/v1/query_exemplars", url.Values{
		"query": {selector}, "start": {unix(now.Add(-time.Hour))}, "end": {unix(now.Add(time.Minute))},
	}, &data); err != nil {
		p.tb.Fatalf("prometheus: exemplars of %s: %v", selector, err)
	}
	out := map[string]int{}
	for _, d := range data {
		out[d.SeriesLabels["__name__"]] += len(d.Exemplars)
	}
	return out
}

// Await polls an expression until it returns something, and fails the test after timeout.
func (p *Prometheus) Await(timeout time.Duration, expression string) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.tb.Context(), timeout)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if found, err := p.Has(expression); err == nil && found {
			return
		}
		select {
		case <-ctx.Done():
			p.tb.Fatalf("prometheus: %s returned nothing within %v", expression, timeout)
		case <-ticker.C:
		}
	}
}

type answer struct {
	Metric    map[string]string
	Value     []any
	Values    [][]any
	Histogram []json.RawMessage
}

// query runs an expression now, which is the zero time, or then.
func (p *Prometheus) query(expression string, at time.Time) ([]Sample, error) {
	var data struct {
		ResultType string
		Result     json.RawMessage
	}
	parameters := url.Values{"query": {expression}}
	if !at.IsZero() {
		parameters.Set("time", unix(at))
	}
	if err := p.get("/api/v1/query", parameters, &data); err != nil {
		return nil, err
	}
	if data.ResultType == "scalar" {
		var value []any
		err := json.Unmarshal(data.Result, &value)
		return []Sample{{Value: point(value).Value}}, err
	}
	var answers []answer
	if err := json.Unmarshal(data.Result, &answers); err != nil {
		return nil, err
	}
	out := make([]Sample, len(answers))
	for i, a := range answers {
		var err error
		if out[i], err = a.sample(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (a answer) sample() (Sample, error) {
	s := Sample{Labels: a.Metric}
	for _, v := range a.Values {
		s.Values = append(s.Values, point(v))
	}
	switch {
	case len(a.Histogram) == 2:
		return s, json.Unmarshal(a.Histogram[1], &s.Histogram)
	case len(a.Value) == 2:
		latest := point(a.Value)
		s.Value, s.Time = latest.Value, latest.Time
	}
	return s, nil
}

// point is [seconds, "value"].
func point(pair []any) Point {
	p := Point{Value: math.NaN()}
	if len(pair) != 2 {
		return p
	}
	if seconds, ok := pair[0].(float64); ok {
		p.Time = time.UnixMilli(int64(math.Round(seconds * 1000)))
	}
	if text, ok := pair[1].(string); ok {
		p.Value, _ = strconv.ParseFloat(text, 64)
	}
	return p
}

func (p *Prometheus) get(path string, parameters url.Values, into any) error {
	resp, err := http.Get(p.api + path + "?" + parameters.Encode())
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var envelope struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	if envelope.Status != "success" {
		return fmt.Errorf("%s", envelope.Error)
	}
	return json.Unmarshal(envelope.Data, into)
}

func unix(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
