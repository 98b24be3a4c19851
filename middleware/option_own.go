package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// WithAttributes adds attributes of the request to its duration and sizes, and to the lifetime of streams.
// f is called once per request: on a server when the handler has returned, so that r has its path values;
// on a [NewTransport] when the answer's header is there. Keys the middleware sets itself are ignored, and
// so is all that comes after 16 attributes. Strings are cut to 256 bytes. When f panics, the request is
// recorded without its attributes, and the panic reported ([WithErrorHandler]). It adds to what earlier
// uses of it gave. f must be safe for concurrent use and must not change r.
//
// What a client chooses is not to be trusted: see [WithAttributeLimit].
func WithAttributes(f func(r *http.Request) []attribute.KeyValue) Option {
	return func(c *config) {
		if c.Given("WithAttributes", f) {
			c.attributes = append(c.attributes, f)
		}
	}
}

// WithAttributeLimit sets how many distinct sets of own attributes there can be, those of [WithAttributes] and
// of otelhttp's Labeler together. Later ones have _OTHER in place of their values, so that requests are counted
// and no series is pushed out. At least 1, at most 4096. Default: 100.
func WithAttributeLimit(sets int) Option {
	return func(c *config) { c.attributeLimit = sets }
}

// WithLabeler puts an otelhttp.Labeler into the context of every request, for handlers that add attributes
// with otelhttp.LabelerFromContext. It is not needed where there is one already, which is so with
// [WithTracerProvider] and inside of an otelhttp handler, and costs the copy of a request. Default: off.
// It has no meaning for a [NewTransport].
func WithLabeler() Option {
	return func(c *config) { c.labeler = true }
}

// WithStreamed names routes, as http.route has them, whose every response is measured as a stream: the
// duration ends with the header, and the rest is its lifetime. Default: none; a response is
// a stream from its first Flush.
func WithStreamed(routes ...string) Option { return withStreams(true, routes) }

// WithUnstreamed names routes, as http.route has them, whose responses are not streams however often they are
// flushed: the duration is that of the whole response. A hijacked connection is a stream nevertheless.
// While such a response is under way it counts as an active stream if its route is found out by a
// router further in, which has told it only when the response has ended. Default: none.
func WithUnstreamed(routes ...string) Option { return withStreams(false, routes) }

func withStreams(streamed bool, routes []string) Option {
	return func(c *config) {
		for _, route := range routes {
			if old, ok := c.streams[route]; ok && old != streamed {
				c.contested = append(c.contested, route)
			}
			if c.streams == nil {
				c.streams = map[string]bool{}
			}
			c.streams[route] = streamed
		}
	}
}

// WithURLTemplate adds url.template to what a [NewTransport] records, after the semantic conventions: the
// path of the request with names in place of its ids, such as /items/{id}. f is called once per request; where
// it returns "" the attribute is left out. The first 500 templates have series, later ones share _OTHER. When f
// panics the attribute is left out, and the panic reported ([WithErrorHandler]). f must be safe for
// concurrent use and must not change r. Default: none. It has no meaning for a server.
func WithURLTemplate(f func(r *http.Request) string) Option {
	return func(c *config) {
		if c.Given("WithURLTemplate", f) {
			c.urlTemplate = f
		}
	}
}

// checkOwn judges the options of this file.
func (c *config) checkOwn() error {
	var errs []error
	if c.attributeLimit < 1 || c.attributeLimit > cacheLimit {
		errs = append(errs, fmt.Errorf("middleware: WithAttributeLimit=\"%d\": out of range; from 1 to %d", c.attributeLimit, cacheLimit))
	}
	for _, route := range slices.Compact(c.contested) {
		errs = append(errs, fmt.Errorf("middleware: WithUnstreamed=%q: is given to WithStreamed too; one of the two", route))
	}
	for route := range c.streams {
		if route != UnmatchedRoute && !strings.HasPrefix(route, "/") {
			errs = append(errs, fmt.Errorf("middleware: WithStreamed or WithUnstreamed=%q: not a route; a pattern without method and host, such as /events", route))
		}
	}
	return errors.Join(errs...)
}
