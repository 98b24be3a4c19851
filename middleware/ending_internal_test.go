package middleware

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"testing"
)

// TestWriteFailure has errors as writers of responses return them, of ReadFrom those that say where they are from.
func TestWriteFailure(t *testing.T) {
	operation := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	system := func(err error) error { return os.NewSyscallError("write", err) }
	for _, tt := range []struct {
		name  string
		err   error
		proto int
		want  ending
	}{
		{"broken pipe", operation("write", system(errPipe)), 1, endedByClient},
		{"connection reset", operation("write", system(errReset)), 1, endedByClient},
		{"a peer that does not answer", operation("write", system(errTimedOut)), 1, endedByClient},
		{"wrapped", fmt.Errorf("gzip: %w", operation("write", system(errPipe))), 1, endedByClient},
		{"a pipe in memory", io.ErrClosedPipe, 1, endedByClient},
		{"a stream that was reset", errors.New(http2StreamClosed), 2, endedByClient},
		{"closed, HTTP/2", operation("write", net.ErrClosed), 2, endedByClient},
		{"closed, HTTP/2 over TLS", net.ErrClosed, 2, endedByClient}, // by crypto/tls, which names no operation
		{"closed by the server, TLS", net.ErrClosed, 1, endedByStatus},
		{"closed by the server", operation("write", net.ErrClosed), 1, endedByStatus},
		{"deadline of the server", operation("write", os.ErrDeadlineExceeded), 1, endedByTimeout},
		{"deadline of the stream", os.ErrDeadlineExceeded, 2, endedByTimeout},
		{"TimeoutHandler further out", http.ErrHandlerTimeout, 1, endedByTimeout},
		{"more than announced", http.ErrContentLength, 1, endedByStatus},
		{"a status without a body", http.ErrBodyNotAllowed, 1, endedByStatus},
		{"a writer in between", errors.New("gzip: closed"), 1, endedByStatus},
		{"sendfile", operation(opReadFrom, os.NewSyscallError("sendfile", errPipe)), 1, endedByClient},
		{"nested", operation(opReadFrom, operation("write", system(errReset))), 1, endedByClient},
		{"deadline of sendfile", operation(opReadFrom, os.ErrDeadlineExceeded), 1, endedByTimeout},
		{"the source's connection", operation(opReadFrom, operation("read", system(errReset))), 1, endedByStatus},
		{"the source's deadline", operation(opReadFrom, operation("read", os.ErrDeadlineExceeded)), 1, endedByStatus},
		{"the source's end", operation(opReadFrom, io.ErrUnexpectedEOF), 1, endedByStatus},
	} {
		if got := writeFailure(tt.err, tt.proto); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, endings[got], endings[tt.want])
		}
	}
}

// TestErrorsOfReadFrom: what may be the source's tells nothing.
func TestErrorsOfReadFrom(t *testing.T) {
	wrap := func(err error) error { return &net.OpError{Op: opReadFrom, Err: err} }
	for err, known := range map[error]bool{
		nil:                            false,
		errors.New("source"):           false,
		context.DeadlineExceeded:       false,
		os.ErrDeadlineExceeded:         false,
		wrap(context.DeadlineExceeded): false,
		wrap(&fs.PathError{Op: "read", Path: "x", Err: os.ErrDeadlineExceeded}): false,
		wrap(os.ErrDeadlineExceeded): true,
		wrap(errPipe):                true,
	} {
		if got := ofConnection(err); (got != nil) != known {
			t.Errorf("%v is taken for %v, want it known to be the connection's: %t", err, got, known)
		}
	}
}
