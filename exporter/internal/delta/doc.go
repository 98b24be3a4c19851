// Package delta turns cumulative metric data into differences since what a backend last
// acknowledged.
//
// A delta exporter that forgets on every collection loses what a failed request carried. Here the
// collections stay cumulative and the difference is taken against a baseline that only an
// acknowledgement moves, one for every series:
//
//	cumulative     10      25      25 (restart) 4       9
//	push            ok     fails   fails        ok      ok
//	difference     10      15      15           15+4    5
//
// What is owed survives failures, resets (an earlier value or a later start time) and series that
// vanish before it was delivered. Gauges, summaries and sums that may fall pass through unchanged, as
// the specification's delta preference asks.
//
// The package knows metricdata and nothing else. It keeps two values per series, for the series that
// are alive and, while it owes something, for a bounded number of those that were.
package delta
