package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/duotel/duotel/discovery"
)

// scripted is a seat that answers as it is told and takes down who asks when.
type scripted struct {
	begin  time.Time
	answer func(ctx context.Context, n int) error // to the nth sign of life
	hangs  bool                                   // whatever the context says, until released
	free   chan struct{}
	signs  []time.Duration
	did    []string
}

func (s *scripted) sign(ctx context.Context, t discovery.Target, generation uint64) (uint64, error) {
	s.signs = append(s.signs, time.Since(s.begin))
	s.did = append(s.did, fmt.Sprintf("sign %d", generation))
	if s.hangs {
		<-s.free
	}
	if err := s.answer(ctx, len(s.signs)); err != nil {
		return 0, err
	}
	return 7, nil
}

func (s *scripted) leave(ctx context.Context, key discovery.Key, generation uint64) error {
	s.did = append(s.did, fmt.Sprintf("leave %s %d", key, generation))
	return s.answer(ctx, -1)
}

func (s *scripted) close(context.Context) error { s.did = append(s.did, "close"); return nil }

// newRegistrar starts one with that seat, in a bubble.
func newRegistrar(s *scripted) (*registrar, *bytes.Buffer) {
	var log bytes.Buffer
	s.begin, s.free = time.Now(), make(chan struct{})
	r := &registrar{
		seat: s, logger: slog.New(slog.NewTextHandler(&log, nil)), leaving: make(chan context.Context, 1), ended: make(chan struct{}),
		status: DiscoveryStatus{State: DiscoveryStarting, Since: time.Now()},
		locate: func(context.Context) (discovery.Target, error) {
			return discovery.Target{Group: "g", ID: "i", Address: "10.0.0.1:1"}, nil
		},
		answers: func(context.Context) {},
	}
	r.start()
	return r, &log
}

func endBy(t *testing.T, r *registrar, deadline time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	return r.shutdown(ctx)
}

// TestRegistrarSignsThreeTimesInATTL and leaves with the generation that it has.
func TestRegistrarSignsThreeTimesInATTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(context.Context, int) error { return nil }}
		r, log := newRegistrar(s)
		time.Sleep(10 * discovery.DefaultTTL)
		if err := endBy(t, r, time.Second); err != nil {
			t.Error(err)
		}
		if n := len(s.signs); n < 30 || n > 35 {
			t.Errorf("%d signs of life in ten TTLs", n)
		}
		for i, at := range s.signs[1:] {
			if pause := at - s.signs[i]; pause > signInterval || pause < signInterval*9/10 {
				t.Errorf("%v between two signs of life", pause)
			}
		}
		if s.did[0] != "sign 0" || s.did[1] != "sign 7" || strings.Join(s.did[len(s.did)-2:], ", ") != "leave g/i 7, close" {
			t.Errorf("did %q", s.did)
		}
		if strings.Count(log.String(), "\n") != 1 {
			t.Errorf("log:\n%s", log)
		}
	})
}

// TestRegistrarStates writes one line for each change, and counts everything.
func TestRegistrarStates(t *testing.T) {
	down := errors.New("down")
	tests := []struct {
		name    string
		answers []error // nil is what comes after them
		want    DiscoveryState
		log     []string
		signs   [2]int // of five minutes, least and most
		fails   int64
	}{
		{"down at first", []error{down, down, down}, DiscoveryListed, []string{"discovery: failing; it is tried again", "discovery: listed again"}, [2]int{30, 40}, 3},
		{"down later", []error{nil, down, nil, nil, down}, DiscoveryListed, []string{"discovery: listed", "discovery: failing; it is tried again", "discovery: listed again", "discovery: failing; it is tried again", "discovery: listed again"}, [2]int{30, 40}, 2},
		{"replaced", []error{nil, discovery.ErrReplaced}, DiscoveryReplaced, []string{"discovery: listed", "discovery: another process has registered under this name; it stays, and this one is not listed any more"}, [2]int{2, 2}, 1},
		{"down for ever", []error{down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down, down}, DiscoveryFailing, []string{"discovery: failing; it is tried again"}, [2]int{10, 25}, -1},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{answer: func(_ context.Context, n int) error {
				if n > 0 && n <= len(test.answers) {
					return test.answers[n-1]
				}
				return nil
			}}
			r, log := newRegistrar(s)
			time.Sleep(5 * time.Minute)
			st := r.snapshot()
			if st.State != test.want || test.fails >= 0 && st.Failures != test.fails || st.Since.IsZero() {
				t.Errorf("%s: %+v", test.name, st)
			}
			if n := len(s.signs); n < test.signs[0] || n > test.signs[1] {
				t.Errorf("%s: %d signs of life, want %d to %d", test.name, n, test.signs[0], test.signs[1])
			}
			if err := endBy(t, r, time.Second); err != nil {
				t.Error(err)
			}
			lines := strings.Split(strings.TrimSpace(log.String()), "\n")
			if len(lines) != len(test.log) {
				t.Fatalf("%s: log\n%s", test.name, log)
			}
			for i, line := range lines {
				if !strings.Contains(line, "msg=\""+test.log[i]+"\"") || !strings.Contains(line, "target=g/i") {
					t.Errorf("%s: %s\nwant %s", test.name, line, test.log[i])
				}
			}
			if r.snapshot().State != DiscoveryStopped {
				t.Errorf("%s: %+v", test.name, r.snapshot())
			}
		})
	}
}

// TestRegistrarKeepsItsDeadline whatever hangs: a seat that keeps to its context, and one that does not.
func TestRegistrarKeepsItsDeadline(t *testing.T) {
	const deadline = 4 * time.Second
	hang := func(ctx context.Context, _ int) error { <-ctx.Done(); return context.Cause(ctx) }
	tests := []struct {
		name  string
		seat  *scripted
		takes time.Duration
		says  string
	}{
		{"at the first sign of life", &scripted{answer: hang}, deadline / 2, ""},
		{"at the goodbye", &scripted{answer: func(ctx context.Context, n int) error {
			if n > 0 {
				return nil
			}
			return hang(ctx, n)
		}}, deadline / 2, "g/i stays listed for up to 30s"},
		{"for ever", &scripted{hangs: true, answer: func(context.Context, int) error { return nil }}, deadline/2 + leaveGrace, "the registry hangs"},
	}
	for _, test := range tests {
		synctest.Test(t, func(t *testing.T) {
			r, log := newRegistrar(test.seat)
			synctest.Wait()
			begin := time.Now()
			err := endBy(t, r, deadline)
			if took := time.Since(begin); took != test.takes {
				t.Errorf("%s: took %v, want %v", test.name, took, test.takes)
			}
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("%s: %v, want %q", test.name, err, test.says)
			}
			close(test.seat.free)
			synctest.Wait()
			if strings.Contains(log.String(), "failing") {
				t.Errorf("%s: what failed because it was told to is reported:\n%s", test.name, log)
			}
		})
	}
}

// TestRegistrarLeavesWhatItJustJoined: a sign of life that is under way when Shutdown comes is not given up, or its entry would stay.
func TestRegistrarLeavesWhatItJustJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{answer: func(ctx context.Context, _ int) error {
			select {
			case <-time.After(time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		r, _ := newRegistrar(s)
		synctest.Wait()
		if err := endBy(t, r, 10*time.Second); err != nil {
			t.Error(err)
		}
		if got := strings.Join(s.did, ", "); got != "sign 0, leave g/i 7, close" {
			t.Errorf("did %s", got)
		}
	})
}

// TestRegistrarDoesNotWaitForAPage for ever, and not at all when it is told to go.
func TestRegistrarDoesNotWaitForAPage(t *testing.T) {
	for _, leaves := range []time.Duration{time.Second, pageWait + time.Second} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{begin: time.Now(), answer: func(context.Context, int) error { return nil }}
			r := &registrar{
				seat: s, logger: slog.New(slog.DiscardHandler), leaving: make(chan context.Context, 1), ended: make(chan struct{}),
				locate:  func(context.Context) (discovery.Target, error) { return discovery.Target{Address: "h:1"}, nil },
				answers: func(ctx context.Context) { <-ctx.Done() },
			}
			r.start()
			time.Sleep(leaves)
			begin := time.Now()
			if err := endBy(t, r, time.Minute); err != nil || time.Since(begin) != 0 {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
			if listed := len(s.signs) > 0; listed != (leaves > pageWait) {
				t.Errorf("after %v: %v", leaves, s.did)
			}
		})
	}
}

func TestTarget(t *testing.T) {
	long := strings.Repeat("x", 5000)
	tests := []struct{ name, id, group, wantID string }{
		{"shop", "a-1", "shop", "a-1"},
		{"unknown_service:shop", "627cc493-f310-47de-96bd-71410b7dec09", "unknown_service:shop", "627cc493-f310-47de-96bd-71410b7dec09"},
		{"my shop/ä", "..", "my_shop__-a6ee976e", "..-5ec1f7e7"},
		{long, long + "\xff", long[:119] + "-c59d3c04", ""},
	}
	ids := map[string]bool{}
	for _, test := range tests {
		got := target("h:1", "https", resource.NewSchemaless(attribute.String("service.name", test.name), attribute.String("service.instance.id", test.id)))
		if err := got.Validate(); err != nil {
			t.Errorf("%.20q: %v", test.name, err)
		}
		if got.Group != test.group || test.wantID != "" && got.ID != test.wantID || got.Scheme != "https" || got.Address != "h:1" || len(got.Meta) != 2 {
			t.Errorf("%.20q: %+v", test.name, got)
		}
		ids[got.ID] = true
	}
	if len(ids) != len(tests) || targetName("a b") == targetName("a_b") || targetName("a b") == targetName("a/b") {
		t.Error("two names became one")
	}
}

// TestOutwardHost has no loopback address, or an error that says what to set.
func TestOutwardHost(t *testing.T) {
	for _, test := range []struct{ everywhere, registry string }{{"0.0.0.0", "127.0.0.1:80"}, {"::", "[::1]:80"}, {"0.0.0.0", "h..invalid:80"}} {
		host, err := outwardHost(t.Context(), test.everywhere, test.registry)
		if err != nil && strings.Contains(err.Error(), "DUOTEL_DISCOVERY_ADDRESS") {
			continue // a machine without a network
		}
		ip := net.ParseIP(host)
		if ip == nil || ip.IsLoopback() || ip.IsUnspecified() || test.everywhere == "0.0.0.0" && ip.To4() == nil {
			t.Errorf("%v: %q %v", test, host, err)
		}
	}
}

func TestRegistryHostPort(t *testing.T) {
	for url, want := range map[string]string{
		"http://h": "h:80", "http://h:8080/x": "h:8080", "etcd://u:p@h1:2379,h2:2379/x": "h1:2379", "http://[::1]/": "[::1]:80", "http://[::1]:9/": "[::1]:9",
	} {
		if got := (DiscoveryConfig{URL: url}).hostPort(); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}
