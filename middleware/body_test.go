package middleware_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestRequestSizeIsWhatWasRead sends ten bytes to handlers that read some of them, after a Content-Length and
// in chunks, which announce nothing.
func TestRequestSizeIsWhatWasRead(t *testing.T) {
	const body = "0123456789"
	tests := []struct {
		read      int64
		announced bool
		want      float64
	}{
		{read: 10, announced: true, want: 10},
		{read: 4, announced: true, want: 4},
		{read: 0, announced: true, want: 10},
		{read: 10, want: 10},
		{read: 4, want: 4},
		{read: 0, want: 0},
	}
	for _, tt := range tests {
		overAll(t, fmt.Sprintf("read %d announced %t", tt.read, tt.announced), func(t *testing.T, proto protocol) {
			m := newMeters(t)
			s := serve(t, proto, newMiddleware(t, m).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if announced := r.ContentLength == int64(len(body)); announced != tt.announced {
					t.Errorf("the handler was told of %d bytes, want them announced: %t", r.ContentLength, tt.announced)
				}
				if n, err := io.CopyN(io.Discard, r.Body, tt.read); err != nil {
					t.Errorf("the handler read %d bytes: %v", n, err)
				}
			})))
			var sent io.Reader = strings.NewReader(body)
			if !tt.announced {
				sent = struct{ io.Reader }{sent} // of a length that the client cannot know
			}
			if status, answer := fetch(t, s, http.MethodPost, "/", sent); status != http.StatusOK {
				t.Errorf("the client got %d %s", status, answer)
			}
			s.Close()
			checkSum(t, m, requestSize, tt.want)
		})
	}
}
