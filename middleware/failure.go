package middleware

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
)

// failures are the values of error.type for requests that got no response, in the order in which they
// are tried. What none of them knows is _OTHER, as in the conventions.
var failures = []struct {
	errorType string
	is        func(error) bool
}{
	{"canceled", func(err error) bool { return errors.Is(err, context.Canceled) }},
	{"timeout", isTimeout},
	{"dns", as[*net.DNSError]},
	{"connection_refused", func(err error) bool { return errors.Is(err, errRefused) }},
	{"connection_reset", isReset},
	{"tls", isTLS},
}

// transportError classifies an error of a RoundTripper.
func transportError(err error) string {
	for _, f := range failures {
		if f.is(err) {
			return f.errorType
		}
	}
	return "_OTHER"
}

func as[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &t) && t.Timeout())
}

func isReset(err error) bool {
	return errors.Is(err, errReset) || errors.Is(err, errPipe) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func isTLS(err error) bool {
	return as[*tls.CertificateVerificationError](err) || as[tls.RecordHeaderError](err) || as[tls.AlertError](err) ||
		as[x509.UnknownAuthorityError](err) || as[x509.HostnameError](err) || as[x509.CertificateInvalidError](err)
}
