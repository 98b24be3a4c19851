package middleware

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// The methods below make a recorder an [http.ResponseWriter] with everything that can be offered
// without lying: each has a fallback or an error of net/http's own where the writer underneath cannot
// do it. What a handler asks for by type assertion, and takes for a promise, is added by the types
// further down.

// self lets findRecorder see through the types below.
func (rec *recorder) self() *recorder { return rec }

func (rec *recorder) level() *levels {
	return rec.handler.server.level(rec.method, rec.r.TLS != nil)
}

// Unwrap is for [http.ResponseController].
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.w }

func (rec *recorder) Header() http.Header { return rec.w.Header() }

func (rec *recorder) WriteHeader(code int) {
	rec.noteHeader(code)
	rec.w.WriteHeader(code)
}

func (rec *recorder) Write(p []byte) (int, error) {
	rec.noteHeader(http.StatusOK)
	n, err := rec.w.Write(p)
	rec.written += int64(n)
	return n, err
}

func (rec *recorder) WriteString(s string) (int, error) {
	rec.noteHeader(http.StatusOK)
	n, err := io.WriteString(rec.w, s)
	rec.written += int64(n)
	return n, err
}

// ReadFrom hands src to the server's own ReadFrom, so that files are still sent by the kernel.
func (rec *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	rec.noteHeader(http.StatusOK)
	if from, ok := rec.w.(io.ReaderFrom); ok {
		n, err = from.ReadFrom(src)
	} else {
		n, err = io.Copy(struct{ io.Writer }{rec.w}, src)
	}
	rec.written += n
	return n, err
}

func (rec *recorder) FlushError() error {
	rec.noteHeader(http.StatusOK)
	err := http.NewResponseController(rec.w).Flush()
	rec.flushed()
	return err
}

func (rec *recorder) SetReadDeadline(t time.Time) error {
	return http.NewResponseController(rec.w).SetReadDeadline(t)
}

func (rec *recorder) SetWriteDeadline(t time.Time) error {
	return http.NewResponseController(rec.w).SetWriteDeadline(t)
}

func (rec *recorder) EnableFullDuplex() error {
	return http.NewResponseController(rec.w).EnableFullDuplex()
}

// noteHeader remembers the status of the response when it is decided: the first one that is final.
func (rec *recorder) noteHeader(code int) {
	informational := code < http.StatusOK && code != http.StatusSwitchingProtocols
	if rec.wroteHeader || rec.hijacked || informational || code > 999 {
		return
	}
	rec.wroteHeader = true
	rec.status = uint16(code)
	rec.unsent = clientGone(rec.r.Context())
	rec.headerDecided()
	if rec.discardsUnread() {
		rec.restoreBody()
	}
}

func (rec *recorder) hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := rec.w.(http.Hijacker).Hijack()
	if err == nil {
		rec.hijacked = true
		rec.beginStream()
	}
	return conn, rw, err
}

// The types of writers: one per set of optional interfaces, so that a handler finds exactly those that
// the server offers. All of them are one pointer, and so cost nothing to hand out. f is for Flusher, h
// for Hijacker, p for Pusher, n for CloseNotifier.
type (
	wNone struct{ *recorder }
	wF    struct{ *recorder }
	wH    struct{ *recorder }
	wP    struct{ *recorder }
	wFH   struct{ wF }
	wFP   struct{ wF }
	wHP   struct{ wH }
	wFHP  struct{ wFH }

	wN    struct{ *recorder }
	wFN   struct{ wF }
	wHN   struct{ wH }
	wPN   struct{ wP }
	wFHN  struct{ wFH }
	wFPN  struct{ wFP }
	wHPN  struct{ wHP }
	wFHPN struct{ wFHP }
)

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

func (rec *recorder) push(target string, o *http.PushOptions) error {
	return rec.w.(http.Pusher).Push(target, o)
}

func (rec *recorder) closeNotify() <-chan bool {
	//lint:ignore SA1019 kept for those who still ask for it
	return rec.w.(http.CloseNotifier).CloseNotify()
}

// writer returns the face of rec that has the optional interfaces of the writer underneath.
func (rec *recorder) writer() http.ResponseWriter {
	var set uint8
	if _, ok := rec.w.(http.Flusher); ok {
		set |= 1
	}
	if _, ok := rec.w.(http.Hijacker); ok {
		set |= 2
	}
	if _, ok := rec.w.(http.Pusher); ok {
		set |= 4
	}
	//lint:ignore SA1019 see closeNotify
	if _, ok := rec.w.(http.CloseNotifier); ok {
		set |= 8
	}
	return faces[set](rec)
}

// faces makes the writers by their set: 1 for f, 2 for h, 4 for p, 8 for n.
var faces = [16]func(*recorder) http.ResponseWriter{
	func(r *recorder) http.ResponseWriter { return wNone{r} },
	func(r *recorder) http.ResponseWriter { return wF{r} },
	func(r *recorder) http.ResponseWriter { return wH{r} },
	func(r *recorder) http.ResponseWriter { return wFH{wF{r}} },
	func(r *recorder) http.ResponseWriter { return wP{r} },
	func(r *recorder) http.ResponseWriter { return wFP{wF{r}} },
	func(r *recorder) http.ResponseWriter { return wHP{wH{r}} },
	func(r *recorder) http.ResponseWriter { return wFHP{wFH{wF{r}}} },
	func(r *recorder) http.ResponseWriter { return wN{r} },
	func(r *recorder) http.ResponseWriter { return wFN{wF{r}} },
	func(r *recorder) http.ResponseWriter { return wHN{wH{r}} },
	func(r *recorder) http.ResponseWriter { return wFHN{wFH{wF{r}}} },
	func(r *recorder) http.ResponseWriter { return wPN{wP{r}} },
	func(r *recorder) http.ResponseWriter { return wFPN{wFP{wF{r}}} },
	func(r *recorder) http.ResponseWriter { return wHPN{wHP{wH{r}}} },
	func(r *recorder) http.ResponseWriter { return wFHPN{wFHP{wFH{wF{r}}}} },
}
