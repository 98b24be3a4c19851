package middleware

import (
	"net/http"
	"reflect"
)

// shape is what the values of one type of [http.ResponseWriter] can do. A type is recognized in less time
// than it takes to ask a value for each of its optional interfaces.
type shape struct {
	kind  uint8 // the index in kinds
	plain bool  // no other ResponseWriter is behind it
}

// shapes are of the types that were met. Servers have one or two, and every middleware may bring its own.
var shapes cache[reflect.Type, shape]

func shapeOf(w http.ResponseWriter) shape {
	t := reflect.TypeOf(w)
	if s, ok := shapes.get(t); ok {
		return s
	}
	return shapes.put(t, newShape(w))
}

func newShape(w http.ResponseWriter) shape {
	s := shape{plain: true}
	if _, ok := w.(http.Flusher); ok {
		s.kind |= 1
	}
	if _, ok := w.(http.Hijacker); ok {
		s.kind |= 2
	}
	if _, ok := w.(http.Pusher); ok {
		s.kind |= 4
	}
	//lint:ignore SA1019 see closeNotify
	if _, ok := w.(http.CloseNotifier); ok {
		s.kind |= 8
	}
	switch w.(type) {
	case interface{ Unwrap() http.ResponseWriter }, interface{ self() *face }:
		s.plain = false
	}
	return s
}
