package service

import (
	"fmt"
	"io"
	"net/http"
)

// Routes are what the service serves besides /metrics.
func Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, r.PathValue("id")) })
	mux.HandleFunc("GET /fail", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this route fails", http.StatusInternalServerError)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			w.WriteHeader(http.StatusCreated)
		}
	})
}

// Traffic is what one round of [Load.Round] sends: a method, a path and how many.
var Traffic = []struct {
	Method, Path string
	Count        int
}{
	{http.MethodGet, "/items/7", 12},
	{http.MethodGet, "/fail", 3},
	{http.MethodGet, "/panic", 2},
	{http.MethodPost, "/upload", 4},
	{http.MethodGet, "/no-such-page", 2},
}
