package middleware_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
)

// newUpload is a request with a body of ten bytes.
func newUpload(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRequestSizeWhenTheResponseIsFirst has transports that go on with the body when the response has ended, as they may.
func TestRequestSizeWhenTheResponseIsFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(body io.ReadCloser)
		want float64
	}{
		"read to the end":        {func(body io.ReadCloser) { _, _ = io.Copy(io.Discard, body) }, 10},
		"read and closed":        {func(body io.ReadCloser) { _, _ = io.Copy(io.Discard, body); body.Close() }, 10},
		"closed in the middle":   {func(body io.ReadCloser) { _, _ = io.CopyN(io.Discard, body, 4); body.Close() }, 4},
		"closed, and not read":   {func(body io.ReadCloser) { body.Close() }, 0},
		"closed more than once":  {func(body io.ReadCloser) { body.Close(); body.Close() }, 0},
		"one byte after another": {func(body io.ReadCloser) { _, _ = io.CopyBuffer(io.Discard, body, make([]byte, 1)); body.Close() }, 10},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeters(t)
			goOn, done := make(chan struct{}), make(chan struct{})
			rt := newTransport(t, m, roundTripper(func(r *http.Request) (*http.Response, error) {
				go func() {
					defer close(done)
					<-goOn
					tt.then(r.Body)
				}()
				return &http.Response{StatusCode: http.StatusRequestEntityTooLarge, Body: io.NopCloser(strings.NewReader("no"))}, nil
			}))
			res, err := rt.RoundTrip(newUpload(t, "http://example.com/"))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			checkSum(t, m, clientActive, 0)
			checkSum(t, m, clientResponseSize, 2)
			if got := m.points(t, clientRequestSize); len(got) != 0 {
				t.Errorf("the size is recorded while it grows: %+v", got)
			}
			close(goOn)
			<-done
			checkSum(t, m, clientRequestSize, tt.want)
			if got := m.points(t, clientRequestSize); got[0].count != 1 {
				t.Errorf("the size is recorded %d times", got[0].count)
			}
		})
	}
}

// TestRequestSizeWhenItIsSentAgain has a transport that finds its connection closed, and asks for the body once more.
func TestRequestSizeWhenItIsSentAgain(t *testing.T) {
	for name, closes := range map[string]bool{"closed before": true, "closed never": false} {
		t.Run(name, func(t *testing.T) {
			m := newMeters(t)
			rt := newTransport(t, m, roundTripper(func(r *http.Request) (*http.Response, error) {
				_, _ = io.CopyN(io.Discard, r.Body, 3)
				if closes {
					r.Body.Close()
				}
				again, err := r.GetBody()
				if err != nil {
					return nil, err
				}
				_, _ = io.Copy(io.Discard, again)
				again.Close()
				return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
			}))
			if _, err := rt.RoundTrip(newUpload(t, "http://example.com/")); err != nil {
				t.Fatal(err)
			}
			checkSum(t, m, clientRequestSize, 10)
		})
	}
}

// TestRequestSizeOfFailures: what was sent before it failed counts too.
func TestRequestSizeOfFailures(t *testing.T) {
	for name, fail := range map[string]func() (*http.Response, error){
		"error": func() (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
		"panic": func() (*http.Response, error) { panic("as planned") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeters(t)
			rt := newTransport(t, m, roundTripper(func(r *http.Request) (*http.Response, error) {
				_, _ = io.CopyN(io.Discard, r.Body, 3)
				if name == "error" {
					r.Body.Close()
				}
				return fail()
			}))
			func() {
				defer func() { _ = recover() }()
				_, _ = rt.RoundTrip(newUpload(t, "http://example.com/"))
			}()
			checkSum(t, m, clientRequestSize, 3)
		})
	}
}

// TestResponseSizeIsWhatWasTransferred: a transport that decompresses does not say how much it received, so nothing is
// recorded. A client that decompresses itself has the compressed body.
func TestResponseSizeIsWhatWasTransferred(t *testing.T) {
	const plain, packed = 100_000, 150
	for name, tt := range map[string]struct {
		accept     string
		compressed bool
		most       float64
		recorded   bool
	}{
		"decompressed by the transport": {"", true, 0, false},
		"decompressed by the caller":    {"gzip", true, packed, true},
		"not compressed":                {"", false, plain, true},
	} {
		overAll(t, name, func(t *testing.T, proto protocol) {
			m := newMeters(t)
			s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				to := io.Writer(w)
				if tt.compressed {
					w.Header().Set("Content-Encoding", "gzip")
					zip := gzip.NewWriter(w)
					defer zip.Close()
					to = zip
				}
				_, _ = io.WriteString(to, strings.Repeat("a", plain))
			}))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tt.accept != "" {
				r.Header.Set("Accept-Encoding", tt.accept)
			}
			c := &http.Client{Transport: newTransport(t, m, s.Client().Transport)}
			send(t, c, r)
			c.CloseIdleConnections()
			got := m.points(t, clientResponseSize)
			if (len(got) > 0) != tt.recorded || (tt.recorded && (got[0].sum > tt.most || got[0].sum == 0)) {
				t.Errorf("recorded %+v, want it recorded: %t, and at most %g bytes", got, tt.recorded, tt.most)
			}
			checkSum(t, m, clientActive, 0)
		})
	}
}
