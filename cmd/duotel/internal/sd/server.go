package sd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/duotel/duotel/cmd/duotel/internal/cli"
	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

// stopTime bounds the end of a run: requests under way, the store's last copy and a last push share it.
const stopTime = 15 * time.Second

// run serves until ctx ends. Everything that can be wrong is looked at before anything is opened.
func run(ctx context.Context, s cli.Streams, o options) (err error) {
	logger, err := o.logger(s.Err)
	if err != nil {
		return cli.Usagef("sd: %w", err)
	}
	config, envErr := telemetryConfig(os.LookupEnv)
	address, addressErr := o.address()
	authority, authorityErr := openAuthority(logger, o)
	if err := errors.Join(addressErr, checkStore(o.store, o.etcd), authorityErr, envErr); err != nil {
		return cli.Usagef("sd: %w", err)
	}
	if !address.IP.IsLoopback() && !authority.authenticates() {
		return cli.Usagef("sd: -listen=%q: other machines can reach it, and nothing says who may register; "+
			"-principals FILE, or -web.config.file FILE with basic_auth_users or a client_auth_type that verifies certificates, or a loopback address such as localhost:9465", o.listen)
	}
	end := sync.OnceValues(func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), stopTime)
	})
	defer func() {
		_, cancel := end()
		cancel()
	}()
	store, err := openStore(o.store, o.etcd, logger)
	if err != nil {
		return cli.Usagef("sd: %w", err)
	}
	defer atEnd(end, &err, "the store", quietEnd(o.store, store.Close, logger))
	sdk, err := telemetry.New(ctx, config, telemetry.WithLogger(logger))
	if err != nil {
		return fmt.Errorf("sd: %w", err)
	}
	defer atEnd(end, &err, "telemetry", sdk.Shutdown)
	registry, err := discovery.New(discovery.Config{
		Store: store, Addresses: o.policy(), Probe: o.probe.config(), Logger: logger, MeterProvider: sdk.MeterProvider(),
	})
	if err != nil {
		return fmt.Errorf("sd: %w", err)
	}
	defer atEnd(end, &err, "the registry", registry.Close)
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return fmt.Errorf("sd: -listen=%q: %w; an address of this machine with a free port", o.listen, err)
	}
	if !address.IP.IsLoopback() && !authority.webConfig().tls {
		logger.Warn("sd: credentials and the list cross the network in the clear: -web.config.file with tls_server_config has them encrypted")
	}
	return serve(ctx, end, s.Out, listener, newServer(newHandler(registry, sdk, authority), logger), authority, o.webConfig, logger)
}

// ending returns the context of the end of a run, whose time begins when it is first asked for.
type ending func() (context.Context, context.CancelFunc)

// atEnd calls last in the time of the end, and joins its error to that of the run.
func atEnd(end ending, err *error, what string, last func(context.Context) error) {
	ctx, _ := end()
	if failed := last(ctx); failed != nil {
		*err = errors.Join(*err, fmt.Errorf("sd: %s did not end well: %w", what, failed))
	}
}

// quietEnd is the end of a store. That etcd cannot be told is no failure of the server's: what it held there ends with its lease.
func quietEnd(text string, last func(context.Context) error, logger *slog.Logger) func(context.Context) error {
	if !isEtcd(text) {
		return last
	}
	return func(ctx context.Context) error {
		if err := last(ctx); err != nil {
			logger.Warn("sd: etcd could not be told that this server has ended: what it held there ends with its lease", "error", err)
		}
		return nil
	}
}

// telemetryConfig returns how the server's own metrics leave: by its own page, and by push where the environment says so.
func telemetryConfig(lookup func(string) (string, bool)) (telemetry.Config, error) {
	config, err := telemetry.FromEnv(lookup)
	if config.ServiceName == "" && config.ResourceAttributes["service.name"] == "" {
		config.ServiceName = "duotel-sd"
	}
	config.Listener = telemetry.ListenerConfig{} // the page is on the server's own listener
	return config, err
}

// newServer has a limit for everything that a client could hold on to.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// serve answers requests until ctx ends, and then lets those under way finish.
func serve(ctx context.Context, end ending, out io.Writer, listener net.Listener, server *http.Server, authority *authority, webConfigFile string, logger *slog.Logger) error {
	base := baseURL(listener.Addr(), authority.webConfig().tls)
	if _, err := fmt.Fprintf(out, "duotel sd: serving %s, for Prometheus %ssd\n", base, base); err != nil {
		return errors.Join(fmt.Errorf("sd: standard output: %w", err), listener.Close())
	}
	ended := make(chan error, 1)
	go func() {
		ended <- web.Serve(listener, server, &web.FlagConfig{WebConfigFile: &webConfigFile}, logger)
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("sd: serving ended: %w", errors.Join(err, listener.Close()))
	case <-ctx.Done():
	}
	logger.Info("sd: stopping")
	deadline, _ := end()
	if err := server.Shutdown(deadline); err != nil {
		_ = server.Close() // whoever holds on longer is cut off
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("sd: serving ended: %w", err)
	}
	return nil
}

// baseURL returns where people and Prometheus find the server. For a listener on all addresses that is this machine's name.
func baseURL(at net.Addr, tls bool) string {
	scheme, host := "http", at.String()
	if tls {
		scheme = "https"
	}
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		if name, err := os.Hostname(); err == nil {
			host = net.JoinHostPort(name, fmt.Sprint(tcp.Port))
		}
	}
	return scheme + "://" + host + "/"
}
