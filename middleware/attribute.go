package middleware

import (
	"net/http"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// otherMethod is the http.request.method of requests whose method is not among the known ones. It is otherValue too.
const otherMethod method = 0

// method is an index into methods. Whatever a client sends, there is no other.
type method uint8

// methods are the values of http.request.method: _OTHER, and after it the known ones. Methods are
// case-sensitive, so "get" is not GET.
type methods []string

func newMethods(known []string) methods { return append(methods{otherValue}, known...) }

func (m methods) of(name string) method {
	if i := slices.Index(m, name); i > 0 {
		return method(i)
	}
	return otherMethod
}

// protocol is an index into protocols.
type protocol uint8

// protocols are the values of network.protocol.version; the first is unknown, and not recorded. A
// client may write any minor version in its request line, so 1.7 counts as what is spoken, 1.1.
var protocols = [...]string{"", "1.0", "1.1", "2", "3"}

func protocolOf(major, minor int) protocol {
	switch {
	case major == 1 && minor == 0:
		return 1
	case major == 1:
		return 2
	case major == 2:
		return 3
	case major == 3:
		return 4
	default:
		return 0
	}
}

// ending is an index into endings: how a request ended, beyond its status.
type ending uint8

const (
	endedByStatus ending = iota
	endedByPanic
	endedByClient
	endedByAbort
	endedByTimeout
)

var endings = [...]string{"", "panic", "client_closed_request", "aborted", "timeout"}

// seriesKey is what tells one series of a route from another, but for the application's own attributes. It
// is one word, because it is looked up for every request.
type seriesKey uint64

// newSeriesKey makes the key of requests that ended with a status, 0 where the client was sent none.
func newSeriesKey(status uint16, e ending, m method, p protocol, https bool) seriesKey {
	k := seriesKey(status) | seriesKey(e)<<16 | seriesKey(m)<<24 | seriesKey(p)<<32
	if https {
		k |= 1 << 40
	}
	return k
}

func (k seriesKey) status() int        { return int(uint16(k)) }
func (k seriesKey) ending() ending     { return ending(k >> 16) }
func (k seriesKey) method() method     { return method(k >> 24) }
func (k seriesKey) protocol() protocol { return protocol(k >> 32) }
func (k seriesKey) https() bool        { return k>>40 != 0 }

// set builds the attribute set that k stands for at a route. own is the application's attributes, or nil.
func (k seriesKey) set(known methods, route string, own *attribute.Set) attribute.Set {
	attrs := make([]attribute.KeyValue, 0, 6)
	if own != nil {
		attrs = own.ToSlice()
	}
	attrs = append(
		attrs,
		semconv.HTTPRequestMethodKey.String(known[k.method()]),
		semconv.URLScheme(schemeOf(k.https())),
		semconv.HTTPRoute(route),
	)
	if v := protocols[k.protocol()]; v != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(v))
	}
	if status := k.status(); status > 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(status))
	}
	if e := k.errorType(); e != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(e))
	}
	return attribute.NewSet(attrs...)
}

// errorType is the value of error.type, or empty where the request succeeded. A server's 4xx is the
// client's error, and so none here.
func (k seriesKey) errorType() string {
	if k.ending() == endedByStatus && k.status() >= http.StatusInternalServerError {
		return strconv.Itoa(k.status())
	}
	return endings[k.ending()]
}

func schemeOf(https bool) string {
	if https {
		return "https"
	}
	return "http"
}
