package middleware

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/semconv/v1.43.0/httpconv"
)

// streamBuckets are the upper bounds, in seconds, of a stream's lifetime.
var streamBuckets = []float64{1, 10, 60, 300, 900, 3600, 14400}

var (
	streamDuration = instrument{
		"duotel.http.server.stream.duration", "s",
		"Time from the first byte to the end of streamed and hijacked HTTP responses.",
	}
	activeStreams = instrument{
		"duotel.http.server.active_streams", "{stream}",
		"Number of streamed and hijacked HTTP responses in flight.",
	}
)

// server records what a server did. It is safe for concurrent use.
type server struct {
	duration       metric.Float64Histogram
	requestSize    metric.Int64Histogram
	responseSize   metric.Int64Histogram
	streamDuration metric.Float64Histogram
	levels         [len(methods)][2]levels // by method and by https

	own       *ownAttributes
	exclusion exclusion
	streams   map[string]bool // by route: always, or never
	series    cache[seriesKey, *series]
	joined    cache[[2]string, string] // routes of nested routers, by prefix and pattern
}

// series is one attribute set of the histograms, ready for use.
type series struct {
	duration, streamDuration  secondsOf
	requestSize, responseSize bytesOf
	excluded                  bool
}

// levels is one attribute set of what is counted while it lasts: all that is known before the end.
type levels struct{ requests, streams levelOf }

// measurement is what one request adds to its series.
type measurement struct {
	duration, lifetime        time.Duration
	requestSize, responseSize int64
	streamed, hijacked        bool
}

func newServer(c *config) (*server, error) {
	b := &builder{meter: c.meters.Meter(ScopeName)}
	s := &server{
		duration:       b.seconds(httpconv.ServerRequestDuration{}, c.durationBuckets),
		requestSize:    b.bytes(httpconv.ServerRequestBodySize{}, c.sizeBuckets),
		responseSize:   b.bytes(httpconv.ServerResponseBodySize{}, c.sizeBuckets),
		streamDuration: b.seconds(streamDuration, streamBuckets),
		own:            newOwnAttributes(c, labelerOf),
		streams:        c.streams,
		exclusion:      newExclusion(c.excludedPaths, c.excluded),
	}
	requests, streams := b.level(httpconv.ServerActiveRequests{}), b.level(activeStreams)
	for m := range methods {
		for i, https := range []bool{false, true} {
			set := levelSet(method(m), https)
			s.levels[m][i] = levels{bindLevel(requests, set), bindLevel(streams, set)}
		}
	}
	return s, errors.Join(b.errs...)
}

func levelSet(m method, https bool) attribute.Set {
	return attribute.NewSet(
		semconv.HTTPRequestMethodKey.String(methods[m]),
		semconv.URLScheme(schemeOf(https)),
	)
}

// level returns the series of active requests and streams.
func (s *server) level(m method, https bool) *levels {
	if https {
		return &s.levels[m][1]
	}
	return &s.levels[m][0]
}

// record adds one ended request to the series of k.
func (s *server) record(ctx context.Context, k seriesKey, m *measurement) {
	one, ok := s.series.get(k)
	if !ok {
		one = s.series.put(k, s.newSeries(k))
	}
	if one.excluded {
		return
	}
	one.duration.record(ctx, m.duration.Seconds())
	if m.streamed {
		one.streamDuration.record(ctx, m.lifetime.Seconds())
	}
	// What goes over a hijacked connection is nobody's body.
	if !m.hijacked {
		one.requestSize.record(ctx, m.requestSize)
		one.responseSize.record(ctx, m.responseSize)
	}
}

func (s *server) newSeries(k seriesKey) *series {
	set := k.set()
	return &series{
		duration:       bindSeconds(s.duration, set),
		streamDuration: bindSeconds(s.streamDuration, set),
		requestSize:    bindBytes(s.requestSize, set),
		responseSize:   bindBytes(s.responseSize, set),
		excluded:       s.exclusion.matches(k.route),
	}
}

// join returns a route under the prefix that the routers further out matched.
func (s *server) join(prefix, route string) string {
	if prefix == "" {
		return route
	}
	k := [2]string{prefix, route}
	if j, ok := s.joined.get(k); ok {
		return j
	}
	return s.joined.put(k, prefix+route)
}
