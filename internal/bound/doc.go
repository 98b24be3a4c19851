// Package bound lets synchronous instruments be bound to their attributes once, and measured in
// place after that.
//
// A measurement through the SDK resolves its attributes every time: it reads the options, hashes the
// set and looks the series up. [Provider] wraps the SDK's provider with instruments that implement the
// binders of go.opentelemetry.io/otel/metric/x: what Bind returns holds on to its series, and a
// measurement is one or two atomic instructions and no allocation.
//
//	         Int64Counter(name, …)                     Bind(attrs…)
//	meter ───────────────────────────▶ instrument ───────────────────▶ bound instrument
//	  │ also asks the SDK                  │ looks the series up            │ holds the series
//	  ▼                                    └───────────────┬────────────────┘
//	SDK instrument: name check,                            ▼
//	conflict warnings, and what                         stream ── view, limit, overflow
//	is not aggregated here                                 │
//	                                                       ▼
//	                              Produce, ProduceInto: metricdata, cumulative
//
// # One series, one place
//
// Every measurement of an instrument that is aggregated here is aggregated here, bound or not, so no
// two points can have the same attributes. The SDK's instrument of that name is made and never
// measured; it exports nothing. What is not aggregated here (a base-2 exponential histogram, an
// aggregation this package does not know) is measured through the SDK, wholly, and its Bind only
// keeps the attribute option. Which of the two it is is decided when the instrument is created.
//
// # What is the same as in the SDK
//
// Views, instrument advice, duplicate instruments, the cardinality limit and its overflow series,
// exemplars, start times (an instrument's, not a series'), the conversion of numbers, not-a-number in
// a histogram. A property test runs random programs through both. What differs: points come out in
// the order their series were first measured, and reservoirs exist only where an exemplar was offered.
// A float64 sum is a float64: each measurement is rounded when it is added, in the order of the measurements
// within a cell, and the cells are added up by the collection. The SDK (1.47) adds whole float64s up in an int64
// and fractions apart from them: its sums differ in the last bits, and wrap around where the whole ones
// add up to 2^63, which ours do not.
//
// # Contention
//
// A series starts with one cell. Where goroutines keep colliding on it, it gets several, each on cache
// lines of its own, and a goroutine keeps to one of them; see spread.go. On n threads that is 4n cells
// (at most 32) of 128 bytes for a sum, of 256 and more for a histogram, and only for series that ask for
// it. Sums that also shrink keep to one cell, or a collection could see a decrease before its increase.
//
// A histogram's cell is updated under a one-word lock that recording never waits for long: a collection
// sees a measurement wholly or not at all, so a histogram's count is always the sum of its buckets.
//
// # The seam
//
// When the SDK implements the binders, this package steps aside: an inner instrument that offers Bind
// is returned as it is. Until then nothing outside knows this package but the code that composes the
// provider and its reader.
package bound
