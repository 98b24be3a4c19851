package sd

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// refusal is one kind of request that was not served, and how often that was so.
type refusal struct {
	refused
	First, Last time.Time
	Count       int
}

// refused is what tells refusals apart.
type refused struct {
	Client, Method, Path, Reason string
	Status                       int
}

// refusals are the last registrations that were refused, for the page. A client that repeats itself has one entry.
type refusals struct {
	mu   sync.Mutex
	last map[refused]*refusal
}

const (
	maxRefusals      = 50  // that are kept
	maxRefusalReason = 500 // bytes of what the client was told
	maxRefusalPath   = 200
)

// watch takes note of what next refuses.
func (r *refusals) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		watched := &watchedWriter{ResponseWriter: w}
		next.ServeHTTP(watched, req)
		// What is not there any more was asked to go: two who say goodbye for the same target are no news.
		if watched.status < 400 || watched.status == http.StatusNotFound {
			return
		}
		client, _, err := net.SplitHostPort(req.RemoteAddr)
		if err != nil {
			client = req.RemoteAddr
		}
		r.add(refused{client, req.Method, shorten(req.URL.Path, maxRefusalPath), strings.TrimSpace(shorten(string(watched.text), maxRefusalReason)), watched.status}, time.Now())
	})
}

func (r *refusals) add(key refused, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = map[refused]*refusal{}
	}
	if known := r.last[key]; known != nil {
		known.Last, known.Count = now, known.Count+1
		return
	}
	if len(r.last) >= maxRefusals {
		oldest := slices.MinFunc(r.list(), func(a, b refusal) int { return a.Last.Compare(b.Last) })
		delete(r.last, oldest.refused)
	}
	r.last[key] = &refusal{refused: key, First: now, Last: now, Count: 1}
}

// list copies the entries. The caller holds the lock.
func (r *refusals) list() []refusal {
	out := make([]refusal, 0, len(r.last))
	for _, known := range r.last {
		out = append(out, *known)
	}
	return out
}

// recent returns what was refused, the latest first.
func (r *refusals) recent() []refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.list()
	slices.SortFunc(out, func(a, b refusal) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Client, b.Client))
	})
	return out
}

func shorten(text string, bytes int) string {
	if len(text) > bytes {
		text = text[:bytes] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// watchedWriter keeps the status, and the beginning of the text of an error.
type watchedWriter struct {
	http.ResponseWriter
	status int
	text   []byte
}

// WriteHeader implements [http.ResponseWriter].
func (w *watchedWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (w *watchedWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if w.status >= 400 && len(w.text) <= maxRefusalReason {
		w.text = append(w.text, p[:min(len(p), maxRefusalReason+1-len(w.text))]...)
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for [http.ResponseController].
func (w *watchedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
