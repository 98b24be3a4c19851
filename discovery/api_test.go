package discovery_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/discovery"
)

// send makes one request of the API, from this machine.
func send(h http.Handler, method, path, body, ifMatch string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.RemoteAddr = "127.0.0.1:5000"
	if ifMatch != "" {
		req.Header.Set("If-Match", ifMatch)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

const one = `{"address":"10.0.0.1:9464","labels":{"colour":"red"}}`

func TestAPIRegistersRefreshesAndRemoves(t *testing.T) {
	r := start(t, discovery.Config{})
	h := r.API(nil)
	first := send(h, http.MethodPut, "/v1/targets/a/1", one, "")
	if first.Code != http.StatusNoContent || first.Header().Get("ETag") == "" {
		t.Fatalf("HTTP %d %q, ETag %q", first.Code, first.Body, first.Header().Get("ETag"))
	}
	if again := send(h, http.MethodPut, "/v1/targets/a/1", one, first.Header().Get("ETag")); again.Code != http.StatusNoContent || again.Header().Get("ETag") != first.Header().Get("ETag") {
		t.Errorf("sign of life: HTTP %d %q, ETag %q", again.Code, again.Body, again.Header().Get("ETag"))
	}
	second := send(h, http.MethodPut, "/v1/targets/a/1", one, "") // the successor, the same to the letter
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		if late := send(h, method, "/v1/targets/a/1", one, first.Header().Get("ETag")); late.Code != http.StatusPreconditionFailed {
			t.Errorf("%s of the old generation: HTTP %d %q; want 412", method, late.Code, late.Body)
		}
	}
	if w := get(h, "/v1/targets?group=a", nil); !strings.Contains(w.Body.String(), `"health":"healthy"`) || !strings.Contains(w.Body.String(), `"address":"10.0.0.1:9464"`) {
		t.Errorf("list = %s", w.Body)
	}
	if w := send(h, http.MethodDelete, "/v1/targets/a/1", "", second.Header().Get("ETag")); w.Code != http.StatusNoContent {
		t.Errorf("removal: HTTP %d %q", w.Code, w.Body)
	}
	if w := send(h, http.MethodDelete, "/v1/targets/a/1", "", ""); w.Code != http.StatusNotFound {
		t.Errorf("second removal: HTTP %d %q; want 404", w.Code, w.Body)
	}
}

// TestD12TheClockOfARegistrantHasNoEffect has one whose clock is a day ahead, and one whose is a day behind: both are listed for their TTL by
// the registry's clock, and no longer.
func TestD12TheClockOfARegistrantHasNoEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		for id, off := range map[string]time.Duration{"ahead": 24 * time.Hour, "behind": -24 * time.Hour} {
			req := httptest.NewRequest(http.MethodPut, "/v1/targets/a/"+id, strings.NewReader(`{"address":"10.0.0.1:9464","ttl":"30s"}`))
			req.RemoteAddr = "127.0.0.1:5000"
			req.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			w := httptest.NewRecorder()
			if r.API(nil).ServeHTTP(w, req); w.Code != http.StatusNoContent {
				t.Fatalf("%s: HTTP %d %q", id, w.Code, w.Body)
			}
		}
		time.Sleep(29 * time.Second)
		if got := ids(t, r, discovery.Query{}); got != "a/ahead a/behind" {
			t.Errorf("within the TTL: listed = %q", got)
		}
		time.Sleep(3 * time.Second)
		if got := ids(t, r, discovery.Query{}); got != "" {
			t.Errorf("after the TTL: listed = %q", got)
		}
	})
}

func TestAPISyncsAGroup(t *testing.T) {
	r := start(t, discovery.Config{})
	h := r.API(nil)
	if w := send(h, http.MethodPut, "/v1/groups/a", `[{"id":"1","address":"10.0.0.1:1"},{"id":"2","address":"10.0.0.2:1"}]`, ""); w.Code != http.StatusNoContent {
		t.Fatalf("HTTP %d %q", w.Code, w.Body)
	}
	if got := ids(t, r, discovery.Query{}); got != "a/1 a/2" {
		t.Errorf("listed = %q", got)
	}
	if w := send(h, http.MethodPut, "/v1/groups/a", `[]`, ""); w.Code != http.StatusNoContent {
		t.Fatalf("HTTP %d %q", w.Code, w.Body)
	}
	if got := ids(t, r, discovery.Query{}); got != "" {
		t.Errorf("listed = %q; want nothing", got)
	}
}

// TestD16LimitsHold has what is too large, and what a client may not do, with a clear answer for each.
func TestD16LimitsHold(t *testing.T) {
	grant := discovery.Grant{Groups: []string{"team-*"}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	r := start(t, discovery.Config{})
	mine := r.API(func(*http.Request) (discovery.Grant, error) { return grant, nil })
	many := "[" + strings.Repeat(`{"id":"1","address":"10.0.0.1:1"},`, 100_000) + `{"id":"1","address":"10.0.0.1:1"}]`
	for name, tt := range map[string]struct {
		h                  http.Handler
		method, path, body string
		status             int
		want               string
	}{
		"a label of 1 MiB":         {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"10.0.0.1:1","labels":{"a":"` + strings.Repeat("x", 1<<20) + `"}}`, 413, "too large"},
		"a label of 2 KiB":         {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"10.0.0.1:1","labels":{"a":"` + strings.Repeat("x", 2<<10) + `"}}`, 400, "at most 1024"},
		"a group of 100,001":       {r.API(nil), http.MethodPut, "/v1/groups/a", many, 400, "at most 10000"},
		"a group over 32 MiB":      {r.API(nil), http.MethodPut, "/v1/groups/a", `["` + strings.Repeat("x", 33<<20) + `"]`, 413, "too large"},
		"null as group":            {r.API(nil), http.MethodPut, "/v1/groups/a", `null`, 400, "not a list"},
		"another name inside":      {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"id":"2","address":"10.0.0.1:1"}`, 400, "a/2"},
		"If-Match that is none":    {r.API(nil), http.MethodPut, "/v1/targets/a/1", one, 400, "If-Match"},
		"loopback in a group":      {r.API(nil), http.MethodPut, "/v1/groups/a", `[{"id":"1","address":"127.0.0.1:1"}]`, 400, "loopback"},
		"an ID twice":              {r.API(nil), http.MethodPut, "/v1/groups/a", `[{"id":"1","address":"10.0.0.1:1"},{"id":"1","address":"10.0.0.1:1"}]`, 400, "each ID once"},
		"a group that is no name":  {r.API(nil), http.MethodPut, "/v1/groups/a%20b", `[]`, 400, `Group="a b"`},
		"much that is not valid":   {r.API(nil), http.MethodPut, "/v1/groups/a", "[" + strings.Repeat(`{"id":"1","address":"127.0.0.1:1"},`, 5000) + `{"id":"1","address":"10.0.0.1:1"}]`, 400, "loopback"},
		"loopback":                 {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"127.0.0.1:1"}`, 400, "loopback"},
		"localhost":                {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"localhost:1"}`, 400, "loopback"},
		"localhost, written out":   {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"Metrics.LocalHost.:1"}`, 400, "loopback"},
		"metadata service":         {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"169.254.169.254:80"}`, 400, "link-local"},
		"metadata service, mapped": {r.API(nil), http.MethodPut, "/v1/targets/a/1", `{"address":"[::ffff:169.254.169.254]:80"}`, 400, "link-local"},
		"another's group":          {mine, http.MethodPut, "/v1/targets/other/1", one, 403, `Group="other"`},
		"another's range":          {mine, http.MethodPut, "/v1/targets/team-a/1", `{"address":"192.0.2.1:1"}`, 403, "10.0.0.0/8"},
		"a name where a range is":  {mine, http.MethodPut, "/v1/targets/team-a/1", `{"address":"db.example:1"}`, 403, "10.0.0.0/8"},
	} {
		t.Run(name, func(t *testing.T) {
			ifMatch := ""
			if name == "If-Match that is none" {
				ifMatch = `"zero"`
			}
			w := send(tt.h, tt.method, tt.path, tt.body, ifMatch)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("HTTP %d %.300q; want %d with %q", w.Code, w.Body, tt.status, tt.want)
			}
			if w.Body.Len() > 4<<10 {
				t.Errorf("the answer has %d bytes", w.Body.Len())
			}
		})
	}
	if w := send(mine, http.MethodPut, "/v1/targets/team-a/1", one, ""); w.Code != http.StatusNoContent {
		t.Errorf("what is granted: HTTP %d %q", w.Code, w.Body)
	}
	if got := ids(t, r, discovery.Query{}); got != "team-a/1" {
		t.Errorf("listed = %q; want only what was granted", got)
	}
}

func TestD16AMemoryStoreHasABound(t *testing.T) {
	store := discovery.NewMemory()
	group := make([]discovery.Target, 0, discovery.MaxGroupTargets)
	for i := range discovery.MaxGroupTargets {
		group = append(group, discovery.Target{ID: fmt.Sprint(i), Address: "10.0.0.1:1"})
	}
	for n := range discovery.MaxTargets / discovery.MaxGroupTargets {
		for i := range group {
			group[i].Group = fmt.Sprint("g", n)
		}
		if _, err := store.Replace(t.Context(), fmt.Sprint("g", n), group, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Put(t.Context(), target("more", "1"), false); err == nil || !strings.Contains(err.Error(), "at most 100000") {
		t.Errorf("error = %v; want one with the bound", err)
	}
	if _, err := store.Replace(t.Context(), "g0", nil, false); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Put(t.Context(), target("more", "1"), false); err != nil {
		t.Errorf("error = %v; want room again", err)
	}
}

func TestAPIWithoutAuthenticationIsForLoopbackOnly(t *testing.T) {
	r := start(t, discovery.Config{})
	req := httptest.NewRequest(http.MethodPut, "/v1/targets/a/1", strings.NewReader(one))
	req.RemoteAddr = "10.0.0.9:4000"
	w := httptest.NewRecorder()
	r.API(nil).ServeHTTP(w, req)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("HTTP %d %q; want 401", w.Code, w.Body)
	}
}

func TestD15RacingRegistrantsLeaveOneTruthConcurrentSafe(t *testing.T) {
	store := discovery.NewMemory()
	a, b := start(t, discovery.Config{Store: store}), start(t, discovery.Config{Store: store})
	var racing sync.WaitGroup
	for i := range 1000 {
		racing.Go(func() {
			member := target("a", "1")
			member.Labels = map[string]string{"by": fmt.Sprint(i)}
			if _, err := []*discovery.Registry{a, b}[i%2].Put(context.Background(), member, 0); err != nil {
				t.Error(err)
			}
		})
	}
	racing.Wait()
	last := target("a", "2") // once both list it, they have heard of everything before
	for _, r := range []*discovery.Registry{a, b} {
		if _, err := r.Register(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	first, second := get(a.Handler(), "/sd", nil).Body.String(), get(b.Handler(), "/sd", nil).Body.String()
	if first != second || strings.Count(first, "__meta_duotel_id") != 2 {
		t.Errorf("two truths:\n%s\n%s", first, second)
	}
}

// direct carries requests to a handler without a network, so that time can be virtual.
type direct struct{ h http.Handler }

func (d direct) RoundTrip(req *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if req.Context().Err() != nil {
		return nil, req.Context().Err()
	}
	at := req.Clone(req.Context())
	at.RemoteAddr = "127.0.0.1:5000"
	d.h.ServeHTTP(w, at)
	return w.Result(), nil
}

// client returns a client of the registry h stands for.
func client(h http.Handler, log *slog.Logger) *discovery.Client {
	return &discovery.Client{
		URL:    &url.URL{Scheme: "http", Host: "registry", Path: "/base/"},
		HTTP:   &http.Client{Transport: direct{http.StripPrefix("/base", h)}},
		Logger: log,
	}
}

func TestClientKeepsItsTargetAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		var log bytes.Buffer
		h, err := client(r.API(nil), slog.New(slog.NewTextHandler(&log, nil))).Register(t.Context(), target("a", "1"))
		if err != nil || h.Err() != nil {
			t.Fatal(err, h.Err())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for list := range r.Watch(ctx, discovery.Query{}) {
			if len(list) != 1 {
				t.Errorf("listed = %v; want the target for an hour", list)
			}
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if got := ids(t, r, discovery.Query{}); got != "" {
			t.Errorf("listed after Close = %q", got)
		}
		if log.Len() != 0 {
			t.Errorf("log = %s; want none while all is well", log.String())
		}
	})
}

// TestClientComesBackAfterARegistryThatForgot shows an outage of ten minutes and a registry that is empty after it:
// one line when it begins, one when it ends, and the target is listed again.
func TestClientComesBackAfterARegistryThatForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now http.Handler = http.NotFoundHandler()
		var mu sync.Mutex
		set := func(h http.Handler) {
			mu.Lock()
			defer mu.Unlock()
			now = h
		}
		router := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			mu.Lock()
			h := now
			mu.Unlock()
			h.ServeHTTP(w, req)
		})
		var log bytes.Buffer
		first := start(t, discovery.Config{})
		set(first.API(nil))
		h, err := client(router, slog.New(slog.NewTextHandler(&log, nil))).Register(t.Context(), target("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		set(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusServiceUnavailable) }))
		time.Sleep(10 * time.Minute)
		if h.Err() == nil {
			t.Error("no error while the registry is down")
		}
		second := start(t, discovery.Config{})
		set(second.API(nil))
		time.Sleep(time.Duration(discovery.DefaultTTL))
		synctest.Wait()
		if got := ids(t, second, discovery.Query{}); got != "a/1" || h.Err() != nil {
			t.Errorf("listed = %q, error %v; want it back within one TTL", got, h.Err())
		}
		if down, up := strings.Count(log.String(), "registering fails"), strings.Count(log.String(), "registered again"); down != 1 || up != 1 {
			t.Errorf("%d lines about the outage, %d about its end; want one each:\n%s", down, up, log.String())
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClientYieldsToItsSuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, discovery.Config{})
		var log bytes.Buffer
		old, err := client(r.API(nil), slog.New(slog.NewTextHandler(&log, nil))).Register(t.Context(), target("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		successor, err := client(r.API(nil), slog.New(slog.DiscardHandler)).Register(t.Context(), target("a", "1"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "another process has registered under this name") {
			t.Errorf("log = %q", log.String())
		}
		if err := old.Close(t.Context()); err != nil {
			t.Errorf("close = %v; want nil where another has the name", err)
		}
		synctest.Wait()
		if got := ids(t, r, discovery.Query{}); got != "a/1" {
			t.Errorf("listed = %q; want the successor", got)
		}
		if err := successor.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestClientTellsRefusalFromAbsence(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Error(w, "no: "+req.Header.Get("Authorization"), http.StatusForbidden)
	}))
	defer refusing.Close()
	home, _ := url.Parse(refusing.URL)
	own := &discovery.Client{URL: home, Logger: slog.New(slog.DiscardHandler), Header: func() http.Header { return http.Header{"Authorization": {"Bearer secret"}} }}
	if _, err := own.Register(t.Context(), target("a", "1")); err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error = %v; want one with 403 and without the token", err)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	own.URL, _ = url.Parse("http://user:secret@" + gone.Listener.Addr().String())
	h, err := own.Register(t.Context(), target("a", "1"))
	if err != nil {
		t.Fatalf("error = %v; want none for a registry that is down", err)
	}
	if err := h.Err(); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("state = %v; want why, without the password", err)
	}
	if err := h.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := (&discovery.Client{}).Register(t.Context(), target("a", "1")); err == nil || !strings.Contains(err.Error(), "Client.URL") {
		t.Errorf("error = %v; want one about the URL", err)
	}
	if _, err := own.Register(t.Context(), discovery.Target{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error = %v; want one about the target", err)
	}
}
