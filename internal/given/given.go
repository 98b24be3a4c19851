// Package given tells whether somebody was given something where a live object is needed.
package given

import "reflect"

// Nothing reports whether v is nil, or an interface around a nil pointer or function: a call of any of these would panic, or would
// be left out, which is worse where v is what guards something. An empty slice or map is something.
func Nothing(v any) bool {
	if v == nil {
		return true
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Pointer, reflect.Func, reflect.Chan:
		return r.IsNil()
	default:
		return false
	}
}
