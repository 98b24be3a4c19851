package middleware

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// recorder is the state of one request while it is served. The ResponseWriter and the request body that
// a handler gets are its faces. It is written by whoever writes the response, one at a time as net/http
// asks, and serves another request when the handler has returned and nobody has borrowed it.
type recorder struct {
	batch   *batch // nil where measurements may not wait
	unused  faces
	handler *measured
	face    *face
	r       *http.Request
	body    *countedBody // nil where the request has none
	start   time.Duration
	response
	users  atomic.Int32 // who has borrowed it: inner handlers, who may outlast the request
	method method
	level  uint8 // in levels
	route  routeTrack
}

// response is what is known of the answer.
type response struct {
	firstByte   time.Duration
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
	writers []face
	bodies  []countedBody
}

// facesAtOnce is how many requests share an allocation. One that lasts, such as a stream, keeps what the
// faces of the others lead to in memory.
const facesAtOnce = 8

func (f *faces) writer(w http.ResponseWriter, rec *recorder) *face {
	if len(f.writers) == 0 {
		f.writers = make([]face, facesAtOnce)
	}
	one := &f.writers[0]
	f.writers = f.writers[1:]
	one.w, one.server, one.rec = w, rec.handler.server, rec
	return one
}

func (f *faces) body(of io.ReadCloser) *countedBody {
	if len(f.bodies) == 0 {
		f.bodies = make([]countedBody, facesAtOnce)
	}
	one := &f.bodies[0]
	f.bodies = f.bodies[1:]
	one.ReadCloser = of
	return one
}

// epoch makes one reading of the monotonic clock out of what would be two of both clocks.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// begin starts to measure r, which h serves. What end did not clear of the request before is overwritten.
func (rec *recorder) begin(h *measured, w http.ResponseWriter, r *http.Request) {
	rec.handler, rec.r = h, r
	rec.face = rec.unused.writer(w, rec)
	rec.response = response{}
	rec.method = methodOf(r.Method)
	rec.route.begin(r)
	if r.Body != nil && r.Body != http.NoBody {
		rec.countBody()
	}
	rec.level = levelIndex(rec.method, r.TLS != nil)
	if rec.batch != nil {
		rec.batch.begin(rec.level)
	} else {
		rec.levels().requests.add(r.Context(), 1)
	}
	rec.start = now()
}

// levels is where the request counts while it is served.
func (rec *recorder) levels() *levels { return &rec.handler.server.levels[rec.level] }

// end records the request, or has that done later. It runs when the handler has returned or panics.
func (rec *recorder) end() {
	rec.face.ended.Store(true) // first: who borrows looks at it again
	settled := rec.users.Load() == 0
	took := now() - rec.start
	rec.restoreBody()
	own := rec.handler.server.own.of(rec.r)
	if settled && own == nil && rec.handler.later && !rec.streamed && rec.routeIsPlain() {
		rec.postpone(took)
	} else {
		rec.record(took, own, settled)
	}
	if settled {
		rec.r, rec.face, rec.body, rec.route = nil, nil, nil, routeTrack{}
		rec.handler.server.recorders.Put(rec)
	}
}

// postpone has the request recorded later.
func (rec *recorder) postpone(took time.Duration) {
	e := rec.batch.next()
	e.duration = took
	e.name, e.told = rec.route.set, true
	if e.name == "" {
		e.name, e.told = rec.r.Pattern, false
	}
	e.root = rec.route.path == "/"
	e.requestSize, e.responseSize = rec.sizes()
	e.key = rec.seriesKey()
	rec.batch.add()
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
	rec.handler.server.attempt(func() { route.record(ctx, k, own, &m) })
	rec.handler.server.report()
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
	if rec == nil || rec.wroteHeader || rec.hijacked || informational || code > 999 {
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
