package middleware_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/duotel/duotel/middleware"
)

// methodsOf are the methods of an instrument's series.
func methodsOf(tb testing.TB, m *meters, name string) (got []string) {
	tb.Helper()
	for _, p := range m.points(tb, name) {
		got = append(got, p.label("http.request.method"))
	}
	slices.Sort(got)
	return slices.Compact(got)
}

// TestKnownMethods sends WebDAV's methods, one nobody knows, and GET in small letters.
func TestKnownMethods(t *testing.T) {
	webdav := append(middleware.DefaultKnownMethods(), "PROPFIND", "MKCOL")
	for name, tt := range map[string]struct {
		opts []middleware.Option
		want []string
	}{
		"default":    {nil, []string{"GET", "HEAD", "QUERY", "_OTHER"}},
		"WebDAV":     {[]middleware.Option{middleware.WithKnownMethods(webdav...)}, []string{"GET", "HEAD", "MKCOL", "PROPFIND", "QUERY", "_OTHER"}},
		"one only":   {[]middleware.Option{middleware.WithKnownMethods("PROPFIND")}, []string{"PROPFIND", "_OTHER"}},
		"small ones": {[]middleware.Option{middleware.WithKnownMethods("get")}, []string{"_OTHER", "get"}},
	} {
		overAll(t, name, func(t *testing.T, proto protocol) {
			m := newMeters(t)
			s := serve(t, proto, newMiddleware(t, m, tt.opts...).Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("0123456789"))
			})))
			for _, method := range []string{"GET", "PROPFIND", "MKCOL", "BREW", "get", "HEAD", "QUERY"} {
				fetch(t, s, method, "/", nil)
			}
			s.Close()
			for _, instrument := range []string{requestDuration, activeRequests} {
				if got := methodsOf(t, m, instrument); !slices.Equal(got, tt.want) {
					t.Errorf("%s has the methods %q, want %q", instrument, got, tt.want)
				}
			}
			checkTotal(t, m, responseSize, 60) // HEAD has no body, whether it is known or not
		})
	}
}

func TestKnownMethodsOfClients(t *testing.T) {
	m := newMeters(t)
	rt, err := middleware.NewTransport(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK}, nil
	}), middleware.WithMeterProvider(m), middleware.WithKnownMethods("GET", "PROPFIND"))
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"", "PROPFIND", "POST"} { // a client's "" is GET
		r := newRequest(t, "GET", "http://example.com/")
		r.Method = method
		if _, err := rt.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := methodsOf(t, m, clientDuration), []string{"GET", "PROPFIND", "_OTHER"}; !slices.Equal(got, want) {
		t.Errorf("the methods are %q, want %q", got, want)
	}
}

func TestInvalidKnownMethods(t *testing.T) {
	for _, tt := range []struct {
		methods []string
		want    string
	}{
		{nil, "from 1 to 100"},
		{slices.Repeat([]string{"GET"}, 101), "from 1 to 100"},
		{[]string{"GET", ""}, `WithKnownMethods=""`},
		{[]string{"GET POST"}, `WithKnownMethods="GET POST"`},
		{[]string{"GET,POST"}, `WithKnownMethods="GET,POST"`},
		{[]string{"GÉT"}, `WithKnownMethods="GÉT"`},
	} {
		if _, err := middleware.New(middleware.WithKnownMethods(tt.methods...)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: the error is %v, want %s in it", tt.methods, err, tt.want)
		}
	}
}
