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
	active         metric.Int64UpDownCounter
	activeStreams  metric.Int64UpDownCounter

	own       *ownAttributes
	exclusion exclusion
	streams   map[string]bool // by route: always, or never
	series    cache[seriesKey, *series]
	joined    cache[[2]string, string]            // routes of nested routers, by prefix and pattern
	levels    [len(methods)][2][]metric.AddOption // by method and by https
}

// series is one attribute set of the histograms, ready for use.
type series struct {
	options  []metric.RecordOption
	excluded bool
}

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
		active:         b.level(httpconv.ServerActiveRequests{}),
		streamDuration: b.seconds(streamDuration, streamBuckets),
		activeStreams:  b.level(activeStreams),
		own:            newOwnAttributes(c, labelerOf),
		streams:        c.streams,
		exclusion:      newExclusion(c.excludedPaths, c.excluded),
	}
	for m := range methods {
		s.levels[m] = [2][]metric.AddOption{levelOptions(method(m), false), levelOptions(method(m), true)}
	}
	return s, errors.Join(b.errs...)
}

// levelOptions is the attribute set of what is counted before a request's end: all that is known then.
func levelOptions(m method, https bool) []metric.AddOption {
	set := attribute.NewSet(
		semconv.HTTPRequestMethodKey.String(methods[m]),
		semconv.URLScheme(schemeOf(https)),
	)
	return []metric.AddOption{metric.WithAttributeSet(set)}
}

// level returns the options for active requests and streams.
func (s *server) level(m method, https bool) []metric.AddOption {
	if https {
		return s.levels[m][1]
	}
	return s.levels[m][0]
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
	s.duration.Record(ctx, m.duration.Seconds(), one.options...)
	if m.streamed {
		s.streamDuration.Record(ctx, m.lifetime.Seconds(), one.options...)
	}
	// What goes over a hijacked connection is nobody's body.
	if !m.hijacked {
		s.requestSize.Record(ctx, m.requestSize, one.options...)
		s.responseSize.Record(ctx, m.responseSize, one.options...)
	}
}

func (s *server) newSeries(k seriesKey) *series {
	return &series{
		options:  []metric.RecordOption{metric.WithAttributeSet(k.set())},
		excluded: s.exclusion.matches(k.route),
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
