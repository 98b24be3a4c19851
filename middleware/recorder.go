package middleware

import (
	"context"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// recorder is the state of one request. The ResponseWriter and the request body that a handler gets
// are faces of it. It is written by whoever writes the response, one at a time as net/http asks, except
// for read: a body may be read by another goroutine, and for longer.
type recorder struct {
	handler *measured
	w       http.ResponseWriter
	r       *http.Request
	body    io.ReadCloser // the request's own, nil where it has none

	start, firstByte time.Duration
	written          int64
	read             atomic.Int64

	route routeTrack

	status      uint16
	method      method
	wroteHeader bool
	unsent      bool // the client was gone when the header was written
	streamed    bool
	hijacked    bool
	done        bool // the handler returned
}

// slabSize is how many recorders are allocated at once.
const slabSize = 32

// slab is an allocation of recorders, of which the first used are given away. None is ever taken back:
// it cannot be proved that a handler did not keep its ResponseWriter, and a reused one would let it
// write into another client's response. Thirty-two requests share one allocation instead.
type slab struct {
	recorders [slabSize]recorder
	used      int
}

var slabs = sync.Pool{New: func() any { return new(slab) }}

// newRecorder returns a recorder that nobody has used.
func newRecorder() *recorder {
	s := slabs.Get().(*slab)
	rec := &s.recorders[s.used]
	s.used++
	if s.used < slabSize {
		slabs.Put(s)
	}
	return rec
}

// epoch makes one reading of the monotonic clock out of what would be two of both clocks.
var epoch = time.Now()

func now() time.Duration { return time.Since(epoch) }

// begin starts to measure r, which h serves.
func (rec *recorder) begin(h *measured, w http.ResponseWriter, r *http.Request) {
	rec.handler, rec.w, rec.r = h, w, r
	rec.method = methodOf(r.Method)
	rec.route.begin(r)
	if r.Body != nil && r.Body != http.NoBody {
		rec.body = r.Body
		r.Body = requestBody{rec}
	}
	rec.level().requests.add(r.Context(), 1)
	rec.start = now()
}

// end records the request. It runs when the handler has returned or panics.
func (rec *recorder) end() {
	s, r := rec.handler.server, rec.r
	m := measurement{duration: now() - rec.start}
	ctx := r.Context()
	rec.restoreBody()
	rec.level().requests.add(ctx, -1)
	route := rec.finalRoute()
	rec.settleStream(route)
	if rec.streamed {
		m.streamed, m.hijacked = true, rec.hijacked
		m.lifetime = m.duration
		m.duration = rec.firstByte - rec.start
		m.lifetime -= m.duration
		rec.level().streams.add(ctx, -1)
	}
	m.requestSize, m.responseSize = rec.requestSize(), rec.written
	if rec.method == methodHead {
		m.responseSize = 0
	}
	k := rec.key(route)
	s.record(ctx, k, &m)
	if rec.handler.traced {
		annotateSpan(r, k)
	}
}

// key names the series the request belongs to.
func (rec *recorder) key(route string) seriesKey {
	r := rec.r
	k := seriesKey{
		route:    route,
		method:   rec.method,
		protocol: protocolOf(r.ProtoMajor, r.ProtoMinor),
		https:    r.TLS != nil,
		own:      rec.handler.server.own.of(r),
	}
	k.status, k.ending = rec.outcome()
	return k
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
