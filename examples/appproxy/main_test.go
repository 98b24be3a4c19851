package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is what a running program has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// TestPlatformIsListed runs the program and wants the pages of coordinator and worker to be listed and to answer, and Traefik's where
// it is the proxy.
func TestPlatformIsListed(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "coordinator worker"},
		{[]string{"-traefik"}, "coordinator traefik worker"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		out, status := &output{}, make(chan int, 1)
		nothing := func(string) (string, bool) { return "", false }
		go func() { status <- run(ctx, append([]string{"-addr", "127.0.0.1:0"}, tt.args...), nothing, out, out) }()
		var address string
		for address == "" && ctx.Err() == nil {
			if found := regexp.MustCompile(`scrape +http://(\S+)/metrics`).FindStringSubmatch(out.String()); found != nil {
				address = found[1]
			}
			time.Sleep(10 * time.Millisecond)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + address + "/sd")
		if err != nil {
			t.Fatal(err)
		}
		var groups []struct {
			Targets []string
			Labels  map[string]string
		}
		err = json.NewDecoder(resp.Body).Decode(&groups)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		var components []string
		for _, g := range groups {
			for _, target := range g.Targets {
				page, err := client.Get("http://" + target + "/metrics")
				if err != nil {
					t.Fatal(err)
				}
				page.Body.Close()
				if page.StatusCode != http.StatusOK {
					t.Errorf("%s answers %s", target, page.Status)
				}
				components = append(components, g.Labels["component"])
			}
		}
		slices.Sort(components)
		if got := strings.Join(components, " "); got != tt.want {
			t.Errorf("%q: %s are listed, want %s", tt.args, got, tt.want)
		}
		cancel()
		if s := <-status; s != 0 {
			t.Errorf("status %d: %s", s, out)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		status int
		says   string
	}{
		{[]string{"-h"}, 0, "-traefik"},
		{[]string{"-for", "-1s"}, 2, `-for="-1s"`},
		{[]string{"on"}, 2, `"on"`},
		{[]string{"-addr", "nowhere"}, 1, `-addr="nowhere"`},
	} {
		var out bytes.Buffer
		if status := run(t.Context(), tt.args, func(string) (string, bool) { return "", false }, &out, &out); status != tt.status || !strings.Contains(out.String(), tt.says) {
			t.Errorf("%q: status %d, want %d: %s", tt.args, status, tt.status, &out)
		}
	}
}
