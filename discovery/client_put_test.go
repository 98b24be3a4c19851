package discovery_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/duotel/duotel/discovery"
)

// TestClientPutsAndRemoves has a caller that keeps its own time, with the errors of a registry that is here.
func TestClientPutsAndRemoves(t *testing.T) {
	r := start(t, discovery.Config{})
	c := client(fromHere(r.API(nil)), slog.New(slog.DiscardHandler))
	own := target("a", "1")
	first, err := c.Put(t.Context(), own, 0)
	if err != nil || first == 0 || ids(t, r, discovery.Query{}) != "a/1" {
		t.Fatalf("generation %d, %v", first, err)
	}
	if again, err := c.Put(t.Context(), own, first); err != nil || again != first {
		t.Errorf("sign of life: generation %d, %v; want %d", again, err, first)
	}
	second, err := c.Put(t.Context(), own, 0)
	if err != nil || second == first {
		t.Fatalf("generation %d, %v; want another than %d", second, err, first)
	}
	if _, err := c.Put(t.Context(), own, first); !errors.Is(err, discovery.ErrReplaced) {
		t.Errorf("sign of life of the first: %v", err)
	}
	if err := c.Remove(t.Context(), own.Key(), first); !errors.Is(err, discovery.ErrReplaced) {
		t.Errorf("goodbye of the first: %v", err)
	}
	if err := c.Remove(t.Context(), own.Key(), second); err != nil {
		t.Error(err)
	}
	if err := c.Remove(t.Context(), own.Key(), 0); !errors.Is(err, discovery.ErrNotRegistered) {
		t.Errorf("second goodbye: %v", err)
	}
	if third, err := c.Put(t.Context(), own, second); err != nil || third == second {
		t.Errorf("a registry that forgot: generation %d, %v; want a new one", third, err)
	}
}

// TestClientPutRefuses what is wrong here, and what is no registry.
func TestClientPutRefuses(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "" {
			http.Error(w, "what is "+strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")+"?", http.StatusUnauthorized)
		}
	}))
	defer page.Close()
	at, _ := url.Parse(page.URL)
	c := &discovery.Client{URL: at}
	tests := []struct {
		c    *discovery.Client
		t    discovery.Target
		says string
	}{
		{c, target("a", "1"), `ETag "": it is not that of a registry`},
		{c, discovery.Target{}, `ID=""`},
		{&discovery.Client{}, target("a", "1"), "Client.URL"},
		{&discovery.Client{URL: at, Header: func() http.Header { return http.Header{"authorization": {"Bearer s3cr3t"}} }}, target("a", "1"), "what is (not shown)?"},
	}
	for _, test := range tests {
		if generation, err := test.c.Put(t.Context(), test.t, 0); err == nil || generation != 0 || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("generation %d, %v; want %q", generation, err, test.says)
		}
	}
	if err := (&discovery.Client{}).Remove(t.Context(), discovery.Key{}, 0); err == nil || !strings.Contains(err.Error(), "Client.URL") {
		t.Errorf("%v", err)
	}
}

// fromHere makes requests come from this machine.
func fromHere(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.RemoteAddr = "127.0.0.1:5000"
		h.ServeHTTP(w, req)
	})
}
