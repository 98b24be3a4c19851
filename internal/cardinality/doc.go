// Package cardinality watches how close instruments come to their cardinality limits.
//
// The SDK folds what comes after an instrument's limit into one overflow series, for good and without a
// word. A [Watcher] is shown every collection. It reports an instrument when it nears its limit (80 %)
// and when it has reached it, once each, with the attribute that has the most values; and it knows the
// usage of those instruments for a metric.
//
// Below 80 % an instrument costs a look at the length of a slice. What a Watcher remembers is bounded by
// the number of instruments, and what it looks at for a report by a constant.
package cardinality
