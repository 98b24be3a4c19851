package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// routes are the service: each shows something else of what the middleware measures.
type routes struct {
	uploaded metric.Int64Counter
	streams  context.Context // ends when the server stops, which a stream would otherwise outlive
}

// newRoutes makes the service's own instrument. A bad name would be an error and a working no-op
// instrument, so there is nothing to handle.
func newRoutes(provider metric.MeterProvider, streams context.Context) *routes {
	uploaded, _ := provider.Meter("demo").Int64Counter("demo.uploaded",
		metric.WithUnit("By"), metric.WithDescription("Bytes received by /upload."))
	return &routes{uploaded: uploaded, streams: streams}
}

func (s *routes) mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /fast", s.fast)
	mux.HandleFunc("GET /slow", s.slow)
	mux.HandleFunc("GET /fail", s.fail)
	mux.HandleFunc("GET /panic", s.panics)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("POST /upload", s.upload)
}

func (s *routes) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprint(w, "GET /fast\nGET /slow\nGET /fail\nGET /panic\nGET /events\nPOST /upload\nGET /metrics\n")
}

func (s *routes) fast(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "fast")
}

// slow takes 50 to 250 ms.
func (s *routes) slow(w http.ResponseWriter, r *http.Request) {
	if pause(r.Context(), 50*time.Millisecond+rand.N(200*time.Millisecond)) {
		fmt.Fprintln(w, "slow")
	}
}

func (s *routes) fail(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this route fails", http.StatusInternalServerError)
}

func (s *routes) panics(http.ResponseWriter, *http.Request) {
	panic("this route panics")
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
