package main

import (
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// share is a part of the load: weight of a hundred requests, on average.
type share struct {
	weight       int
	method, path string
}

// traffic is what the load sends. What is missing to a hundred goes to /fast.
var traffic = map[health][]share{
	mixed: {
		{15, http.MethodGet, "/slow"},
		{8, http.MethodGet, "/fail"},
		{3, http.MethodGet, panicPath},
		{10, http.MethodPost, "/upload"},
		{2, http.MethodGet, "/events"},
		{4, http.MethodGet, "/relay"},
		{2, http.MethodGet, "/no-such-page"},
	},
	healthy: {
		{15, http.MethodGet, "/slow"},
		{10, http.MethodPost, "/upload"},
		{2, http.MethodGet, "/events"},
		{4, http.MethodGet, "/relay"},
	},
	sick: {
		{30, http.MethodGet, "/slow"},
		{25, http.MethodGet, "/fail"},
		{5, http.MethodGet, panicPath},
		{10, http.MethodPost, "/upload"},
		{2, http.MethodGet, "/events"},
		{4, http.MethodGet, "/relay"},
		{2, http.MethodGet, "/no-such-page"},
	},
}

const panicPath = "/panic"

// maxInFlight bounds what the load has open; a request that finds no room is left out.
const maxInFlight = 256

// load sends requests at a steady rate until it is stopped.
type load struct {
	base   string
	shares []share
	client *http.Client
	// once uses no connection twice. A GET that dies on a used one is sent again by net/http, unasked,
	// and the route that panics would be called several times for each request.
	once   *http.Client
	cancel context.CancelFunc
	room   chan struct{}
	done   sync.WaitGroup
}

// answerTimeout bounds one request of the load.
const answerTimeout = 10 * time.Second

// startLoad sends rate requests a second to base, as is usual for a service of this health; none when rate is 0.
func startLoad(base string, h health, rate int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{
		base:   base,
		shares: traffic[h],
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxInFlight}, Timeout: answerTimeout},
		once:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: answerTimeout},
		cancel: cancel,
		room:   make(chan struct{}, maxInFlight),
	}
	if rate > 0 {
		l.done.Go(func() { l.tick(ctx, rate) })
	}
	return l
}

// stop sends nothing more and waits for the answers to what was sent.
func (l *load) stop() {
	l.cancel()
	l.done.Wait()
	l.client.CloseIdleConnections()
}

func (l *load) tick(ctx context.Context, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case l.room <- struct{}{}:
			l.done.Go(func() {
				defer func() { <-l.room }()
				l.send()
			})
		default:
		}
	}
}

// send does not mind how a request ends: some of the routes are there to fail.
func (l *load) send() {
	method, path := pick(l.shares, rand.IntN(100))
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader(strings.Repeat("x", rand.IntN(64<<10)))
	}
	req, err := http.NewRequest(method, l.base+path, body)
	if err != nil {
		return
	}
	client := l.client
	if path == panicPath {
		client = l.once
	}
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// pick chooses by weight, for n from 0 to 99.
func pick(shares []share, n int) (method, path string) {
	for _, t := range shares {
		if n < t.weight {
			return t.method, t.path
		}
		n -= t.weight
	}
	return http.MethodGet, "/fast"
}
