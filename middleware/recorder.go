package middleware

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// recorder is the state of one request while it is served. The handler gets a ResponseWriter and, where there
// is one, a request body that lead to it. It is written by whoever writes the response, one at a time as
// net/http asks, and serves another request when the handler has returned and nobody has borrowed it.
type recorder struct {
	server *server
	spare  []responseWriter // that nobody has had

	handler *measured
	from    *http.Request   // as it came
	r       *http.Request   // as the handler has it: the same, or a copy
	ctx     context.Context // as it was, whatever the handler puts into its request
	writer  *responseWriter
	body    *countedBody // nil where the request has none
	start   time.Duration
	response
	deadlineSet atomic.Bool  // for writes, by the handler, from any goroutine
	users       atomic.Int32 // who has borrowed it: inner handlers, who may outlast the request
	method      method
	level       int // in levels
	route       routeTrack
	firstByte   time.Duration // of a stream, set before streamed is
}

// response is what is known of the answer.
type response struct {
	written     int64
	status      uint16
	wroteHeader bool
	failedWrite ending // what the first write that failed tells, where it tells something
	streamed    bool
	hijacked    bool
	done        bool // the handler returned
	panicked    bool // and what with was not http.ErrAbortHandler
}

// writersAtOnce is how many requests share an allocation. One that lasts, such as a stream, keeps what the
// writers of the others lead to in memory.
const writersAtOnce = 8

// newWriter returns a ResponseWriter that nobody has had, nor will have after this request.
func (rec *recorder) newWriter(w http.ResponseWriter) *responseWriter {
	if len(rec.spare) == 0 {
		rec.spare = make([]responseWriter, writersAtOnce)
	}
	one := &rec.spare[0]
	rec.spare = rec.spare[1:]
	one.w, one.rec = w, rec
	return one
}

// epoch makes one reading of the monotonic clock out of what would be two of both clocks.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// begin starts to measure r, which h serves.
func (rec *recorder) begin(h *measured, w http.ResponseWriter, r *http.Request) {
	rec.handler, rec.from, rec.writer = h, r, rec.newWriter(w)
	rec.r = rec.handlersRequest(h, r)
	rec.ctx = rec.r.Context()
	rec.method = rec.server.methods.of(r.Method)
	rec.level = levelIndex(rec.method, r.TLS != nil)
	rec.route.begin(r)
	rec.count(rec.levels().requests, 1)
	rec.start = now()
}

// levels is where the request counts while it is served.
func (rec *recorder) levels() *levels { return &rec.server.levels[rec.level] }

// count adds n to a level of the request's.
func (rec *recorder) count(l levelOf, n int64) {
	rec.server.attempt(func() { l.add(rec.ctx, n) })
}

// end ends the request when its handler has returned or panics. What a handler panicked with has to be seen, because
// http.ErrAbortHandler is no panic of the service: it is how a handler, a proxy's for example, breaks off a response. So
// end recovers, and panics with the same value: as it does so before it returns, the stack that the server prints still
// has all of the handler's.
func (rec *recorder) end() {
	if rec.done {
		rec.finish()
		return
	}
	v := recover()
	rec.panicked = v != nil && v != http.ErrAbortHandler // nil is runtime.Goexit, which is no panic either
	rec.finish()
	if v != nil {
		panic(v)
	}
}

// finish records the request, and offers the recorder to the next one.
func (rec *recorder) finish() {
	rec.writer.ended.Store(true) // first: who borrows looks at it again
	took := now() - rec.start
	alone := rec.users.Load() == 0
	rec.record(took, alone)
	if alone {
		*rec = recorder{server: rec.server, spare: rec.spare}
		rec.server.recorders.Put(rec)
	}
}

// record records the request. alone says that nobody else is at work on it any more.
func (rec *recorder) record(took time.Duration, alone bool) {
	route := rec.servedBy(alone)
	rec.correctStream(route.name)
	m := measurement{duration: took}
	if rec.streamed {
		m.streamed, m.hijacked = true, rec.hijacked
		m.duration = rec.firstByte - rec.start
		m.lifetime = took - m.duration
		rec.count(rec.levels().streams, -1)
	}
	m.requestSize, m.responseSize = rec.sizes()
	k := rec.seriesKey()
	own := rec.server.own.of(rec.r)
	rec.server.attempt(func() { route.record(rec.ctx, k, own, &m) })
	if rec.handler.tracing != nil {
		writeBack(originalOf(rec.from), rec.r)
		annotateSpan(rec.from, route.name, k, rec.panicked)
	} else {
		writeBack(rec.from, rec.r)
	}
	rec.count(rec.levels().requests, -1)
}

// seriesKey is the key of the series that the request is of.
func (rec *recorder) seriesKey() seriesKey {
	status, ending := rec.outcome()
	return newSeriesKey(status, ending, rec.method, protocolOf(rec.r.ProtoMajor, rec.r.ProtoMinor), rec.r.TLS != nil)
}

// sizes are those of both bodies.
func (rec *recorder) sizes() (request, response int64) {
	if rec.r.Method == http.MethodHead {
		return rec.requestSize(), 0
	}
	return rec.requestSize(), rec.written
}

// noteHeader remembers the status of the response when it is decided: the first one that is final.
func (rec *recorder) noteHeader(code int) {
	informational := code < http.StatusOK && code != http.StatusSwitchingProtocols
	if rec != nil && !rec.wroteHeader && !informational && code <= 999 {
		rec.decide(code)
	}
}

// noteBody remembers the status of a response whose body is written: what it was, or 200.
func (rec *recorder) noteBody() {
	if rec != nil && !rec.wroteHeader {
		rec.decide(http.StatusOK)
	}
}

// decide takes code for the status, unless the response is not the server's any more.
func (rec *recorder) decide(code int) {
	if rec.hijacked {
		return
	}
	rec.wroteHeader = true
	rec.status = uint16(code)
	if len(rec.server.streams) > 0 {
		rec.headerDecided()
	}
}

// wrote counts n bytes of the response's body, of which more were to be written where there is an error.
func (rec *recorder) wrote(n int64, err error) {
	if rec != nil {
		rec.written += n
		rec.noteError(err)
	}
}

// wasHijacked takes note that the connection is the handler's.
func (rec *recorder) wasHijacked() {
	if rec == nil {
		return
	}
	rec.hijacked = true
	if !rec.wroteHeader && rec.r.Header.Get("Upgrade") != "" {
		rec.status = http.StatusSwitchingProtocols // what else goes over the connection is unknown
	}
	rec.beginStream()
}
