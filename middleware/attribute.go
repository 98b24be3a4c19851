package middleware

import (
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// method is an index into methods. Whatever a client sends, there is no other.
type method uint8

// methods are the values of http.request.method: the methods the conventions know, and _OTHER for the
// rest. Methods are case-sensitive, so "get" is one of the rest.
var methods = [...]string{
	"_OTHER",
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
	http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, "QUERY",
}

const methodHead method = 2

func methodOf(name string) method {
	for i := 1; i < len(methods); i++ {
		if methods[i] == name {
			return method(i)
		}
	}
	return 0
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
)

var endings = [...]string{"", "panic", "client_closed_request"}

// seriesKey is everything that tells one series of the server's histograms from another.
type seriesKey struct {
	route    string
	status   uint16 // 0 where the client was sent none
	method   method
	protocol protocol
	https    bool
	ending   ending
	own      *attribute.Set // the application's, one pointer per set, or nil
}

// set builds the attribute set that k stands for.
func (k seriesKey) set() attribute.Set {
	attrs := make([]attribute.KeyValue, 0, 6)
	if k.own != nil {
		attrs = k.own.ToSlice()
	}
	attrs = append(
		attrs,
		semconv.HTTPRequestMethodKey.String(methods[k.method]),
		semconv.URLScheme(schemeOf(k.https)),
		semconv.HTTPRoute(k.route),
	)
	if v := protocols[k.protocol]; v != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(v))
	}
	if k.status > 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(int(k.status)))
	}
	if e := k.errorType(); e != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(e))
	}
	return attribute.NewSet(attrs...)
}

// errorType is the value of error.type, or empty where the request succeeded. A server's 4xx is the
// client's error, and so none here.
func (k seriesKey) errorType() string {
	if k.ending == endedByStatus && k.status >= http.StatusInternalServerError {
		return strconv.Itoa(int(k.status))
	}
	return endings[k.ending]
}

func schemeOf(https bool) string {
	if https {
		return "https"
	}
	return "http"
}
