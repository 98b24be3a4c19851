package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/duotel/duotel/telemetry"
)

// routes are the service: each shows something else of what the middleware measures.
type routes struct {
	uploaded metric.Int64Counter
	client   *http.Client // measured
	health   health
	streams  context.Context // ends when the server stops, which a stream would otherwise outlive
}

// newRoutes makes the service's own instrument. A bad name would be an error and a working no-op
// instrument, so there is nothing to handle.
func newRoutes(sdk *telemetry.SDK, h health, streams context.Context) *routes {
	uploaded, _ := sdk.MeterProvider().Meter("demo").Int64Counter("demo.uploaded",
		metric.WithUnit("By"), metric.WithDescription("Bytes received by /upload."))
	client := &http.Client{Transport: sdk.Transport(nil), Timeout: answerTimeout}
	return &routes{uploaded: uploaded, client: client, health: h, streams: streams}
}

func (s *routes) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /fast", s.fast)
	mux.HandleFunc("GET /slow", s.slow)
	mux.HandleFunc("GET /fail", s.fail)
	mux.HandleFunc("GET /panic", s.panics)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /relay", s.relay)
	mux.HandleFunc("POST /upload", s.upload)
}

func (s *routes) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, "GET /fast\nGET /slow\nGET /fail\nGET /panic\nGET /events\nGET /relay\nPOST /upload\nGET /metrics\n")
}

func (s *routes) fast(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "fast")
}

// slow takes 50 to 250 ms, and over a second when the service is sick.
func (s *routes) slow(w http.ResponseWriter, r *http.Request) {
	d := 50*time.Millisecond + rand.N(200*time.Millisecond)
	if s.health == sick {
		d += time.Second
	}
	if pause(r.Context(), d) {
		fmt.Fprintln(w, "slow")
	}
}

func (s *routes) fail(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this route fails", http.StatusInternalServerError)
}

func (s *routes) panics(http.ResponseWriter, *http.Request) {
	panic("this route panics")
}

// relay is a client of /fast, so that what a service calls can be seen too, and of /fail when the service is sick.
func (s *routes) relay(w http.ResponseWriter, r *http.Request) {
	at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	path := "/fast"
	if s.health == sick {
		path = "/fail"
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+at.String()+path, nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	resp, err := s.client.Do(req)
	if err != nil {
		http.Error(w, "no answer from "+path, http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	_, _ = io.Copy(w, resp.Body)
}

// maxUpload is the largest body /upload takes, in bytes.
const maxUpload = 1 << 20

func (s *routes) upload(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, maxUpload))
	s.uploaded.Add(r.Context(), n)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, fmt.Sprintf("at most %d bytes", maxUpload), http.StatusRequestEntityTooLarge)
	case err != nil:
		http.Error(w, "the body did not arrive", http.StatusBadRequest)
	default:
		w.WriteHeader(http.StatusCreated)
	}
}

const (
	eventCount = 10
	eventEvery = 200 * time.Millisecond
)

// events is an event stream of two seconds.
func (s *routes) events(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.streams, cancel)()
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	for i := range eventCount {
		fmt.Fprintf(w, "data: event %d\n\n", i+1)
		if stream.Flush() != nil || !pause(ctx, eventEvery) {
			return
		}
	}
}

// pause is false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
