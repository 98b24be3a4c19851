package middleware

// A response is a stream from its first Flush, unless its route is named by [WithStreamed] or
// [WithUnstreamed]. The route is known before the handler runs, or when an inner router has told it at the
// end; correctStream makes up for the second.

// beginStream marks the first byte of a streamed or hijacked response.
func (rec *recorder) beginStream() {
	if rec.streamed {
		return
	}
	rec.streamed = true
	rec.firstByte = now()
	rec.count(rec.levels().streams, 1)
}

// flushed begins a stream where the route does not say that it is none.
func (rec *recorder) flushed() {
	if rec == nil || rec.streamed {
		return
	}
	if streams := rec.server.streams; len(streams) > 0 {
		if streamed, told := streams[rec.finalRoute()]; told && !streamed {
			return
		}
	}
	rec.beginStream()
}

// headerDecided begins a stream where the route says that it is one.
func (rec *recorder) headerDecided() {
	rec.firstByte = now()
	if rec.server.streams[rec.finalRoute()] {
		rec.beginStream()
	}
}

// correctStream corrects what was decided while the route was not known.
func (rec *recorder) correctStream(route string) {
	streams := rec.server.streams
	if len(streams) == 0 {
		return
	}
	streamed, told := streams[route]
	switch {
	case !told || streamed == rec.streamed || rec.hijacked:
	case streamed && rec.wroteHeader:
		first := rec.firstByte
		rec.beginStream()
		rec.firstByte = first
	case !streamed:
		rec.streamed = false
		rec.count(rec.levels().streams, -1)
	}
}
