// Package exposition writes metric data as Prometheus text 0.0.4 and OpenMetrics 1.0.0.
//
// It is an algorithm and nothing else: it opens no port, reads no environment, collects from no
// reader. An [Encoder] is given what somebody collected, and appends text to one buffer that it
// hands to the writer in chunks of about 64 KiB. Each series' label block is rendered once and
// remembered by its attribute.Distinct (the identity by which the SDK itself tells series apart),
// so that a steady scrape allocates a number of times that depends on how many instruments there
// are and not on how many series.
//
// # Agreement
//
// Names, labels, values and exemplars are those of the official exporter
// (go.opentelemetry.io/otel/exporters/prometheus) behind promhttp, line for line. It differs where
// that one loses everything, or says something that cannot be used:
//
//   - Nothing is fatal. What cannot be shown is kept out and named in [Result.Dropped].
//   - Invalid UTF-8 becomes U+FFFD. An attribute name without one usable character becomes "_", and
//     one that would begin with "__" gets "key" put before it. An attribute that would take a name
//     the encoder needs (le, quantile, otel_scope_name, a constant label) is shown as
//     exported_<name>, which is what Prometheus itself does with labels that clash.
//   - A name belongs to whoever had it first, and stays theirs over scrapes; among newcomers of the
//     same scrape the scope's name, version, schema and attributes decide, then the metric's name.
//   - Exponential histograms get classic buckets a quantile can be taken from: the upper bounds of
//     their own buckets, merged until no more than 20 on either side of zero are left. Merging only
//     ever removes bounds, so the ones that stay keep their meaning. The count at each bound is exact
//     (below zero, but for observations that lie on the bound itself).
//   - _created comes from the point's start time for counters, histograms and summaries alike.
//   - An exemplar over OpenMetrics' 128 characters keeps its trace_id and span_id, and is not lost.
//   - A label name with a colon is quoted or escaped: expfmt writes it in a form parsers refuse. Names
//     that are the same once escaped for a scraper are joined or kept apart as if they had been so from
//     the start: promhttp writes them twice. An exemplar's labels are escaped like all others.
//   - A counter x_total beside a family x, as client_golang's Go collector has, is of unknown type in
//     OpenMetrics: as a counter it would be the family x a second time, and strict parsers refuse the page.
//   - Summaries, which only bridges produce, are written and not refused.
//
// # Order
//
// Families by name, series by the bytes of their label block, buckets by bound. OpenTelemetry's
// families and those of client_golang registries are one sequence; where both have a name, the
// registry's family is kept out. The order of a family is kept between scrapes; only series that
// are new are sorted into it.
//
// # Memory
//
// The caches hold what the last scrapes showed: at most about twice the living series of a family,
// and metrics that have been gone for 64 scrapes are forgotten, with the claim on their name. One
// encode in flight needs some 20 bytes per series of the largest family beside its chunk. No lock is held
// while anything is written or a filter is asked.
package exposition
