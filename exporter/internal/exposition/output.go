package exposition

import (
	"io"
	"unicode/utf8"
)

const (
	// chunkSize is how much is gathered before the writer is called.
	chunkSize = 64 << 10
	// keepSize is the largest buffer kept for the next encode.
	keepSize = 4 * chunkSize
)

// output is the buffer everything is appended to. It is also the writer expfmt writes to; the extra
// methods are those it looks for before it wraps a writer in a buffer of its own.
type output struct {
	w       io.Writer
	buf     []byte
	written int64
	err     error
}

// spill hands the buffer on when there is a chunk of it.
func (o *output) spill() {
	if len(o.buf) >= chunkSize {
		o.flush()
	}
}

// flush hands the buffer on. After the first error everything else is thrown away.
func (o *output) flush() {
	if o.err == nil && len(o.buf) > 0 {
		var n int
		n, o.err = o.w.Write(o.buf)
		o.written += int64(n)
		if o.err == nil && n < len(o.buf) {
			o.err = io.ErrShortWrite
		}
	}
	o.buf = o.buf[:0]
}

// pass hands on what is too large to be copied into the buffer, in chunks.
func (o *output) pass(p []byte) {
	for len(p) > 0 && o.err == nil {
		n := min(len(p), chunkSize)
		o.buf = append(o.buf, p[:n]...)
		o.flush()
		p = p[n:]
	}
}

func (o *output) Write(p []byte) (int, error) {
	o.buf = append(o.buf, p...)
	o.spill()
	return len(p), o.err
}

func (o *output) WriteString(s string) (int, error) {
	o.buf = append(o.buf, s...)
	o.spill()
	return len(s), o.err
}

func (o *output) WriteByte(c byte) error {
	o.buf = append(o.buf, c)
	return o.err
}

func (o *output) WriteRune(r rune) (int, error) {
	before := len(o.buf)
	o.buf = utf8.AppendRune(o.buf, r)
	return len(o.buf) - before, o.err
}
