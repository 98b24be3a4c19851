package vocabulary

import (
	"slices"

	"github.com/duotel/duotel/middleware"
)

// Names says which vocabulary HTTP server metrics are shown in. The values are those of
// METRICS_HTTP_NAMES; any other is [Semconv].
type Names string

// The vocabularies.
const (
	Semconv Names = "semconv" // OpenTelemetry's semantic conventions
	Classic Names = "classic" // those of this package, in their place
	Both    Names = "both"
)

// classicBuckets are the upper bounds, in seconds, of http_request_duration_seconds.
var classicBuckets = []float64{0.05, 0.1, 0.3, 1, 3, 5}

// semconvBuckets are the upper bounds, in seconds, of the conventions' durations.
var semconvBuckets = middleware.DefaultDurationBuckets()

// buckets say which of the recorded bounds a vocabulary shows: all but those that are recorded for the other
// vocabulary alone. A nil one shows none, for what has a sum and a count.
type buckets struct{ own, foreign []float64 }

// classic and conventional return the buckets of each vocabulary. added are bounds that both show.
func classic(added []float64) *buckets {
	return &buckets{own: classicBuckets, foreign: without(semconvBuckets, classicBuckets, added)}
}

func conventional(added []float64) *buckets {
	return &buckets{own: semconvBuckets, foreign: without(classicBuckets, semconvBuckets, added)}
}

// of returns those of the recorded bounds that are shown. Where the vocabulary's own are not all among them, the
// application has chosen its buckets, and they are shown as they are.
func (b *buckets) of(recorded []float64) []float64 {
	switch {
	case b == nil:
		return nil
	case !contains(recorded, b.own):
		return recorded
	default:
		return without(recorded, b.foreign)
	}
}

// without returns bounds that are in none of the others.
func without(bounds []float64, others ...[]float64) []float64 {
	return slices.DeleteFunc(slices.Clone(bounds), func(b float64) bool {
		return slices.ContainsFunc(others, func(other []float64) bool { return slices.Contains(other, b) })
	})
}

// DurationBuckets returns the bounds, in seconds, that the middleware has to record for names to be shown
// exactly. The slice is the caller's.
func DurationBuckets(names Names) []float64 {
	if names != Classic && names != Both {
		return slices.Clone(semconvBuckets)
	}
	union := slices.Concat(semconvBuckets, classicBuckets)
	slices.Sort(union)
	return slices.Compact(union)
}
