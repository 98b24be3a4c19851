package middleware

import (
	"context"
	"net/http"
)

// outcome is the status that the client was sent, and how the request ended.
func (rec *recorder) outcome() (status uint16, e ending) {
	gone := rec.unsent || (!rec.wroteHeader && !rec.hijacked && clientGone(rec.r.Context()))
	switch {
	case !rec.done && !rec.wroteHeader:
		// net/http closes the connection or resets the stream, which is what a server's failure looks
		// like; a middleware further out that recovers answers 500 itself.
		return http.StatusInternalServerError, endedByPanic
	case !rec.done:
		return rec.status, endedByPanic
	case gone:
		return 0, endedByClient
	case rec.wroteHeader:
		return rec.status, rec.interruption()
	case rec.hijacked:
		return rec.hijackedStatus(), endedByStatus
	default:
		return http.StatusOK, endedByStatus
	}
}

// interruption tells a response that the client did not wait for from one that it got. Streams are
// left by their clients; that is how they end.
func (rec *recorder) interruption() ending {
	if !rec.streamed && rec.status < http.StatusInternalServerError && clientGone(rec.r.Context()) {
		return endedByClient
	}
	return endedByStatus
}

// hijackedStatus is 101 for a protocol upgrade. What else goes over a hijacked connection is unknown.
func (rec *recorder) hijackedStatus() uint16 {
	if rec.r.Header.Get("Upgrade") != "" {
		return http.StatusSwitchingProtocols
	}
	return 0
}

// clientGone reports whether the server cancelled the request. A deadline is the service's own.
func clientGone(ctx context.Context) bool {
	return ctx.Err() == context.Canceled
}
