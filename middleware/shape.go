package middleware

import (
	"net/http"
	"reflect"
	"sync/atomic"
)

// shape is what the values of one type of [http.ResponseWriter] can do. A type is recognized in less time
// than it takes to ask a value for each of its optional interfaces.
type shape struct {
	of    reflect.Type
	kind  uint8 // the index in kinds
	plain bool  // no other ResponseWriter is behind it
}

// shapes are the types that were met. Servers have one or two, and every middleware may bring its own.
var shapes atomic.Pointer[[]*shape]

const maxShapes = 16

func shapeOf(w http.ResponseWriter) *shape {
	t := reflect.TypeOf(w)
	known := shapes.Load()
	if known != nil {
		for _, s := range *known {
			if s.of == t {
				return s
			}
		}
	}
	s := newShape(t, w)
	if known == nil {
		shapes.CompareAndSwap(nil, &[]*shape{s})
	} else if len(*known) < maxShapes {
		more := append((*known)[:len(*known):len(*known)], s)
		shapes.CompareAndSwap(known, &more)
	}
	return s
}

func newShape(t reflect.Type, w http.ResponseWriter) *shape {
	s := &shape{of: t, plain: true}
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
	case interface{ Unwrap() http.ResponseWriter }, interface{ recorder() *recorder }:
		s.plain = false
	}
	return s
}
