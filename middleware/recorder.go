package middleware

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// recorder is the state of one request while it is served. The ResponseWriter and the request body that
// a handler gets are its faces. It is written by whoever writes the response, one at a time as net/http
// asks, and serves another request when the handler has returned and nobody has borrowed it.
//
// In a server its code and its memory have left the caches when the next request comes. So what most requests
// need is in few functions and in two cache lines; what few need is elsewhere, and kept from being inlined.
type recorder struct {
	handler *measured
	r       *http.Request
	face    *face
	body    *countedBody // nil where the request has none
	start   time.Duration
	response
	users  atomic.Int32 // who has borrowed it: inner handlers, who may outlast the request
	method method
	level  uint8 // in levels

	batch     *batch // nil where measurements may not wait
	server    *server
	unused    faces
	route     routeTrack
	firstByte time.Duration // of a stream, set before streamed is
}

// response is what is known of the answer.
type response struct {
	written     int64
	status      uint16
	wroteHeader bool
	unsent      bool // the client was gone when the header was written
	streamed    bool
	hijacked    bool
	done        bool // the handler returned
}

// faces are what is given away with a request and never taken back, allocated some at once.
type faces struct {
	writers      *[facesAtOnce]face
	bodies       *[facesAtOnce]countedBody
	writersGiven uint8 // less than facesAtOnce: reuse makes new ones
	bodiesGiven  uint8
}

// facesAtOnce is how many requests share an allocation. One that lasts, such as a stream, keeps what the
// faces of the others lead to in memory.
const facesAtOnce = 8

// moreFaces makes writers that nobody has had.
//
//go:noinline
func (rec *recorder) moreFaces() {
	all := new([facesAtOnce]face)
	for i := range all {
		all[i].rec = rec
	}
	rec.unused.writers, rec.unused.writersGiven = all, 0
}

func (f *faces) body(of io.ReadCloser) *countedBody {
	i := f.bodiesGiven % facesAtOnce
	if i == 0 {
		f.bodies = new([facesAtOnce]countedBody)
	}
	f.bodiesGiven = i + 1
	f.bodies[i].ReadCloser = of
	return &f.bodies[i]
}

// epoch makes one reading of the monotonic clock out of what would be two of both clocks.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// begin starts to measure r, which h serves. What reuse did not clear of the request before is overwritten.
func (rec *recorder) begin(h *measured, w http.ResponseWriter, r *http.Request) {
	f := &rec.unused.writers[rec.unused.writersGiven%facesAtOnce]
	rec.unused.writersGiven++
	f.w, rec.handler, rec.r, rec.face, rec.route.path = w, h, r, f, pathOfRequest(r)
	rec.response = response{}
	rec.method = methodOf(r.Method)
	rec.level = levelIndex(rec.method, r.TLS != nil)
	if r.Pattern != "" {
		rec.route.beginBelow(r)
	}
	if hasBody(r) {
		rec.countBody()
	}
	if rec.batch != nil {
		rec.batch.begin(rec.level)
	} else {
		rec.enter()
	}
	rec.start = now()
}

// enter counts the request as active.
//
//go:noinline
func (rec *recorder) enter() { rec.levels().requests.add(rec.r.Context(), 1) }

// levels is where the request counts while it is served.
func (rec *recorder) levels() *levels { return &rec.server.levels[rec.level] }

// end has the request recorded. It runs when the handler has returned or panics.
func (rec *recorder) end() {
	rec.face.ended.Store(true) // first: who borrows looks at it again
	took := now() - rec.start
	if !rec.canWait() {
		rec.endNow(took)
		return
	}
	name, told := rec.r.Pattern, false
	if rec.route.noted {
		name, told = rec.route.set, true
	}
	status := rec.status
	if !rec.wroteHeader {
		status = http.StatusOK
	}
	var size int64
	if rec.body != nil || rec.r.ContentLength != 0 {
		size = rec.endBody()
	}
	e := rec.batch.next()
	e.name = name
	e.key = newSeriesKey(status, endedByStatus, rec.method, protocolOf(rec.r.ProtoMajor, rec.r.ProtoMinor), rec.r.TLS != nil)
	e.told = told
	e.root = rec.route.path == "/"
	e.duration = took
	e.requestSize, e.responseSize = size, rec.written
	rec.batch.add()
	rec.reuse()
}

// canWait reports whether the request can be recorded later, as most can.
func (rec *recorder) canWait() bool {
	if !rec.handler.later || !rec.done || rec.users.Load() != 0 || rec.streamed || rec.unsent ||
		rec.method == methodHead || rec.method == methodConnect ||
		(rec.route.noted && rec.route.set == "") || (!rec.route.noted && rec.r.Pattern == "") {
		return false
	}
	ctx := rec.r.Context()
	return rec.server.own.labeler(ctx) == nil && ctx.Err() == nil
}

// endNow records the request, which cannot wait.
func (rec *recorder) endNow(took time.Duration) {
	settled := rec.users.Load() == 0
	if rec.body != nil {
		rec.restoreBody()
	}
	rec.record(took, rec.server.own.of(rec.r), settled)
	if settled {
		rec.reuse()
	}
}

// reuse lets go of what a request leads to, but for the faces, and offers the recorder to the next one.
func (rec *recorder) reuse() {
	rec.r, rec.face, rec.body, rec.route.path = nil, nil, nil, ""
	if rec.route.noted {
		rec.route.forget()
	}
	if rec.unused.writersGiven == facesAtOnce {
		rec.moreFaces()
	}
	rec.server.recorders.Put(rec)
}

// record records the request now.
func (rec *recorder) record(took time.Duration, own *attribute.Set, settled bool) {
	ctx := rec.r.Context()
	route := rec.servedBy(settled)
	rec.settleStream(route.name)
	m := measurement{duration: took}
	if rec.streamed {
		m.streamed, m.hijacked = true, rec.hijacked
		m.duration = rec.firstByte - rec.start
		m.lifetime = took - m.duration
		rec.levels().streams.add(ctx, -1)
	}
	m.requestSize, m.responseSize = rec.sizes()
	k := rec.seriesKey()
	rec.server.attempt(func() { route.record(ctx, k, own, &m) })
	rec.server.report()
	if rec.handler.traced {
		annotateSpan(rec.r, route.name, k)
	}
	if rec.batch != nil {
		rec.batch.end()
	} else {
		rec.levels().requests.add(ctx, -1)
	}
}

// seriesKey is the key of the series that the request is of.
func (rec *recorder) seriesKey() seriesKey {
	status, ending := rec.outcome()
	return newSeriesKey(status, ending, rec.method, protocolOf(rec.r.ProtoMajor, rec.r.ProtoMinor), rec.r.TLS != nil)
}

// sizes are those of both bodies.
func (rec *recorder) sizes() (request, response int64) {
	if rec.method == methodHead {
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
	if rec.r.Context().Err() != nil || rec.body != nil || len(rec.server.streams) > 0 {
		rec.decided()
	}
}

// decided does what few responses need when their status is decided.
func (rec *recorder) decided() {
	rec.unsent = clientGone(rec.r.Context())
	if len(rec.server.streams) > 0 {
		rec.headerDecided()
	}
	if rec.body != nil && rec.discardsUnread() {
		rec.restoreBody()
	}
}

// wrote counts n bytes of the response's body.
func (rec *recorder) wrote(n int64) {
	if rec != nil {
		rec.written += n
	}
}

// wasHijacked takes note that the connection is the handler's.
func (rec *recorder) wasHijacked() {
	if rec != nil {
		rec.hijacked = true
		rec.beginStream()
	}
}
