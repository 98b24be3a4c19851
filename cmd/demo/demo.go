package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/duotel/duotel/telemetry"
	"github.com/duotel/duotel/telemetry/telemetrytest"
)

const (
	// tableEvery is the time between tables.
	tableEvery = 5 * time.Second
	// stopTimeout bounds everything that happens after Ctrl-C.
	stopTimeout = 5 * time.Second
)

// demo is the running service.
type demo struct {
	flags    flags
	out      io.Writer
	config   telemetry.Config
	sdk      *telemetry.SDK
	backend  *telemetrytest.Backend // nil when somebody else's is pushed to, or nothing is
	listener net.Listener
	server   *http.Server
	stopping context.CancelFunc // ends the event streams, and what a sick service does
	illness  *illness
}

// open acquires everything run needs. The port comes first: it is what goes wrong most.
func open(ctx context.Context, f flags, lookup func(string) (string, bool), stdout, stderr io.Writer) (*demo, error) {
	cfg, err := telemetry.FromEnv(lookup)
	if err != nil {
		return nil, err
	}
	d := &demo{flags: f, out: stdout, config: cfg}
	if d.listener, err = listen(f.addr); err != nil {
		return nil, err
	}
	if err := d.openTelemetry(ctx, stderr); err != nil {
		d.closeBackend()
		return nil, errors.Join(err, d.listener.Close())
	}
	streams, stopping := context.WithCancel(context.Background())
	d.stopping = stopping
	d.server = newServer(d.sdk, f.health, streams)
	if f.health == sick {
		d.illness = fallIll(d.sdk, d.backend, streams)
	}
	return d, nil
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("listen: -addr=%q: another process uses this port; stop it, or choose another one, such as -addr 127.0.0.1:0", addr)
	case err != nil:
		return nil, fmt.Errorf("listen: -addr=%q: %w; host:port, such as 127.0.0.1:8080", addr, err)
	}
	return l, nil
}

// openTelemetry is what a service does, plus a backend where nobody named one.
func (d *demo) openTelemetry(ctx context.Context, stderr io.Writer) error {
	if d.config.ServiceName == "" && d.config.ResourceAttributes["service.name"] == "" {
		d.config.ServiceName = "duotel-demo"
	}
	if err := d.openBackend(); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	sdk, err := telemetry.New(ctx, d.config, telemetry.WithLogger(logger))
	if err != nil {
		return err
	}
	sdk.SetGlobal()
	d.sdk = sdk
	return nil
}

// newServer serves the routes and /metrics, measured, with the time-outs a service should have.
func newServer(sdk *telemetry.SDK, h health, streams context.Context) *http.Server {
	mux := http.NewServeMux()
	newRoutes(sdk, h, streams).mount(mux)
	sdk.Mount(mux)
	return &http.Server{
		Handler:           sdk.Middleware(mux),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		// One route panics all the time. A service would want to see the stacks; here they would bury the table.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// run serves until ctx ends or -for has passed, and then compares the exits a last time.
func (d *demo) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- d.server.Serve(d.listener)
		cancel() // a server that fails takes the demo with it
	}()
	d.printURLs()
	load := startLoad(d.url(), d.flags.health, d.flags.load)
	d.printTables(ctx)
	d.stopping()
	load.stop()
	d.illness.wait()
	return d.finish(served)
}

// printTables prints a table every few seconds, until ctx ends or -for has passed.
func (d *demo) printTables(ctx context.Context) {
	if d.flags.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.flags.duration)
		defer cancel()
	}
	ticker := time.NewTicker(tableEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			d.printTable(ctx)
		}
	}
}

// finish stops what measures, then compares, then shuts down: in this order nothing moves any more
// when the exits are compared to the last count.
func (d *demo) finish(served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	if err := d.server.Shutdown(ctx); err != nil {
		errs = append(errs, fmt.Errorf("server: stop: %w", err), d.server.Close())
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, fmt.Errorf("server: %w", err))
	}
	var disagreement error
	if d.illness == nil {
		disagreement = d.lastComparison(ctx)
	}
	switch {
	case d.flags.duration > 0:
		errs = append(errs, disagreement)
	case disagreement != nil:
		fmt.Fprintln(d.out, disagreement)
	}
	shutdown := d.sdk.Shutdown(ctx)
	d.printPushed()
	d.closeBackend()
	return errors.Join(append(errs, shutdown)...)
}

// lastComparison leaves Shutdown its share of the time when the backend is dead.
func (d *demo) lastComparison(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout/2)
	defer cancel()
	return d.compareFinally(ctx)
}

func (d *demo) url() string { return "http://" + d.listener.Addr().String() }

func (d *demo) printURLs() {
	fmt.Fprintf(d.out, "serving    %s/   (try /fast, /slow, /fail, /panic, /events, /relay, and POST to /upload)\n", d.url())
	switch {
	case d.config.Disabled:
		fmt.Fprintln(d.out, "telemetry  is off: OTEL_SDK_DISABLED or ENABLE_METRICS says so")
		return
	case d.sdk.Status().Pull != nil:
		fmt.Fprintf(d.out, "scrape     %s/metrics\n", d.url())
	}
	switch push := d.sdk.Status().Push; {
	case push == nil:
		fmt.Fprintln(d.out, "push       is off: OTEL_METRICS_EXPORTER does not name otlp")
	case d.backend != nil:
		fmt.Fprintf(d.out, "push       %s   (a backend inside this process, every %v)\n", push.Endpoint, d.config.Push.Interval)
	default:
		fmt.Fprintf(d.out, "push       %s\n", push.Endpoint)
	}
}

// printPushed is the last line: what became of the points.
func (d *demo) printPushed() {
	if push := d.sdk.Status().Push; push != nil {
		fmt.Fprintf(d.out, "pushed     %d points sent, %d rejected, %d lost\n", push.PointsSent, push.PointsRejected, push.PointsLost)
	}
}
