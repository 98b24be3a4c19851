package service

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duotel/duotel/exporter"
)

// world is everything there is, from the first start of a process to the last look at the books.
type world struct {
	story

	plan    plan
	stock   bool // the processes are made of the stock parts
	rng     *rand.Rand
	truth   *truth
	backend *backend
	disk    *disk
	matrix  *matrix

	lives   atomic.Int64
	scraped atomic.Int64
	calm    atomic.Bool

	mu    sync.Mutex
	books books
	alive map[string]*life
	blows map[string]bool // faults of network and disk that last at this moment
}

// outcome is what became of a world.
type outcome struct {
	plan    plan
	law     string // that broke first; "" when all held
	laws    []string
	story   string
	matrix  *matrix
	lives   int64
	points  int64
	scrapes int64
}

// run makes the world of a plan and runs it. What breaks is in the outcome and no failure of t.
func run(t *testing.T, p plan, stock bool) (o outcome) {
	w := &world{plan: p, stock: stock, rng: rand.New(rand.NewPCG(p.seed, 4)), disk: newDisk(), matrix: newMatrix(), alive: map[string]*life{}, blows: map[string]bool{}}
	w.truth = &truth{cells: map[cell]*tally{}, broken: w.broken}
	if p.has("callback-slow") {
		w.truth.slack = slowest
	}
	defer func() {
		// A world whose goroutines do not end is a panic of synctest's, and a library's panic is one too.
		if v := recover(); v != nil {
			w.broken("nothing panics, and nothing is left behind", "%v\n%s", v, debug.Stack())
		}
		o = outcome{plan: p, law: w.law(), laws: w.laws, story: w.first, matrix: w.matrix, lives: w.lives.Load(), points: w.backend.points, scrapes: w.scraped.Load()}
	}()
	synctest.Test(t, func(*testing.T) {
		w.began = time.Now()
		w.backend = newBackend(w)
		w.live()
		w.backend.stop()
		w.leftovers()
	})
	return o
}

// faulty reports whether faults may strike.
func (w *world) faulty() bool { return !w.calm.Load() }

// live is the timeline: a time with faults, in which processes come and go, and a calm one, in which everything has to come right.
func (w *world) live() {
	w.backend.set(true)
	end := w.began.Add(w.plan.duration)
	var actors sync.WaitGroup
	stop, cancel := context.WithCancel(context.Background())
	actors.Go(func() { w.change(stop, rand.New(rand.NewPCG(w.plan.seed, 5)), weathers, w.blow) })
	actors.Go(func() { w.change(stop, rand.New(rand.NewPCG(w.plan.seed, 6)), diskTroub, w.trouble) })
	var twin sync.WaitGroup
	if w.plan.has("twins") {
		twin.Go(func() {
			w.struck("", "", "twins")
			if l := w.succession(rand.New(rand.NewPCG(w.plan.seed, 7)), end); l != nil {
				l.end("shutdown")
				w.forget(l)
			}
		})
	}
	last := w.succession(w.rng, end)
	twin.Wait()
	cancel()
	actors.Wait()
	w.calmDown(last)
}

// succession lives one life after the other until the faults end, and returns the one that is alive then.
func (w *world) succession(rng *rand.Rand, end time.Time) *life {
	for {
		l := w.start(rng)
		if l == nil { // the disk did not let it
			if time.Now().After(end) {
				return nil
			}
			time.Sleep(w.plan.interval)
			continue
		}
		w.remember(l)
		how := w.plan.pick(rng, []string{"shutdown", "shutdown-cancelled", "shutdown-short", "crash"})
		lasts := time.Until(end)
		if how != "" {
			lasts = time.Duration(rng.Int64N(int64(w.plan.duration/2) + 1))
		}
		if lasts >= time.Until(end) {
			time.Sleep(time.Until(end))
			return l
		}
		time.Sleep(lasts)
		l.end(how)
		w.forget(l)
		if w.plan.has("clock") && rng.IntN(2) == 0 {
			w.jump(rng)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(w.plan.interval))))
	}
}

func (w *world) remember(l *life) { w.mu.Lock(); defer w.mu.Unlock(); w.alive[l.id] = l }
func (w *world) forget(l *life)   { w.mu.Lock(); defer w.mu.Unlock(); delete(w.alive, l.id) }

// change begins one fault after the other, with calm between them, until stop is over.
func (w *world) change(stop context.Context, rng *rand.Rand, faults []string, begin func(rng *rand.Rand, fault string) (end func())) {
	for stop.Err() == nil {
		wait(stop, time.Duration(rng.Int64N(int64(w.plan.duration/6)+1)))
		fault := w.plan.pick(rng, faults)
		if fault == "" || stop.Err() != nil {
			continue
		}
		w.tell("%s begins", fault)
		w.struck("", "", fault)
		w.lasts(fault, true)
		end := begin(rng, fault)
		wait(stop, time.Duration(rng.ExpFloat64()*float64(w.plan.duration)/20))
		end()
		w.lasts(fault, false)
		w.tell("%s ends", fault)
	}
}

// lasts takes note of a fault that lasts, and so meets who starts meanwhile.
func (w *world) lasts(fault string, on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.blows[fault] = on
}

// met counts the faults that a life meets when it starts.
func (w *world) met(l *life) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.plan.has("settings") {
		w.matrix.add("settings", string(l.sdk.Status().Push.State), l.plan, "")
	}
	for fault, on := range w.blows {
		if on {
			w.matrix.add(fault, string(l.sdk.Status().Push.State), l.plan, "")
		}
	}
}

// blow changes the weather of the network.
func (w *world) blow(rng *rand.Rand, fault string) (end func()) {
	kinds := map[string]string{"refused-connections": "refused", "partition": "partition", "slow-link": "slow", "reset-out": "reset-out", "reset-in": "reset-in"}
	weather := forecast(rng, kinds[fault])
	w.backend.web.set(weather)
	w.backend.rpc.set(weather)
	return func() { w.backend.web.set(clear); w.backend.rpc.set(clear) }
}

var clear weather

// trouble changes the disk, or what is on it.
func (w *world) trouble(rng *rand.Rand, fault string) (end func()) {
	switch fault {
	case "disk-full", "disk-read-only", "disk-gone":
		w.disk.set(fault)
	case "disk-foreign":
		names := []string{"README.partial", "backup.corrupt", "x.otlp", "duotel-1.otlp", "duotel-0000000000000000001-0000000001-0000000000000001.otlp.bak"}
		w.disk.lay(names[rng.IntN(len(names))], []byte("not yours"), true)
	case "disk-corrupt":
		w.corrupt(rng)
	}
	return func() { w.disk.set("") }
}

// corrupt breaks a request that waits, or lays one there that never was one. What it held cannot arrive.
func (w *world) corrupt(rng *rand.Rand) {
	names, contents := w.disk.waiting()
	if len(names) == 0 {
		w.disk.lay(fmt.Sprintf("duotel-%019d-%010d-%016x.otlp", time.Now().UnixNano(), 1, rng.Uint64()), []byte("DUOTEL and nothing"), false)
		return
	}
	i := rng.IntN(len(names))
	w.truth.forgive(spooled(contents[i]))
	content := contents[i]
	if len(content) == 0 {
		return
	}
	switch rng.IntN(3) {
	case 0:
		content = content[:rng.IntN(len(content)+1)]
	case 1:
		content[rng.IntN(len(content))] ^= 1 << rng.IntN(8)
	case 2:
		content = append(content, "and more"...)
	}
	w.disk.lay(names[i], content, false)
}

// jump has the clock jump by up to two days between two processes: what waits in the spool was written at another time.
func (w *world) jump(rng *rand.Rand) {
	by := time.Duration(rng.Int64N(int64(4*24*time.Hour))) - 2*24*time.Hour
	w.struck("", "", "clock")
	w.tell("the clock jumps by %v", by)
	names, _ := w.disk.waiting()
	for _, name := range names {
		at, rest := name[7:26], name[26:]
		var nanos int64
		if _, err := fmt.Sscanf(at, "%d", &nanos); err == nil {
			w.disk.rename(name, fmt.Sprintf("duotel-%019d%s", max(0, nanos-int64(by)), rest))
		}
	}
}

// calmDown ends the faults and wants everything to come right.
func (w *world) calmDown(l *life) {
	w.calm.Store(true)
	w.backend.set(false)
	w.backend.web.set(clear)
	w.backend.rpc.set(clear)
	w.disk.set("")
	w.tell("calm begins")
	if l == nil {
		if l = w.start(w.rng); l == nil {
			w.broken("a process starts", "New fails in the calm")
			return
		}
		w.remember(l)
	}
	var err error
	for range 60 {
		time.Sleep(w.plan.interval)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		err = l.flush(ctx)
		cancel()
		if names, _ := w.disk.waiting(); err == nil && (len(names) == 0 || !l.plan.spool) {
			break
		}
	}
	l.stop()
	w.quiet(l, err)
	l.end("calm")
	w.forget(l)
	w.truth.conserved(w.bookkeeping())
	w.told(l)
}

// quiet is the moment at which nothing is measured any more: both exits say the same, which is the truth.
func (w *world) quiet(l *life, err error) {
	if err != nil {
		w.broken("the push comes right when the faults have ended", "%s: %v", l.id, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := l.flush(ctx); err != nil {
		w.broken("the push comes right when the faults have ended", "%s: %v", l.id, err)
	}
	for i := range formats {
		l.page.scrape(ctx, rand.New(rand.NewPCG(uint64(i), 8)))
	}
	if s := l.sdk.Status().Push; s.State != exporter.PushHealthy && !w.stock {
		w.broken("who asks is told", "%s: the push works, and its state is %s", l.id, s.State)
	}
	if names, _ := w.disk.waiting(); len(names) > 0 && l.plan.spool {
		w.broken("the spool is emptied", "%d requests wait: %v", len(names), names)
	}
}

// waiting returns the points in the spool.
func (w *world) waiting() (points []point) {
	_, contents := w.disk.waiting()
	for _, content := range contents {
		points = append(points, spooled(content)...)
	}
	return points
}

// account adds what a process said of itself to the books.
func (w *world) account(s *exporter.PushStats, ambiguous int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.books.lost += s.PointsLost + s.PointsRejected + s.SeriesLost
	w.books.ambiguous += s.AmbiguousRequests + ambiguous
	w.books.sent += s.PointsSent
	if s.SeriesSetAside > 0 && !w.plan.has("poison") && !w.plan.has("refused") && !w.plan.has("retry-after") {
		w.broken("nothing is set aside that a backend would take", "%v", s.SetAside)
	}
}

func (w *world) bookkeeping() books {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.books
}

// told wants the counters to add up to what happened.
func (w *world) told(l *life) {
	b := w.bookkeeping()
	if b.sent > w.backend.points {
		w.broken("no success the backend knows nothing of", "%d points are counted as sent, and %d were accepted", b.sent, w.backend.points)
	}
	if names := w.disk.harmed(); len(names) > 0 {
		w.broken("foreign files stay as they are", "%v", names)
	}
	s := l.sdk.Status().Push
	failures := int64(0)
	for _, n := range s.Failures {
		failures += n
	}
	if failures > s.Pushes {
		w.broken("counters add up to the events", "%d failures in %d pushes", failures, s.Pushes)
	}
}

// leftovers wants nothing to be left open. Goroutines that are left are a panic of synctest's.
func (w *world) leftovers() {
	synctest.Wait()
	if n := w.backend.web.open() + w.backend.rpc.open(); n > 0 {
		w.broken("nothing is left behind", "%d connections", n)
	}
	w.disk.mu.Lock()
	defer w.disk.mu.Unlock()
	if len(w.disk.locked) > 0 {
		w.broken("nothing is left behind", "%d locks", len(w.disk.locked))
	}
}

// within wants a call to return in its time.
func (w *world) within(call string, limit time.Duration, do func()) {
	from := time.Now()
	do()
	if took := time.Since(from); took > limit {
		w.broken("every call returns in its time", "%s took %v, and had %v", call, took, limit)
	}
}

// public wants no secret in what everybody may see.
func (w *world) public(where, text string) {
	if strings.Contains(text, secret) {
		w.broken("no secret comes out", "in %s", where)
	}
}

// struck counts a fault in the state of the push that it met.
func (w *world) struck(life, protocol, fault string) {
	w.mu.Lock()
	l := w.alive[life]
	if l == nil {
		for _, any := range w.alive {
			l = any
			break
		}
	}
	w.mu.Unlock()
	if l == nil || l.sdk == nil || fault == "" {
		return
	}
	w.matrix.add(fault, string(l.sdk.Status().Push.State), l.plan, protocol)
}
