// Command appproxy is a coordinator whose circuits are created, updated and deleted over HTTP, and which tells Prometheus
// at every event which routes are to be scraped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr))
}

// run is main without the process around it: 0 after -for or a signal, 1 for a failure, 2 for wrong flags.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	set := flag.NewFlagSet("appproxy", flag.ContinueOnError)
	set.SetOutput(stderr)
	addr := set.String("addr", "127.0.0.1:8080", "`address` to listen on; port 0 picks a free one")
	traefik := set.Bool("traefik", false, "the proxy is Traefik: its own metrics are scraped too (a stand-in of it runs here)")
	duration := set.Duration("for", 0, "stop after this `duration` (default: run until Ctrl-C)")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case set.NArg() > 0:
		fmt.Fprintf(stderr, "flags: %q: there are no arguments, only flags; see -h\n", set.Arg(0))
		return 2
	case *duration < 0:
		fmt.Fprintf(stderr, "flags: -for=\"%v\": is negative; a duration such as 30s, or 0 to run until Ctrl-C\n", *duration)
		return 2
	}
	if *duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *duration)
		defer cancel()
	}
	if err := serve(ctx, *addr, *traefik, lookup, stdout); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// everywhere on this machine is where the example's parts are. A registry refuses loopback addresses otherwise.
var everywhere = discovery.AddressPolicy{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

// serve runs the coordinator, with its worker, until ctx ends.
func serve(ctx context.Context, addr string, withTraefik bool, lookup func(string) (string, bool), stdout io.Writer) (err error) {
	cfg, err := telemetry.FromEnv(lookup)
	if err != nil {
		return err
	}
	if cfg.ServiceName == "" && cfg.ResourceAttributes["service.name"] == "" {
		cfg.ServiceName = "appproxy-coordinator"
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: -addr=%q: %w; host:port, such as 127.0.0.1:8080", addr, err)
	}
	defer listener.Close()
	sdk, err := telemetry.New(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ending(sdk.Shutdown)) }()
	registry, err := discovery.New(discovery.Config{MeterProvider: sdk.MeterProvider(), Addresses: everywhere})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ending(registry.Close)) }()

	parts, err := startParts(ctx, withTraefik)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ending(parts.stop)) }()
	if err := registry.Sync(ctx, infrastructure, parts.targets(listener.Addr().String())); err != nil {
		return err
	}

	mux := http.NewServeMux()
	newCoordinator(registry).mount(mux)
	sdk.Mount(mux)
	server := &http.Server{Handler: sdk.Middleware(mux), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "serving  http://%s/   (PUT and DELETE /circuits/{id}, GET /circuits, /sd)\nscrape   http://%s/metrics\n", listener.Addr(), listener.Addr())
	select {
	case <-ctx.Done():
	case err := <-served:
		return fmt.Errorf("server: %w", err)
	}
	if err := ending(server.Shutdown); err != nil {
		return errors.Join(fmt.Errorf("server: stop: %w", err), server.Close())
	}
	<-served
	return nil
}

// ending runs one step of the end, with five seconds from when it begins.
func ending(step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return step(ctx)
}
