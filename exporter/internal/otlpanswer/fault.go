package otlpanswer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"

	"golang.org/x/net/http2"
)

// FromError says what it means that a request got no answer. A failure to connect is never
// ambiguous; anything later is, since the request may have arrived.
func FromError(err error) Answer {
	a := Answer{Reason: faultReason(err), Detail: FirstLine([]byte(bare(err).Error()))}
	switch a.Reason {
	case DNS, Refused, TLS, Encode:
	default:
		var op *net.OpError
		a.Ambiguous = !errors.As(err, &op) || op.Op != "dial"
	}
	return a
}

// bare takes off the *url.Error, which would show the URL with whatever secret it carries.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

func faultReason(err error) Reason {
	switch {
	case isDNS(err):
		return DNS
	case isTLS(err):
		return TLS
	case errors.Is(err, errRefused):
		return Refused
	case isTimeout(err):
		return Timeout
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, errReset), errors.Is(err, errPipe),
		errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), isStreamReset(err):
		return Reset
	default:
		return Network
	}
}

// isStreamReset recognises how HTTP/2 ends a request without an answer: a reset of its stream, or of the connection.
// net/http's own types are not exported, and the second kind has no type at all.
func isStreamReset(err error) bool {
	var stream http2.StreamError
	return errors.As(err, &stream) || strings.Contains(err.Error(), "http2: server sent GOAWAY") ||
		strings.Contains(err.Error(), "http2: client connection")
}

func isDNS(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns)
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func isTLS(err error) bool {
	var (
		record    tls.RecordHeaderError
		alert     tls.AlertError
		verify    *tls.CertificateVerificationError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	return errors.As(err, &record) || errors.As(err, &alert) || errors.As(err, &verify) ||
		errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}
