// Package given tells whether somebody was given something where a live object is needed.
package given

import (
	"errors"
	"fmt"
	"reflect"
)

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

// Options takes note of options that were given nothing. The zero value is ready for use.
type Options struct{ nothing []string }

// Given reports whether v is something, and takes note of the option if it is not.
func (o *Options) Given(option string, v any) bool {
	if Nothing(v) {
		o.nothing = append(o.nothing, option)
		return false
	}
	return true
}

// Err returns an error that names every option that was given nothing, or nil. stage is who speaks.
func (o *Options) Err(stage string) error {
	errs := make([]error, 0, len(o.nothing))
	for _, option := range o.nothing {
		errs = append(errs, fmt.Errorf("%s: %s=\"<nil>\": is nil; leave the option out for its default", stage, option))
	}
	return errors.Join(errs...)
}
