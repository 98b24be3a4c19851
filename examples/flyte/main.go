// Command flyte emits the metrics of a workflow engine as its operators know them: an admin service that answers
// requests, a propeller that takes workflows through their phases, and a data catalog. It runs no workflow: it draws
// what happens from a seed, so that dashboards, alerts and a contract have a service to be tried on.
//
//	go run ./flyte -sick    # then look at http://127.0.0.1:8080/metrics
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/duotel/duotel/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// flags are the command line.
type flags struct {
	addr     string
	duration time.Duration
	rate     int
	seed     uint64
	sick     bool
}

func parse(args []string, stderr io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("flyte", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.addr, "addr", "127.0.0.1:8080", "`address` to serve /metrics on; port 0 picks a free one")
	set.DurationVar(&f.duration, "for", 0, "stop after this `duration` (default: run until Ctrl-C)")
	set.IntVar(&f.rate, "rate", 50, "`requests` a second, from 1 to 10000")
	set.Uint64Var(&f.seed, "seed", 1, "what is drawn follows from this `number`")
	set.BoolVar(&f.sick, "sick", false, "requests fail and are slow, tasks fail and are tried again")
	set.Usage = func() {
		fmt.Fprintln(stderr, "flyte emits the metrics of a workflow engine on /metrics.\n\nFlags:")
		set.PrintDefaults()
	}
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if f.rate < 1 || f.rate > 10_000 {
		err := fmt.Errorf("-rate=%d: allowed are 1 to 10000 requests a second", f.rate)
		fmt.Fprintln(stderr, err)
		return f, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("%q: there are no arguments, only flags", set.Arg(0))
		fmt.Fprintln(stderr, err)
		return f, err
	}
	return f, nil
}

// run is main without the process around it. It returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, f, stdout); err != nil {
		fmt.Fprintln(stderr, "flyte:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, f flags, stdout io.Writer) error {
	if f.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.duration)
		defer cancel()
	}
	sdk, err := telemetry.Start(ctx)
	if err != nil {
		return err
	}
	defer sdk.Shutdown(context.Background())
	e, err := newEngine(sdk.MeterProvider(), f.seed, f.sick)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	sdk.Mount(mux)
	listener, err := net.Listen("tcp", f.addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "metrics on http://%s/metrics\n", listener.Addr())
	e.run(ctx, f.rate)
	if err := server.Shutdown(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
