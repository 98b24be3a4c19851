package clean

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// data returns d with every attribute valid; false when that is d itself.
func (c *Cleaner) data(d metricdata.Aggregation) (metricdata.Aggregation, bool) {
	var changed bool
	switch d := d.(type) {
	case metricdata.Gauge[int64]:
		d.DataPoints, changed = points(c, d.DataPoints, number[int64])
		return d, changed
	case metricdata.Gauge[float64]:
		d.DataPoints, changed = points(c, d.DataPoints, number[float64])
		return d, changed
	case metricdata.Sum[int64]:
		d.DataPoints, changed = points(c, d.DataPoints, number[int64])
		return d, changed
	case metricdata.Sum[float64]:
		d.DataPoints, changed = points(c, d.DataPoints, number[float64])
		return d, changed
	case metricdata.Histogram[int64]:
		d.DataPoints, changed = points(c, d.DataPoints, histogram[int64])
		return d, changed
	case metricdata.Histogram[float64]:
		d.DataPoints, changed = points(c, d.DataPoints, histogram[float64])
		return d, changed
	case metricdata.ExponentialHistogram[int64]:
		coarse, restated := restate(c, d.DataPoints)
		d.DataPoints, changed = points(c, coarse, exponential[int64])
		return d, changed || restated
	case metricdata.ExponentialHistogram[float64]:
		coarse, restated := restate(c, d.DataPoints)
		d.DataPoints, changed = points(c, coarse, exponential[float64])
		return d, changed || restated
	case metricdata.Summary:
		d.DataPoints, changed = points(c, d.DataPoints, summary)
		return d, changed
	default:
		return d, false
	}
}

// points cleans each of in. part returns a point's attributes and repairs its exemplars in the copy
// that own gives.
func points[P any](c *Cleaner, in []P, part func(p *P) (*attribute.Set, exemplars)) (out []P, changed bool) {
	out = in
	for i := range in {
		set, ex := part(&in[i])
		repaired, bad := c.set(set)
		badExemplars := ex != nil && ex.invalid()
		if !bad && !badExemplars {
			continue
		}
		out, changed = own(out, in), true
		mine, ex := part(&out[i])
		if bad {
			*mine = repaired
		}
		if badExemplars {
			ex.repair()
		}
	}
	return out, changed
}

func number[N int64 | float64](p *metricdata.DataPoint[N]) (*attribute.Set, exemplars) {
	return &p.Attributes, listed(&p.Exemplars)
}

func histogram[N int64 | float64](p *metricdata.HistogramDataPoint[N]) (*attribute.Set, exemplars) {
	return &p.Attributes, listed(&p.Exemplars)
}

func exponential[N int64 | float64](p *metricdata.ExponentialHistogramDataPoint[N]) (*attribute.Set, exemplars) {
	return &p.Attributes, listed(&p.Exemplars)
}

func summary(p *metricdata.SummaryDataPoint) (*attribute.Set, exemplars) { return &p.Attributes, nil }

// exemplars are those of one point; nil when it has none.
type exemplars interface {
	invalid() bool
	repair()
}

type exemplarsOf[N int64 | float64] struct{ list *[]metricdata.Exemplar[N] }

func listed[N int64 | float64](list *[]metricdata.Exemplar[N]) exemplars {
	if len(*list) == 0 {
		return nil
	}
	return exemplarsOf[N]{list}
}

func (e exemplarsOf[N]) invalid() bool {
	for _, x := range *e.list {
		if _, changed := each(x.FilteredAttributes, keyValue); changed {
			return true
		}
	}
	return false
}

func (e exemplarsOf[N]) repair() {
	copied := append([]metricdata.Exemplar[N](nil), *e.list...)
	for i := range copied {
		copied[i].FilteredAttributes, _ = each(copied[i].FilteredAttributes, keyValue)
	}
	*e.list = copied
}
