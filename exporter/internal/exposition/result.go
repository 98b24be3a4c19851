package exposition

// Result says what one [Encoder.Encode] wrote, and what it could not.
type Result struct {
	// Series is the number of series written: label sets, a histogram counting as one.
	Series int
	// Repaired is how many of them had invalid UTF-8 in them.
	Repaired int
	// Bytes is the number of bytes given to the writer.
	Bytes int64
	// Dropped is what was kept out, one entry for each metric and reason. It is nil when all was well.
	Dropped []Dropped
}

// Dropped names series that were kept out of an answer.
type Dropped struct {
	// Name is the name on the wire, or the metric's own where none could be made.
	Name string
	// Metric is the OpenTelemetry metric's name; empty for a client_golang family.
	Metric string
	// Scope is the name of the metric's scope; empty for a client_golang family.
	Scope string
	// Reason is why.
	Reason Reason
	// Series is how many.
	Series int
}

// Reason is why a series was kept out. There are few of them, so that it can be an attribute.
type Reason string

// The reasons there are.
const (
	// ReasonNameConflict: another metric has the name, with another type (or unit, with WithUnits), or as the
	// _bucket, _sum or _count of a histogram.
	ReasonNameConflict Reason = "name_conflict"
	// ReasonDuplicateSeries: another series has the same name and labels.
	ReasonDuplicateSeries Reason = "duplicate_series"
	// ReasonInvalidName: no metric name could be made of the one it has.
	ReasonInvalidName Reason = "invalid_name"
	// ReasonDuplicateFamily: a client_golang family has a name that was already shown.
	ReasonDuplicateFamily Reason = "duplicate_family"
	// ReasonInvalidData: the point contradicts itself, as a histogram with bounds out of order.
	ReasonInvalidData Reason = "invalid_data"
	// ReasonUnsupported: the aggregation is of no kind that is known.
	ReasonUnsupported Reason = "unsupported"
)

// drop adds n series to the entry for d, which is the last one when a metric's series follow each other.
func (r *Result) drop(d Dropped, n int) {
	for i := len(r.Dropped) - 1; i >= 0 && i >= len(r.Dropped)-8; i-- {
		have := &r.Dropped[i]
		if have.Name == d.Name && have.Metric == d.Metric && have.Scope == d.Scope && have.Reason == d.Reason {
			have.Series += n
			return
		}
	}
	d.Series = n
	r.Dropped = append(r.Dropped, d)
}
