package middleware

import (
	"io"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// NewTransport returns base, measured: http.client.request.duration until the response's header is
// there, http.client.active_requests until its body was read to the end or closed, and the sizes of both
// bodies: of the request's what was sent when the transport is done with it, of the response's what was received, or nothing where the
// transport decompressed it. Every attempt counts, so a redirect that an [http.Client] follows is a request of its own. The
// server's address and port are those of the URL; its path is on no series, but see [WithURLTemplate]. With [WithTracerProvider] the requests get spans, and
// carry them on.
//
// base may be nil: [http.DefaultTransport]. Every invalid option, and every instrument the meter provider
// refuses, is in the error. The RoundTripper is safe for concurrent use.
func NewTransport(base http.RoundTripper, opts ...Option) (http.RoundTripper, error) {
	if base == nil {
		base = http.DefaultTransport
	}
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	c, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	t := &transport{base: base, next: &measuredTransport{client: c, next: base}}
	if cfg.tracers != nil {
		t.next = otelhttp.NewTransport(t.next, cfg.otelhttpOptions()...)
	}
	return t, nil
}

// transport is the chain of round trippers, with what an [http.Client] looks for at its end.
type transport struct {
	next, base http.RoundTripper
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) { return t.next.RoundTrip(r) }

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// measuredTransport measures one attempt.
type measuredTransport struct {
	client *client
	next   http.RoundTripper
}

func (t *measuredTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	a := &attempt{client: t.client, ctx: r.Context(), request: r, target: t.client.targetOf(r)}
	if hasBody(r) {
		// A RoundTripper may not touch the caller's request.
		r = a.counted(r)
	}
	a.begin()
	done := false
	defer func() {
		if !done {
			a.failed("panic")
			a.sent.Load().finish() // nobody will close it
		}
	}()
	res, err := t.next.RoundTrip(r)
	done = true
	if err != nil || res == nil {
		a.failed(transportError(err))
		return res, err
	}
	a.answered(res)
	return res, nil
}

// counted returns a copy of r whose body, and every further one that the transport asks for to send the request again, is
// counted.
func (a *attempt) counted(r *http.Request) *http.Request {
	c := *r
	c.Body = a.newBody(r.Body)
	if r.GetBody != nil {
		c.GetBody = func() (io.ReadCloser, error) {
			body, err := r.GetBody()
			if err != nil {
				return nil, err
			}
			return a.newBody(body), nil
		}
	}
	return &c
}

// newBody counts what is read of a body, in the place of the one before.
func (a *attempt) newBody(of io.ReadCloser) *sentBody {
	b := &sentBody{ReadCloser: of, attempt: a}
	a.holders.Add(1)
	a.sent.Swap(b).finish()
	return b
}

// sentBody counts what the transport reads of a request's body, on a goroutine of its own. It may go on with that when the
// response has ended, until it has read everything or closes the body.
type sentBody struct {
	io.ReadCloser
	attempt *attempt
	size    atomic.Int64
	over    atomic.Bool
}

func (b *sentBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size.Add(int64(n))
	if err != nil {
		b.finish()
	}
	return n, err
}

func (b *sentBody) Close() error {
	defer b.finish()
	return b.ReadCloser.Close()
}

// finish says that nothing more is read of the body, which may be nil.
func (b *sentBody) finish() {
	if b != nil && !b.over.Swap(true) {
		b.attempt.release()
	}
}

// receivedBody counts what is read of a response's body, and ends the attempt.
type receivedBody struct {
	io.ReadCloser
	attempt *attempt
}

func (b *receivedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.attempt.received.Add(int64(n))
	if err != nil {
		b.attempt.end()
	}
	return n, err
}

func (b *receivedBody) Close() error {
	b.attempt.end()
	return b.ReadCloser.Close()
}

// switchedBody is the body of a 101, which is written to as well. Its bytes belong to another protocol.
type switchedBody struct {
	io.ReadWriteCloser
	attempt *attempt
}

func (b *switchedBody) Close() error {
	b.attempt.end()
	return b.ReadWriteCloser.Close()
}
