package middleware

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// responseWriter is the [http.ResponseWriter] that a handler gets. It is no other request's, ever: it cannot be
// proved that a handler did not keep it. What is written too late goes to w, which makes of it what it
// would have made of it anyway, and counts for nobody.
type responseWriter struct {
	w     http.ResponseWriter
	rec   *recorder   // this request's until it has ended
	ended atomic.Bool // the handler has returned
}

// recorder returns nil when the handler has returned.
func (f *responseWriter) recorder() *recorder {
	if f.ended.Load() {
		return nil
	}
	return f.rec
}

// borrow returns the recorder, which is no other request's until giveBack, or nil when the handler has
// returned.
func (f *responseWriter) borrow() *recorder {
	if f.ended.Load() {
		return nil
	}
	f.rec.users.Add(1)
	if f.ended.Load() {
		f.rec.giveBack()
		return nil
	}
	return f.rec
}

func (rec *recorder) giveBack() { rec.users.Add(-1) }

// The methods below make it an [http.ResponseWriter] with everything that can be offered without
// lying: each has a fallback or an error of net/http's own where the writer underneath cannot do it. What
// a handler asks for by type assertion, and takes for a promise, is added by the types further down.

// self lets findResponseWriter see through the types below.
func (f *responseWriter) self() *responseWriter { return f }

// Unwrap is for [http.ResponseController]. Where the writer underneath is no Hijacker, one further down
// may be, and must not be reached unseen.
func (f *responseWriter) Unwrap() http.ResponseWriter {
	if _, ok := f.w.(http.Hijacker); ok {
		return f.w
	}
	if _, ok := f.w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return wUnwrapped{f}
	}
	return f.w
}

func (f *responseWriter) Header() http.Header { return f.w.Header() }

func (f *responseWriter) WriteHeader(code int) {
	f.recorder().noteHeader(code)
	f.w.WriteHeader(code)
}

func (f *responseWriter) Write(p []byte) (int, error) {
	f.recorder().noteBody()
	n, err := f.w.Write(p)
	f.recorder().wrote(int64(n), err)
	return n, err
}

func (f *responseWriter) WriteString(s string) (int, error) {
	f.recorder().noteBody()
	n, err := io.WriteString(f.w, s)
	f.recorder().wrote(int64(n), err)
	return n, err
}

// ReadFrom hands src to the server's own ReadFrom, so that files are still sent by the kernel.
func (f *responseWriter) ReadFrom(src io.Reader) (n int64, err error) {
	f.recorder().noteBody()
	from, ok := f.w.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{f}, src) // Write counts
	}
	n, err = from.ReadFrom(src)
	f.recorder().wrote(n, ofConnection(err))
	return n, err
}

func (f *responseWriter) FlushError() error {
	f.recorder().noteBody()
	err := http.NewResponseController(f.w).Flush()
	f.recorder().noteError(err)
	f.recorder().flushed()
	return err
}

func (f *responseWriter) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(f.w).SetReadDeadline(t)
}

func (f *responseWriter) SetWriteDeadline(t time.Time) error {
	if rec := f.recorder(); rec != nil {
		rec.deadlineSet.Store(true)
	}
	return http.NewResponseController(f.w).SetWriteDeadline(t)
}

func (f *responseWriter) EnableFullDuplex() error {
	return http.NewResponseController(f.w).EnableFullDuplex()
}

func (f *responseWriter) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(f.w).Hijack()
	if err == nil {
		f.recorder().wasHijacked()
	}
	return conn, rw, err
}

func (f *responseWriter) push(target string, o *http.PushOptions) error {
	return f.w.(http.Pusher).Push(target, o)
}

func (f *responseWriter) closeNotify() <-chan bool {
	//lint:ignore SA1019 kept for those who still ask for it
	return f.w.(http.CloseNotifier).CloseNotify()
}

// The types of writers: one per set of optional interfaces, so that a handler finds exactly those that
// the server offers. All of them are one pointer, and so cost nothing to hand out. f is for Flusher, h
// for Hijacker, p for Pusher, n for CloseNotifier.
type (
	wNone struct{ *responseWriter }
	wF    struct{ *responseWriter }
	wH    struct{ *responseWriter }
	wP    struct{ *responseWriter }
	wFH   struct{ wF }
	wFP   struct{ wF }
	wHP   struct{ wH }
	wFHP  struct{ wFH }

	wN    struct{ *responseWriter }
	wFN   struct{ wF }
	wHN   struct{ wH }
	wPN   struct{ wP }
	wFHN  struct{ wFH }
	wFPN  struct{ wFP }
	wHPN  struct{ wHP }
	wFHPN struct{ wFHP }
)

// wUnwrapped is what is left when one is unwrapped: a Hijacker where one may be further down.
type wUnwrapped struct{ *responseWriter }

func (w wUnwrapped) Unwrap() http.ResponseWriter { return w.w }

func (w wUnwrapped) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w wF) Flush() { _ = w.FlushError() }

func (w wH) Hijack() (net.Conn, *bufio.ReadWriter, error)  { return w.hijack() }
func (w wFH) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.hijack() }

func (w wP) Push(target string, o *http.PushOptions) error   { return w.push(target, o) }
func (w wFP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wHP) Push(target string, o *http.PushOptions) error  { return w.push(target, o) }
func (w wFHP) Push(target string, o *http.PushOptions) error { return w.push(target, o) }

func (w wN) CloseNotify() <-chan bool    { return w.closeNotify() }
func (w wFN) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w wHN) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w wPN) CloseNotify() <-chan bool   { return w.closeNotify() }
func (w wFHN) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w wFPN) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w wHPN) CloseNotify() <-chan bool  { return w.closeNotify() }
func (w wFHPN) CloseNotify() <-chan bool { return w.closeNotify() }

// The optional interfaces of a writer, as a set.
const (
	canFlush = 1 << iota
	canHijack
	canPush
	canNotify
)

// writerOf makes the writer that offers a set.
func writerOf(offers uint8, f *responseWriter) http.ResponseWriter {
	if offers == canFlush|canHijack|canNotify { // as net/http's own for HTTP/1, which then costs no call
		return wFHN{wFH{wF{f}}}
	}
	return writers[offers](f)
}

var writers = [16]func(*responseWriter) http.ResponseWriter{
	func(f *responseWriter) http.ResponseWriter { return wNone{f} },
	func(f *responseWriter) http.ResponseWriter { return wF{f} },
	func(f *responseWriter) http.ResponseWriter { return wH{f} },
	func(f *responseWriter) http.ResponseWriter { return wFH{wF{f}} },
	func(f *responseWriter) http.ResponseWriter { return wP{f} },
	func(f *responseWriter) http.ResponseWriter { return wFP{wF{f}} },
	func(f *responseWriter) http.ResponseWriter { return wHP{wH{f}} },
	func(f *responseWriter) http.ResponseWriter { return wFHP{wFH{wF{f}}} },
	func(f *responseWriter) http.ResponseWriter { return wN{f} },
	func(f *responseWriter) http.ResponseWriter { return wFN{wF{f}} },
	func(f *responseWriter) http.ResponseWriter { return wHN{wH{f}} },
	func(f *responseWriter) http.ResponseWriter { return wFHN{wFH{wF{f}}} },
	func(f *responseWriter) http.ResponseWriter { return wPN{wP{f}} },
	func(f *responseWriter) http.ResponseWriter { return wFPN{wFP{wF{f}}} },
	func(f *responseWriter) http.ResponseWriter { return wHPN{wHP{wH{f}}} },
	func(f *responseWriter) http.ResponseWriter { return wFHPN{wFHP{wFH{wF{f}}}} },
}
