package middleware

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
)

// outcome is the status that the client was sent, or 0, and how the request ended beyond it. The rules stand in this
// order: what was sent is known, whatever became of the connection; a failure of the server is one, whoever was there
// to see it; and who ended a request is said where it is known, and not guessed.
func (rec *recorder) outcome() (status uint16, e ending) {
	status = rec.status
	switch {
	case status >= http.StatusInternalServerError:
		return status, endedByStatus
	case rec.panicked && status == 0:
		// net/http closes the connection or resets the stream, which is what a server's failure looks
		// like; a middleware further out that recovers answers 500 itself.
		return http.StatusInternalServerError, endedByPanic
	case rec.panicked:
		return status, endedByPanic
	case rec.failedWrite != endedByStatus:
		return status, rec.failedWrite
	case !rec.done && clientGone(rec.ctx):
		return status, endedByClient
	case !rec.done:
		return status, endedByAbort
	case rec.wroteHeader || rec.hijacked:
		return status, endedByStatus
	case clientGone(rec.ctx):
		return 0, endedByClient
	default:
		return http.StatusOK, endedByStatus // which net/http sends when the handler has returned
	}
}

// clientGone reports whether the server cancelled the request, which it does when the client's side of the connection is
// closed or its stream reset. A deadline is the service's own, and so is a cancellation with a cause.
func clientGone(ctx context.Context) bool {
	return ctx.Err() == context.Canceled && context.Cause(ctx) == context.Canceled
}

// noteError remembers how the first write of the response failed that did; those that follow fail because of it.
func (rec *recorder) noteError(err error) {
	if rec == nil || err == nil || rec.failedWrite != endedByStatus {
		return
	}
	rec.failedWrite = writeFailure(err, rec.r.ProtoMajor)
	if rec.failedWrite == endedByClient && rec.pastWriteTimeout() {
		rec.failedWrite = endedByTimeout
	}
}

// pastWriteTimeout reports whether an HTTP/2 server had reset the request's stream because its WriteTimeout was over. A
// client that was told so may close the connection, and a write that fails later fails because of that.
func (rec *recorder) pastWriteTimeout() bool {
	s, ok := rec.ctx.Value(http.ServerContextKey).(*http.Server)
	return ok && rec.r.ProtoMajor == 2 && s.WriteTimeout > 0 && !rec.deadlineSet.Load() && now()-rec.start >= s.WriteTimeout
}

// writeFailure says what the error of a write of the response tells about the end of the request: that the server's own
// deadline was over, that the connection is no more, or nothing, as an error of a writer or reader in between.
func writeFailure(err error, protoMajor int) ending {
	op, cause := innermost(err)
	switch {
	case op == "read": // of the source of a ReadFrom, another connection
		return endedByStatus
	case errors.Is(err, http.ErrHandlerTimeout) || isDeadline(cause):
		return endedByTimeout
	case errors.Is(cause, net.ErrClosed) && protoMajor == 1: // by Server.Close; over HTTP/2 also when the client has left
		return endedByStatus
	case (op != "" && op != opReadFrom) || errors.Is(cause, net.ErrClosed):
		return endedByClient
	case errors.Is(cause, errReset) || errors.Is(cause, errPipe) || errors.Is(cause, io.ErrClosedPipe):
		return endedByClient
	case cause.Error() == http2ClientDisconnected || cause.Error() == http2StreamClosed:
		return endedByClient
	default:
		return endedByStatus
	}
}

// What net/http's HTTP/2 server says where a stream or its connection is no more. It does not export these errors.
const (
	http2ClientDisconnected = "client disconnected"
	http2StreamClosed       = "http2: stream closed"
)

// opReadFrom is the operation of a connection that reads from a source to send it. Its error may be the source's.
const opReadFrom = "readfrom"

// ofConnection returns err, of a ReadFrom, where it is known to be that of the connection, and not of what was read.
func ofConnection(err error) error {
	op, cause := innermost(err)
	if op == "" || (op == opReadFrom && (errors.Is(cause, context.DeadlineExceeded) || as[*fs.PathError](cause))) {
		return nil
	}
	return err
}

// innermost returns the operation of a connection that failed, or none, and what it failed with.
func innermost(err error) (op string, cause error) {
	for o, ok := errors.AsType[*net.OpError](err); ok && o.Err != nil; o, ok = errors.AsType[*net.OpError](err) {
		op, err = o.Op, o.Err
	}
	return op, err
}

// isDeadline reports whether err is that of a deadline. A peer that does not answer the system's questions any more is
// something else.
func isDeadline(err error) bool {
	return isTimeout(err) && !errors.Is(err, errTimedOut)
}
