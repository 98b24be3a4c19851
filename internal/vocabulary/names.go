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
