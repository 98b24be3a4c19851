package middleware

import (
	"net/http"
	"reflect"
)

// shape is what the values of one type of [http.ResponseWriter] can do. A type is recognized in less time
// than it takes to ask a value for each of its optional interfaces.
type shape struct {
	of     reflect.Type
	offers uint8 // the optional interfaces, as a set
	plain  bool  // no other ResponseWriter is behind it
}

// shapes are of the types that were met. Servers have one or two, and every middleware may bring its own.
var shapes cache[reflect.Type, *shape]

func shapeOf(w http.ResponseWriter) *shape {
	t := reflect.TypeOf(w)
	if s, ok := shapes.get(t); ok {
		return s
	}
	return shapes.put(t, newShape(w))
}

func newShape(w http.ResponseWriter) *shape {
	s := &shape{of: reflect.TypeOf(w), plain: true}
	if _, ok := w.(http.Flusher); ok {
		s.offers |= canFlush
	}
	if _, ok := w.(http.Hijacker); ok {
		s.offers |= canHijack
	}
	if _, ok := w.(http.Pusher); ok {
		s.offers |= canPush
	}
	//lint:ignore SA1019 see closeNotify
	if _, ok := w.(http.CloseNotifier); ok {
		s.offers |= canNotify
	}
	switch w.(type) {
	case interface{ Unwrap() http.ResponseWriter }, interface{ self() *responseWriter }:
		s.plain = false
	}
	return s
}
