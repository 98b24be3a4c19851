// Package vocabulary shows the HTTP server's metrics under the names that most Prometheus dashboards
// know. It derives them from a collection, so a request costs the same under every vocabulary.
//
//	at the pull exit                              from                           by
//	http_requests_total                           http.server.request.duration   handler, method, status
//	http_request_duration_seconds                 http.server.request.duration   handler, method
//	http_request_size_bytes_sum, _count           http.server.request.body.size  handler
//	http_response_size_bytes_sum, _count          http.server.response.body.size handler
//	http_requests_inprogress                      http.server.active_requests    method
//
// handler is http.route, and status is http.response.status_code, or "none" where the client was sent
// none. What the conventions know beside those is summed over; attributes of the application's own, and
// the mark of an overflow series, stay. The duration's buckets are 0.05, 0.1, 0.3, 1, 3 and 5.
//
// # Exact
//
// Where classic names are on, the middleware records the union of both vocabularies' bounds
// ([DurationBuckets]), and each vocabulary is shown its own: a bucket is then a sum of recorded ones,
// not an estimate. A bound that is neither's was added for an
// objective, and both show it. Where the application chose other bounds altogether, so that not all of a vocabulary's
// are among them, that vocabulary shows those. Of an exponential histogram the classic duration has sum and
// count.
//
// A derived series starts when the oldest of its sources did. A histogram's bucket keeps the newest
// exemplar of its sources; counters and sizes have none.
package vocabulary
