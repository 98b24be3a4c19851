// Command demo is a small service with both exits: Prometheus scrapes /metrics, and OTLP is pushed to
// the endpoint in the environment or, without one, to a backend of its own on loopback. It sends itself
// a modest load and shows, side by side, what a scrape sees and what the backend received.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal a second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run is main without the process around it.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	f, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	d, err := open(ctx, f, lookup, stdout, stderr)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if err := d.run(ctx); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	return exitOK
}

// flags are the demo's command line.
type flags struct {
	addr     string
	load     int
	health   health
	duration time.Duration
}

// maxLoad keeps a typing error from being a denial of service.
const maxLoad = 10_000

// parseFlags prints what is wrong, and the usage, to stderr.
func parseFlags(args []string, stderr io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("demo", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.addr, "addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	set.IntVar(&f.load, "load", 20, "`requests` a second the demo sends to itself; 0 sends none")
	set.StringVar((*string)(&f.health), "health", string(mixed), "how the service is: `mixed`, with routes that always fail; healthy, without them; or sick, for alerts to be tried on: it is slow and fails, its backend is down, a callback fails, an instrument is full, goroutines leak; then the exits are not compared")
	set.DurationVar(&f.duration, "for", 0, "stop after this `duration`; the exit status is then 0 only if both exits have series, and agree to the last count (default: run until Ctrl-C)")
	set.Usage = func() {
		fmt.Fprint(stderr, "demo serves a few routes, exposes /metrics and pushes OTLP, and compares the two.\n"+
			"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT makes it push there instead of to a backend of its own.\n\nFlags:\n")
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return f, err
	}
	err := f.check(set.Args())
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return f, err
}

func (f flags) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("flags: %q: there are no arguments, only flags; see -help", rest[0])
	case f.load < 0 || f.load > maxLoad:
		return fmt.Errorf(`flags: -load="%d": out of range; 0 to %d requests a second`, f.load, maxLoad)
	case traffic[f.health] == nil:
		return fmt.Errorf(`flags: -health=%q: unknown; mixed, healthy or sick`, f.health)
	case f.duration < 0:
		return fmt.Errorf(`flags: -for="%v": is negative; a duration such as 30s, or 0 to run until Ctrl-C`, f.duration)
	}
	return nil
}
