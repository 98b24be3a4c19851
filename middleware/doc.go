// Package middleware measures HTTP servers and clients through the OpenTelemetry metrics API, under
// the HTTP semantic conventions.
//
//	m, err := middleware.New()                 // instruments on the global MeterProvider
//	if err != nil { ... }
//	http.ListenAndServe(addr, m.Handler(mux))  // mux is an http.ServeMux
//
// # What a server records
//
//	http.server.request.duration      s          histogram, the conventions' buckets (5 ms … 10 s)
//	http.server.active_requests       {request}  up-down counter: method and scheme only
//	http.server.request.body.size     By         histogram, 100 B … 100 MB
//	http.server.response.body.size    By         histogram, 100 B … 100 MB
//	duotel.http.server.stream.duration  s        histogram, 1 s … 4 h: lifetime of streamed responses
//	duotel.http.server.active_streams {stream}   up-down counter: streamed responses in flight
//
// with http.request.method, http.route, http.response.status_code, url.scheme,
// network.protocol.version and error.type. server.address is left out on purpose: on a server it comes
// from the client's Host header. No attribute value can be chosen by a client. Attributes of the
// application's own come from [WithAttributes] and otelhttp's Labeler, and are bounded by
// [WithAttributeLimit].
//
// # Routes
//
// http.route is the pattern that [net/http.ServeMux] matched, without method and host, and never a raw
// path. Requests that no route matched share [UnmatchedRoute], and so do those that only a catch-all
// "/" picked up, so that the home page does not answer for every scanner. Where an inner middleware
// copies the request before the mux sees it, or a mux is nested under [net/http.StripPrefix], see
// [Routes], [SetRoute] and [WithMux].
//
// # Endings
//
// The status that was sent is recorded, whatever became of the connection, and one of 500 and above is its own
// error.type. A handler that panics is recorded with error.type="panic" and the status that was sent, or 500
// where none was; the panic goes on with the same value and the same stack. http.ErrAbortHandler is no panic but
// "aborted", or "client_closed_request" where the client is known to have left: a write failed, or the context was
// cancelled without a cause. That is also a client that left before anything was written, without a status. A write
// that failed by the server's own deadline is "timeout". What is not known is not said.
// docs/http.md has a table of some thirty endings, with what otelhttp and promhttp record of them.
//
// A response is streamed from its first Flush, and a hijacked connection from the Hijack. The request
// duration of both is the time until then; how long they live has instruments of its own. Routes that
// are to be judged otherwise are named by [WithStreamed] and [WithUnstreamed].
//
// # Cost
//
// In steady state a request adds next to no allocation to the bare handler: attribute sets are built once
// per series, and the state of requests is pooled. What a handler gets is not, because it may keep its
// ResponseWriter, which could then write into a stranger's response: it is 32 bytes, allocated for eight
// requests at a time. A request that has a body is copied for the handler, with a body that counts, because the server
// has to find its own body in its own request; nothing that a handler was given is written again.
//
// A request is recorded when it ends.
//
// # Traces
//
// Spans and propagation are otelhttp's. [WithTracerProvider] puts it in the chain, with its meter
// switched off; without a tracer provider it is not there.
package middleware
