package middleware

import (
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// recorder is the state of one request while it is served. The ResponseWriter and the request body that
// a handler gets are its faces. It is written by whoever writes the response, one at a time as net/http
// asks, and serves another request when the handler has returned and nobody has borrowed it.
type recorder struct {
	server *server
	unused faces

	handler *measured
	r       *http.Request
	face    *face
	body    *countedBody // nil where the request has none
	start   time.Duration
	response
	users     atomic.Int32 // who has borrowed it: inner handlers, who may outlast the request
	method    method
	level     int // in levels
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
	writersGiven uint8
	bodiesGiven  uint8
}

// facesAtOnce is how many requests share an allocation. One that lasts, such as a stream, keeps what the
// faces of the others lead to in memory.
const facesAtOnce = 8

func (f *faces) writer(w http.ResponseWriter, rec *recorder) *face {
	i := f.writersGiven % facesAtOnce
	if i == 0 {
		f.writers = new([facesAtOnce]face)
	}
	f.writersGiven = i + 1
	one := &f.writers[i]
	one.w, one.rec = w, rec
	return one
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

// begin starts to measure r, which h serves.
func (rec *recorder) begin(h *measured, w http.ResponseWriter, r *http.Request) {
	rec.handler, rec.r, rec.face = h, r, rec.unused.writer(w, rec)
	rec.method = rec.server.methods.of(r.Method)
	rec.level = levelIndex(rec.method, r.TLS != nil)
	rec.route.begin(r)
	if hasBody(r) {
		rec.countBody()
	}
	rec.count(rec.levels().requests, 1)
	rec.start = now()
}

// levels is where the request counts while it is served.
func (rec *recorder) levels() *levels { return &rec.server.levels[rec.level] }

// count adds n to a level of the request's.
func (rec *recorder) count(l levelOf, n int64) {
	rec.server.attempt(func() { l.add(rec.r.Context(), n) })
}

// end records the request, and offers the recorder to the next one. It runs when the handler has returned or panics.
func (rec *recorder) end() {
	rec.face.ended.Store(true) // first: who borrows looks at it again
	took := now() - rec.start
	alone := rec.users.Load() == 0
	if rec.body != nil {
		rec.restoreBody()
	}
	rec.record(took, alone)
	if alone {
		*rec = recorder{server: rec.server, unused: rec.unused}
		rec.server.recorders.Put(rec)
	}
}

// record records the request. alone says that nobody else is at work on it any more.
func (rec *recorder) record(took time.Duration, alone bool) {
	route := rec.servedBy(alone)
	rec.settleStream(route.name)
	m := measurement{duration: took}
	if rec.streamed {
		m.streamed, m.hijacked = true, rec.hijacked
		m.duration = rec.firstByte - rec.start
		m.lifetime = took - m.duration
		rec.count(rec.levels().streams, -1)
	}
	m.requestSize, m.responseSize = rec.sizes()
	k := rec.seriesKey()
	ctx, own := rec.r.Context(), rec.server.own.of(rec.r)
	rec.server.attempt(func() { route.record(ctx, k, own, &m) })
	if rec.handler.traced {
		annotateSpan(rec.r, route.name, k)
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
