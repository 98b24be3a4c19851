package middleware

import (
	"net/http"
	"reflect"
	"sync/atomic"
)

// shape is what the values of one type of [http.ResponseWriter] can do. A type is recognized in less time
// than it takes to ask a value for each of its optional interfaces.
type shape struct {
	of     reflect.Type
	offers uint8 // the optional interfaces, as a set
	plain  bool  // no other ResponseWriter is behind it
	next   atomic.Pointer[shape]
}

// shapes is the first of the types that were met, which lead from one to the next. Servers have one or two, and
// every middleware may bring its own.
var shapes atomic.Pointer[shape]

func shapeOf(w http.ResponseWriter) *shape {
	t, last := reflect.TypeOf(w), &shapes
	for {
		s := last.Load()
		if s == nil {
			s = newShape(w)
			if !last.CompareAndSwap(nil, s) {
				continue
			}
		}
		if s.of == t {
			return s
		}
		last = &s.next
	}
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
	case interface{ Unwrap() http.ResponseWriter }, interface{ self() *face }:
		s.plain = false
	}
	return s
}
