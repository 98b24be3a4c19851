package middleware

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
)

// route is one value of http.route with its series. It is safe for concurrent use.
type route struct {
	name     string
	excluded bool
	server   *server
	series   cache[seriesKey, *series]
	owned    cache[ownedKey, *series] // those with attributes of the application
}

// ownedKey has the application's attributes, of which equal sets are one pointer.
type ownedKey struct {
	seriesKey
	own *attribute.Set
}

// series is one attribute set of the histograms, ready for use.
type series struct {
	duration, streamDuration  secondsOf
	requestSize, responseSize bytesOf
}

func (s *server) route(name string) *route {
	if one, ok := s.routes.get(name); ok {
		return one
	}
	return s.routes.put(name, &route{name: name, excluded: s.exclusion.matches(name), server: s})
}

// record adds one ended request to the series of k and the application's own attributes.
func (o *route) record(ctx context.Context, k seriesKey, own *attribute.Set, m *measurement) {
	if o.excluded {
		return
	}
	one, s := o.seriesOf(k, own), o.server
	s.attempt(func() { one.duration.record(ctx, seconds(m.duration)) })
	if m.streamed {
		s.attempt(func() { one.streamDuration.record(ctx, seconds(m.lifetime)) })
	}
	// What goes over a hijacked connection is nobody's body.
	if !m.hijacked {
		s.attempt(func() { one.requestSize.record(ctx, m.requestSize) })
		s.attempt(func() { one.responseSize.record(ctx, m.responseSize) })
	}
}

func (o *route) seriesOf(k seriesKey, own *attribute.Set) *series {
	if own != nil {
		if one, ok := o.owned.get(ownedKey{k, own}); ok {
			return one
		}
		return o.owned.put(ownedKey{k, own}, o.newSeries(k, own))
	}
	if one, ok := o.series.get(k); ok {
		return one
	}
	return o.series.put(k, o.newSeries(k, nil))
}

func (o *route) newSeries(k seriesKey, own *attribute.Set) *series {
	s := o.server
	set := k.set(s.methods, o.name, own)
	// Levels that nobody sees while they are up are there all the same.
	s.attempt(func() { s.levels[levelIndex(k.method(), k.https())].requests.add(context.Background(), 0) })
	return &series{
		duration:       bindSeconds(s.duration, set),
		streamDuration: bindSeconds(s.streamDuration, set),
		requestSize:    bindBytes(s.requestSize, set),
		responseSize:   bindBytes(s.responseSize, set),
	}
}
