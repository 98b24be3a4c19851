package discovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/duotel/duotel/discovery"
)

var errCut = errors.New("the store cannot be reached")

// link is the way from one registry to the store that both share. It can be cut, slow, or lose the answer to what it has carried.
type link struct {
	discovery.Store
	world *world
	index int

	mu     sync.Mutex
	cut    bool
	change chan struct{} // closed when cut changes
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut != cut {
		l.cut = cut
		close(l.change)
		l.change = make(chan struct{})
	}
}

func (l *link) state() (cut bool, change chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cut, l.change
}

// carry lets a request pass, or not, or loses its answer.
func (l *link) carry(do func() error) error {
	if cut, _ := l.state(); cut {
		return errCut
	}
	if err := do(); err != nil {
		return err
	}
	if l.world.loses() {
		return fmt.Errorf("no answer: %w", errCut)
	}
	return nil
}

func (l *link) Put(ctx context.Context, t discovery.Target, held bool) (generation uint64, err error) {
	err = l.carry(func() (err error) { generation, err = l.Store.Put(ctx, t, held); return err })
	return generation, err
}

func (l *link) Refresh(ctx context.Context, key discovery.Key, generation uint64) error {
	return l.carry(func() error { return l.Store.Refresh(ctx, key, generation) })
}

func (l *link) Remove(ctx context.Context, key discovery.Key, generation uint64, reason discovery.Reason) error {
	return l.carry(func() error { return l.Store.Remove(ctx, key, generation, reason) })
}

func (l *link) Replace(ctx context.Context, group string, targets []discovery.Target, held bool) (revision uint64, err error) {
	err = l.carry(func() (err error) { revision, err = l.Store.Replace(ctx, group, targets, held); return err })
	return revision, err
}

// Follow follows while the link is whole, and begins again with the whole list when it is whole again.
func (l *link) Follow(ctx context.Context, f discovery.Follower) {
	for ctx.Err() == nil {
		cut, change := l.state()
		if cut {
			select {
			case <-change:
			case <-ctx.Done():
			}
			continue
		}
		following, stop := context.WithCancel(ctx)
		go func() {
			select {
			case <-change:
				stop()
			case <-following.Done():
			}
		}()
		l.Store.Follow(following, f)
		stop()
		if ctx.Err() == nil {
			f.Disconnected(errCut)
		}
	}
}

// world is two registries on one store, with processes that register themselves.
type world struct {
	seed  uint64
	truth *truth
	links [2]*link
	both  [2]*discovery.Registry
	calm  atomic.Bool

	mu     sync.Mutex
	rng    *rand.Rand
	events []string
	law    string
	began  time.Time
	lossy  float64
	lists  int
}

func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.law != "" {
		return // what follows may follow from it
	}
	w.events = append(w.events, fmt.Sprintf("%10s  ", time.Since(w.began).Round(time.Millisecond))+fmt.Sprintf(format, args...))
	if len(w.events) > 30 {
		w.events = w.events[1:]
	}
}

func (w *world) broken(law, format string, args ...any) {
	w.tell("BROKEN: "+law+": "+format, args...)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.law == "" {
		w.law = law
	}
}

func (w *world) float() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64()
}

func (w *world) between(least, most time.Duration) time.Duration {
	return least + time.Duration(w.float()*float64(most-least))
}

func (w *world) loses() bool { return !w.calm.Load() && w.float() < w.lossy }

// run runs a world for a while of its own time, and returns the law that broke, and the story.
func run(t *testing.T, seed uint64, lasts time.Duration) (law, story string) {
	w := &world{seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), truth: &truth{members: map[discovery.Key]*member{}}}
	w.truth.broken = w.broken
	synctest.Test(t, func(t *testing.T) {
		w.began = time.Now()
		w.lossy = []float64{0, 0.02, 0.2}[w.rng.IntN(3)]
		store := discovery.NewMemory()
		for i := range w.both {
			w.links[i] = &link{Store: store, world: w, index: i, change: make(chan struct{})}
			r, err := discovery.New(discovery.Config{
				Store: w.links[i], Logger: slog.New(slog.DiscardHandler), MeterProvider: noop.NewMeterProvider(),
				Addresses: discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			})
			if err != nil {
				t.Fatal(err)
			}
			w.both[i] = r
		}
		synctest.Wait()
		for i := range w.both {
			w.truth.connected(i, true)
		}
		w.live(lasts)
		for _, r := range w.both {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if err := r.Close(ctx); err != nil {
				w.broken("every call returns in its time", "Close: %v", err)
			}
			cancel()
		}
	})
	return w.law, fmt.Sprintf("seed %d:\n%s", seed, strings.Join(w.events, "\n"))
}

func (w *world) live(lasts time.Duration) {
	ctx, stop := context.WithTimeout(context.Background(), lasts)
	defer stop()
	var actors sync.WaitGroup
	for i := range 2 + int(w.float()*6) {
		actors.Go(func() { w.process(ctx, fmt.Sprintf("group-%d", i%2), fmt.Sprint("id-", i)) })
	}
	actors.Go(func() { w.platform(ctx) })
	for i := range w.links {
		actors.Go(func() { w.weather(ctx, i) })
		actors.Go(func() { w.watch(ctx, i) })
	}
	actors.Wait()
	w.calm.Store(true)
	time.Sleep(3 * time.Minute) // more than every TTL twice: who has not said goodbye is gone
	for i, r := range w.both {
		w.look(i)
		if list, err := r.Targets(discovery.Query{Groups: []string{"group-0", "group-1"}}); err != nil || len(list) != 0 {
			w.broken("who is dead is not listed", "in the calm registry %d lists %v, %v", i, list, err)
		}
	}
	if a, b := w.answer(0), w.answer(1); a != b {
		w.broken("two registries answer alike", "%s\n%s", a, b)
	}
}

// process is one name: registered, alive for a while, gone with a goodbye or without, and back, sometimes before its predecessor says goodbye.
func (w *world) process(ctx context.Context, group, id string) {
	var late sync.WaitGroup
	defer late.Wait()
	for sleep(ctx, w.between(0, time.Minute)) {
		t := discovery.Target{Group: group, ID: id, Address: "10.0.0.1:9464", TTL: discovery.Duration(w.between(5*time.Second, 30*time.Second).Round(time.Second))}
		generation := w.life(ctx, t, w.between(time.Second, 5*time.Minute))
		if generation == 0 {
			continue
		}
		switch end := w.float(); {
		case end < 0.4:
			w.tell("%s is killed", t.Key())
		case end < 0.8:
			w.goodbye(t, generation)
		default: // the successor is there before the predecessor says goodbye
			wait := w.between(time.Second, time.Minute)
			late.Go(func() {
				time.Sleep(wait)
				w.goodbye(t, generation)
			})
		}
	}
}

// life keeps a target alive, at a registry that it chooses anew each time, and returns its last generation.
func (w *world) life(ctx context.Context, t discovery.Target, lasts time.Duration) (generation uint64) {
	ttl := time.Duration(t.TTL)
	until := time.Now().Add(lasts)
	for first := true; time.Now().Before(until); first = false {
		r := w.both[int(w.float()*2)]
		got, err := r.Put(ctx, t, generation)
		switch {
		case err == nil:
			generation = got
			w.truth.signed(t.Key(), got, ttl)
			if first {
				w.tell("%s is registered, generation %d, TTL %v", t.Key(), got, ttl)
			}
		case errors.Is(err, discovery.ErrReplaced):
			return 0 // somebody else has the name
		default:
			w.truth.unanswered(t.Key(), ttl)
		}
		if !sleep(ctx, ttl/3) {
			break
		}
	}
	return generation
}

func (w *world) goodbye(t discovery.Target, generation uint64) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := w.both[int(w.float()*2)].Remove(ctx, t.Key(), generation)
	w.tell("%s, generation %d, says goodbye: %v", t.Key(), generation, err)
	switch {
	case err == nil:
		w.truth.left(t.Key(), generation)
	case errors.Is(err, errCut):
		w.truth.unanswered(t.Key(), time.Duration(t.TTL))
	}
}

// platform synchronises its group again and again, the empty set included.
func (w *world) platform(ctx context.Context) {
	for sleep(ctx, w.between(10*time.Second, 2*time.Minute)) {
		var targets []discovery.Target
		ids := map[string]bool{}
		for i := range int(w.float() * 5) {
			id := fmt.Sprint("route-", i)
			ids[id] = true
			targets = append(targets, discovery.Target{ID: id, Address: "10.0.1.1:9464"})
		}
		w.truth.sync(nil)
		err := w.both[0].Sync(ctx, "platform", targets)
		w.tell("the platform has %d routes: %v", len(targets), err)
		if err == nil {
			time.Sleep(delay)
			w.truth.sync(ids)
		}
	}
	w.truth.sync(nil)
}

// weather cuts a registry off from the store now and then.
func (w *world) weather(ctx context.Context, i int) {
	for sleep(ctx, w.between(time.Minute, 10*time.Minute)) {
		w.truth.connected(i, false)
		w.links[i].set(true)
		w.tell("registry %d is cut off", i)
		sleep(ctx, w.between(time.Second, 3*time.Minute))
		w.truth.mending(i)
		w.links[i].set(false)
		time.Sleep(delay)
		w.truth.connected(i, true)
		w.tell("registry %d reaches the store again", i)
	}
}

// watch looks at a registry as Prometheus does.
func (w *world) watch(ctx context.Context, i int) {
	for sleep(ctx, w.between(time.Second, 10*time.Second)) {
		w.look(i)
	}
}

func (w *world) look(i int) {
	list, err := w.both[i].Targets(discovery.Query{})
	if err != nil {
		w.broken("the list is served throughout", "registry %d: %v", i, err)
		return
	}
	w.truth.list(i, list, "platform")
	var groups []struct {
		Targets []string          `json:"targets"`
		Labels  map[string]string `json:"labels"`
	}
	if text := w.answer(i); json.Unmarshal([]byte(text), &groups) != nil {
		w.broken("the list is served throughout", "registry %d answers %s", i, text)
	}
	w.mu.Lock()
	w.lists++
	w.mu.Unlock()
}

func (w *world) answer(i int) string {
	out := httptest.NewRecorder()
	w.both[i].Handler().ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/sd", nil))
	return out.Body.String()
}

// sleep reports whether there is more to do.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
