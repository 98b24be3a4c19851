package vocabulary

import (
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// fold adds recorded buckets up to those of the bounds to, which must be among the recorded bounds;
// where they are not, the recorded buckets stay. The counts are a copy in either case.
func fold(bounds []float64, counts []uint64, to []float64) ([]float64, []uint64) {
	if !contains(bounds, to) || len(counts) != len(bounds)+1 {
		return bounds, slices.Clone(counts)
	}
	out := make([]uint64, len(to)+1)
	bucket := 0
	for i, n := range counts {
		out[bucket] += n
		if bucket < len(to) && i < len(bounds) && bounds[i] == to[bucket] {
			bucket++
		}
	}
	return slices.Clone(to), out
}

// contains reports whether all of subset is in bounds. Both ascend.
func contains(bounds, subset []float64) bool {
	for _, b := range subset {
		if _, ok := slices.BinarySearch(bounds, b); !ok {
			return false
		}
	}
	return true
}

// newest returns the newest exemplar of each bucket.
func newest(exemplars []metricdata.Exemplar[float64], bounds []float64) []metricdata.Exemplar[float64] {
	if len(exemplars) < 2 {
		return exemplars
	}
	best := make([]*metricdata.Exemplar[float64], len(bounds)+1)
	for i := range exemplars {
		e := &exemplars[i]
		b, _ := slices.BinarySearch(bounds, e.Value)
		if best[b] == nil || e.Time.After(best[b].Time) {
			best[b] = e
		}
	}
	out := make([]metricdata.Exemplar[float64], 0, len(best))
	for _, e := range best {
		if e != nil {
			out = append(out, *e)
		}
	}
	return out
}
