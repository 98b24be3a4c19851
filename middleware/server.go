package middleware

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
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
	recorders sync.Pool
	meters    metric.MeterProvider // or nil where it cannot be compared
	streams   map[string]bool      // by route: always, or never
	own       ownAttributes

	duration       metric.Float64Histogram
	requestSize    metric.Int64Histogram
	responseSize   metric.Int64Histogram
	streamDuration metric.Float64Histogram
	methods        methods
	levels         []levels // by levelIndex

	exclusion exclusion
	routes    cache[string, *route]
	patterns  cache[string, *route]    // of requests that met one router only
	joined    cache[[2]string, string] // routes of nested routers, by prefix and pattern

	lost recurring // panics that a measurement was lost to
}

// levels is one attribute set of what is counted while it lasts: all that is known before the end.
type levels struct{ requests, streams levelOf }

// measurement is what one request adds to its series.
type measurement struct {
	duration, lifetime        time.Duration
	requestSize, responseSize int64
	streamed, hijacked        bool
}

func seconds(d time.Duration) float64 { return float64(d) / float64(time.Second) }

func newServer(c *config) (*server, error) {
	b := &builder{meter: c.meters.Meter(ScopeName)}
	s := &server{
		duration:       b.seconds(httpconv.ServerRequestDuration{}, c.serverBuckets()),
		requestSize:    b.bytes(httpconv.ServerRequestBodySize{}, c.sizeBuckets),
		responseSize:   b.bytes(httpconv.ServerResponseBodySize{}, c.sizeBuckets),
		streamDuration: b.seconds(streamDuration, streamBuckets),
		methods:        newMethods(c.methods),
		own:            newOwnAttributes(c, labelerKey),
		streams:        c.streams,
		lost:           recurring{handle: c.errorHandler},
		exclusion:      newExclusion(c.excludedPaths, c.excluded),
	}
	requests, streams := b.level(httpconv.ServerActiveRequests{}), b.level(activeStreams)
	for _, name := range s.methods {
		for _, https := range []bool{false, true} {
			set := levelSet(name, https)
			s.levels = append(s.levels, levels{bindLevel(requests, set), bindLevel(streams, set)})
		}
	}
	if reflect.ValueOf(c.meters).Comparable() {
		s.meters = c.meters
	}
	if err := errors.Join(b.errs...); err != nil {
		return nil, err
	}
	s.recorders.New = func() any { return &recorder{server: s} }
	return s, nil
}

func levelSet(method string, https bool) attribute.Set {
	return attribute.NewSet(
		semconv.HTTPRequestMethodKey.String(method),
		semconv.URLScheme(schemeOf(https)),
	)
}

// levelIndex returns the index in levels: there are two for each method.
func levelIndex(m method, https bool) int {
	if https {
		return int(m)*2 + 1
	}
	return int(m) * 2
}

// attempt keeps a panic of somebody else's code, such as a view's filter, to the measurement that it is about.
// It is reported.
func (s *server) attempt(record func()) {
	defer func() {
		if p := recover(); p != nil {
			s.lost.failed(fmt.Errorf("middleware: a measurement was lost, because recording it panicked: %v", p))
		}
	}()
	record()
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
