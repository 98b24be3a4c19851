package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/duotel/duotel/discovery"
)

// registrySeat is a place in a registry that is spoken to over HTTP.
type registrySeat struct {
	client    *discovery.Client
	transport *rereadTransport
}

func newRegistrySeat(c DiscoveryConfig, s *SDK) (*registrySeat, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, errors.New("config: Discovery.URL: is not a URL") // Validate has said so
	}
	files := c.client()
	security, err := openReread(s.opts.logger, "a certificate or key of discovery", files.tlsConfig, files.tlsFiles()...)
	if err != nil {
		return nil, fmt.Errorf("config: Discovery: %w", err)
	}
	place := &registrySeat{transport: &rereadTransport{config: security.get}}
	place.client = &discovery.Client{URL: u, Logger: s.opts.logger, HTTP: &http.Client{
		Transport: place.transport,
		// The headers would go along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.HeadersFile == "" {
		return place, nil
	}
	headers, err := openReread(s.opts.logger, "the file of headers of discovery", files.headersFrom, c.HeadersFile)
	if err != nil {
		return nil, fmt.Errorf("config: Discovery.HeadersFile: %w", err)
	}
	place.client.Header = func() http.Header {
		out := http.Header{}
		for name, value := range headers.get() {
			out.Set(name, value.Reveal())
		}
		return out
	}
	return place, nil
}

func (p *registrySeat) sign(ctx context.Context, t discovery.Target, generation uint64) (uint64, error) {
	return p.client.Put(ctx, t, generation)
}

func (p *registrySeat) leave(ctx context.Context, key discovery.Key, generation uint64) error {
	return p.client.Remove(ctx, key, generation)
}

func (p *registrySeat) close(context.Context) error {
	p.transport.closeIdle()
	return nil
}

// rereadTransport makes requests over TLS as the files say it now. When they say something else than before, over new connections.
type rereadTransport struct {
	config func() *tls.Config

	mu   sync.Mutex
	last *tls.Config
	over *http.Transport
}

// RoundTrip implements [http.RoundTripper].
func (r *rereadTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.current().RoundTrip(req)
}

func (r *rereadTransport) current() *http.Transport {
	config := r.config() // reads files: no lock is held
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over == nil || config != r.last {
		if r.over != nil {
			r.over.CloseIdleConnections()
		}
		r.last, r.over = config, &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute}
	}
	return r.over
}

func (r *rereadTransport) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over != nil {
		r.over.CloseIdleConnections()
	}
}
