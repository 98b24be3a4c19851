package service

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// The faults of a world, by where they strike. Each seed draws a subset, with weights of its own, so that rare ones meet.
var (
	answers = []string{
		"lost", "late", "long", "cut", "html", "refused", "retry-after", "partial", "poison", "limit", "switching", "continues",
		"redirect", "hang-before", "hang-after",
	}
	weathers  = []string{"refused-connections", "partition", "slow-link", "reset-out", "reset-in", "goaway"}
	diskTroub = []string{"disk-full", "disk-read-only", "disk-gone", "disk-torn", "disk-foreign", "disk-corrupt", "clock"}
	endings   = []string{"shutdown", "shutdown-cancelled", "shutdown-short", "crash", "settings", "twins"}
	apps      = []string{"callback-slow", "callback-fails", "callback-panics", "collector-fails", "collector-panics", "churn", "late-instruments", "falls", "requests", "odd-series"}
	readers   = []string{"scrape-cancelled", "scrape-slow", "scrape-mute"}
)

func catalogue() []string {
	return slices.Concat(answers, weathers, diskTroub, endings, apps, readers)
}

// plan is all that a seed decides before its world begins.
type plan struct {
	seed     uint64
	duration time.Duration // of the part with faults
	weights  map[string]float64
	trouble  float64 // the share of requests that meet a fault

	grpc, delta, lowMemory, gzip bool
	spool, exponential           bool
	interval                     time.Duration
	timeout, exportTimeout       time.Duration
	batch, limit                 int
	recorders, scrapers, shards  int
	pace                         time.Duration // between two measurements of a recorder
}

// draw makes a plan of a seed.
func draw(seed uint64, duration time.Duration) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := plan{seed: seed, duration: duration, weights: map[string]float64{}}
	density := []float64{0, 0.1, 0.3, 0.6}[rng.IntN(4)]
	for _, fault := range catalogue() {
		if weight := rng.ExpFloat64(); rng.Float64() < density && fault != "falls" {
			p.weights[fault] = weight
		}
	}
	if p.has("callback-slow") {
		delete(p.weights, "late-instruments") // the SDK's lock is held across a callback; a bubble's clock stands while somebody waits for one
	}
	p.trouble = []float64{0.05, 0.3, 0.7, 0.95}[rng.IntN(4)]
	p.grpc, p.delta, p.gzip = rng.IntN(2) == 0, rng.IntN(2) == 0, rng.IntN(4) == 0
	p.lowMemory = p.delta && rng.IntN(4) == 0
	p.spool, p.exponential = rng.IntN(3) > 0, rng.IntN(4) == 0
	p.interval = duration / time.Duration(12+rng.IntN(30))
	p.timeout = time.Duration(1+rng.IntN(20)) * time.Second
	p.exportTimeout = p.timeout * time.Duration(1+rng.IntN(3))
	p.batch = []int{0, 0, 0, 1, 7, 7, 40, 40}[rng.IntN(8)]
	p.limit = []int{0, 0, 20}[rng.IntN(3)]
	p.recorders, p.scrapers, p.shards = 1+rng.IntN(3), rng.IntN(4), 1+rng.IntN(5)
	p.pace = duration / time.Duration(200+rng.IntN(600))
	return p
}

// has reports whether the world has a fault.
func (p plan) has(fault string) bool { _, ok := p.weights[fault]; return ok }

// pick draws one of the faults that the world has, by weight; "" when it has none of them.
func (p plan) pick(rng *rand.Rand, among []string) string {
	sum := 0.0
	for _, fault := range among {
		sum += p.weights[fault]
	}
	if sum == 0 {
		return ""
	}
	at := rng.Float64() * sum
	for _, fault := range among {
		if at -= p.weights[fault]; at < 0 && p.has(fault) {
			return fault
		}
	}
	return ""
}

// without returns the plan with one fault less.
func (p plan) without(fault string) plan {
	weights := map[string]float64{}
	for f, w := range p.weights {
		if f != fault {
			weights[f] = w
		}
	}
	p.weights = weights
	return p
}

// faults lists the world's faults in the order of the catalogue.
func (p plan) faults() []string {
	return slices.DeleteFunc(catalogue(), func(f string) bool { return !p.has(f) })
}

func (p plan) String() string {
	protocol, temporality := "http", "cumulative"
	if p.grpc {
		protocol = "grpc"
	}
	if p.delta {
		temporality = "delta"
	}
	if p.lowMemory {
		temporality = "lowmemory"
	}
	return fmt.Sprintf("seed %d: %s %s, spool %v, interval %v, timeout %v of %v, batch %d, limit %d, %d recorders, %d scrapers, trouble %.2f, for %v, with %s",
		p.seed, protocol, temporality, p.spool, p.interval.Round(time.Millisecond), p.timeout, p.exportTimeout, p.batch, p.limit, p.recorders, p.scrapers,
		p.trouble, p.duration, strings.Join(p.faults(), ","))
}
