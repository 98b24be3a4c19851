package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/duotel/duotel/middleware"
)

const (
	clientDuration     = "http.client.request.duration"
	clientActive       = "http.client.active_requests"
	clientRequestSize  = "http.client.request.body.size"
	clientResponseSize = "http.client.response.body.size"
)

func newTransport(t *testing.T, m *meters, base http.RoundTripper) http.RoundTripper {
	t.Helper()
	rt, err := middleware.NewTransport(base, middleware.WithMeterProvider(m))
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

func TestTransport(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			m := newMeters(t)
			s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, "short and stout")
			}))
			c := &http.Client{Transport: newTransport(t, m, s.Client().Transport)}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/pots/7", bytes.NewReader([]byte("water")))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "spoofed.example"
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			checkSum(t, m, clientActive, 1)
			if text, err := io.ReadAll(res.Body); err != nil || string(text) != "short and stout" {
				t.Errorf("the answer is %q, %v", text, err)
			}
			checkSum(t, m, clientActive, 0)
			res.Body.Close()
			c.CloseIdleConnections()

			u, _ := url.Parse(s.URL)
			want := map[attribute.Key]string{
				"http.request.method": "POST", "url.scheme": proto.scheme, "server.address": u.Hostname(), "server.port": u.Port(),
				"network.protocol.version": proto.version, "http.response.status_code": "418", "error.type": "418",
			}
			ps := m.points(t, clientDuration)
			if len(ps) != 1 || ps[0].count != 1 {
				t.Fatalf("recorded %+v, want one request", ps)
			}
			got := labels(ps[0].attrs)
			if len(got) != len(want) {
				t.Errorf("recorded %v, want %v", got, want)
			}
			for k, v := range want {
				if got[k] != v {
					t.Errorf("%s is %q, want %q", k, got[k], v)
				}
			}
			checkSum(t, m, clientRequestSize, 5)
			checkSum(t, m, clientResponseSize, 15)
			checkSum(t, m, clientActive, 0)
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTransportErrorType(t *testing.T) {
	plain := serve(t, http1, leaf)
	secure := serve(t, http2, leaf)
	const closed = "127.0.0.1:1" // nobody's: a port that was just closed may be given to another process
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	expired, cancel2 := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel2()
	dns := roundTripper(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
	})
	tests := []struct {
		want string
		ctx  context.Context
		base http.RoundTripper
		url  string
	}{
		{"canceled", canceled, nil, plain.URL},
		{"timeout", expired, nil, plain.URL},
		{"dns", nil, dns, "http://nowhere.example"},
		{"connection_refused", nil, nil, "http://" + closed},
		{"tls", nil, nil, secure.URL},
		{"_OTHER", nil, nil, "gopher://" + closed},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			m := newMeters(t)
			c := &http.Client{Transport: newTransport(t, m, tt.base)}
			defer c.CloseIdleConnections()
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if res, err := c.Do(r); err == nil {
				res.Body.Close()
				t.Fatal("the request succeeded")
			}
			ps := m.points(t, clientDuration)
			if len(ps) != 1 || ps[0].label("error.type") != tt.want {
				t.Errorf("recorded %+v, want one request with error.type %q", ps, tt.want)
			}
			checkSum(t, m, clientActive, 0)
		})
	}
}

// TestTransportKeepsProtocolSwitch wants the body of a 101 to stay writable.
func TestTransportKeepsProtocolSwitch(t *testing.T) {
	m := newMeters(t)
	near, far := net.Pipe()
	defer far.Close()
	rt := newTransport(t, m, roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusSwitchingProtocols, Body: near}, nil
	}))
	res, err := rt.RoundTrip(newRequest(t, "GET", "http://example.com/"))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := res.Body.(io.ReadWriteCloser); !ok {
		t.Errorf("the body is a %T, which cannot be written to", res.Body)
	}
	checkSum(t, m, clientActive, 1)
	res.Body.Close()
	checkSum(t, m, clientActive, 0)
}

func TestTransportPanic(t *testing.T) {
	m := newMeters(t)
	want := errors.New("as planned")
	rt := newTransport(t, m, roundTripper(func(*http.Request) (*http.Response, error) { panic(want) }))
	func() {
		defer func() {
			if got := recover(); got != want {
				t.Errorf("the panic came out as %v", got)
			}
		}()
		_, _ = rt.RoundTrip(newRequest(t, "GET", "http://example.com/"))
	}()
	if ps := m.points(t, clientDuration); len(ps) != 1 || ps[0].label("error.type") != "panic" {
		t.Errorf("recorded %+v, want one panic", ps)
	}
	checkSum(t, m, clientActive, 0)
}

// retrying sends a request again while the server is not ready, as libraries for it do.
type retrying struct{ http.RoundTripper }

func (r retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	for {
		again := req.Clone(req.Context())
		again.Body, _ = req.GetBody()
		res, err := r.RoundTripper.RoundTrip(again)
		if err != nil || res.StatusCode != http.StatusServiceUnavailable {
			return res, err
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
}

// TestRetriesAreAttempts counts as the conventions say: each sending of a request is one, with the status that
// it got and the bytes that it took.
func TestRetriesAreAttempts(t *testing.T) {
	for _, proto := range protocols {
		t.Run(proto.name, func(t *testing.T) {
			m := newMeters(t)
			tries := 0
			s := serve(t, proto, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				if tries++; tries < 3 {
					http.Error(w, "later", http.StatusServiceUnavailable)
				}
			}))
			c := &http.Client{Transport: retrying{newTransport(t, m, s.Client().Transport)}}
			res, err := c.Post(s.URL, "text/plain", strings.NewReader("order"))
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			c.CloseIdleConnections()
			for name, want := range map[string]map[string]float64{
				clientDuration: nil, clientRequestSize: {"200 ": 5, "503 503": 10}, clientResponseSize: {"200 ": 0, "503 503": 12},
			} {
				counts, sums := outcomes(t, m, name)
				if !maps.Equal(counts, map[string]uint64{"200 ": 1, "503 503": 2}) || want != nil && !maps.Equal(sums, want) {
					t.Errorf("%s counts %v with sums %v, want two failures and a success with %v", name, counts, sums, want)
				}
			}
			checkSum(t, m, clientActive, 0)
		})
	}
}

// outcomes are the series of one instrument by status and error.type.
func outcomes(t *testing.T, m *meters, name string) (counts map[string]uint64, sums map[string]float64) {
	t.Helper()
	counts, sums = map[string]uint64{}, map[string]float64{}
	for _, p := range m.points(t, name) {
		outcome := p.label("http.response.status_code") + " " + p.label("error.type")
		counts[outcome] += p.count
		sums[outcome] += p.sum
	}
	return counts, sums
}
