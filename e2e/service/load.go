package service

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// Load sends requests to a service and counts them. Its methods are for one goroutine, [Load.Sent] for any.
type Load struct {
	base string
	// Each request has a connection of its own: net/http sends a GET that died on a used one again,
	// unasked, and the route that panics would be called more often than it was counted.
	client *http.Client
	sent   atomic.Int64
}

// NewLoad returns a load for the service at base.
func NewLoad(base string) *Load {
	return &Load{base: base, client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}}
}

// Sent is the number of requests so far.
func (l *Load) Sent() int64 { return l.sent.Load() }

// Round sends [Traffic] once, and returns when everything is answered.
func (l *Load) Round(ctx context.Context) {
	for _, t := range Traffic {
		for range t.Count {
			l.Send(ctx, t.Method, t.Path)
		}
	}
}

// Send sends one request and waits for its answer. How it ends does not matter: some routes are there to fail.
func (l *Load) Send(ctx context.Context, method, path string) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(strings.Repeat("x", 5000))
	}
	req, err := http.NewRequestWithContext(ctx, method, l.base+path, body)
	if err != nil {
		return
	}
	l.sent.Add(1)
	resp, err := l.client.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}
