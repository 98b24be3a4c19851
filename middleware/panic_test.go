package middleware_test

import (
	"log"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/duotel/duotel/middleware"
)

// lines is a log whose lines are read as they come.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// deepInTheHandler is what has to be in the stack that the server prints.
func deepInTheHandler(v any) { panic(v) }

// count panics when it is given no map.
func count(m map[int]int) { m[0]++ }

// TestPanicKeepsItsStack wants the server's log to show where a handler panicked, and to say nothing of an abort.
func TestPanicKeepsItsStack(t *testing.T) {
	overChains(t, "", func(t *testing.T, proto protocol, opts []middleware.Option) {
		text := make(lines, 3)
		mux := http.NewServeMux()
		mux.HandleFunc("/panics", func(http.ResponseWriter, *http.Request) { deepInTheHandler("as planned") })
		mux.HandleFunc("/nil", func(http.ResponseWriter, *http.Request) { count(nil) })
		mux.HandleFunc("/aborts", func(http.ResponseWriter, *http.Request) { deepInTheHandler(http.ErrAbortHandler) })
		s := serve(t, proto, newMiddleware(t, newMeters(t), opts...).Handler(mux), func(c *http.Server) { c.ErrorLog = log.New(text, "", 0) })
		fetch(t, s, http.MethodGet, "/aborts", nil)
		for path, want := range map[string][]string{
			"/panics": {"as planned", "deepInTheHandler"},
			"/nil":    {"assignment to entry in nil map", "panic_test.go"},
		} {
			fetch(t, s, http.MethodGet, path, nil)
			line := <-text // an abort would have been logged before
			for _, part := range want {
				if !strings.Contains(line, part) {
					t.Errorf("the log has no %q:\n%s", part, line)
				}
			}
		}
	})
}

// TestGoexit: a handler that ends its goroutine, as a test's does that failed, did not panic.
func TestGoexit(t *testing.T) {
	m := newMeters(t)
	h := newMiddleware(t, m).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { runtime.Goexit() }))
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.ServeHTTP(newPlainWriter(), newRequest(t, "GET", "/"))
	}()
	<-done
	if got := statusAndError(t, m); got != "aborted" {
		t.Errorf("recorded %q, want it aborted", got)
	}
	checkSum(t, m, activeRequests, 0)
}
