package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/duotel/duotel/discovery"
	"github.com/duotel/duotel/telemetry"
)

// infrastructure is the group of what the platform itself consists of: coordinator, worker, Traefik.
const infrastructure = "infrastructure"

// part is something of the platform that has a page of its own.
type part struct {
	name   string
	server *http.Server
	addr   string
	done   chan error
	sdk    *telemetry.SDK // nil for what does not use Duotel
}

// parts are those that run beside the coordinator.
type parts []*part

// startParts starts the worker, and Traefik where it is the proxy.
func startParts(ctx context.Context, withTraefik bool) (parts, error) {
	sdk, err := telemetry.New(ctx, telemetry.Config{ServiceName: "appproxy-worker", Exporters: []telemetry.ExporterName{telemetry.ExporterPrometheus}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	sdk.Mount(mux)
	worker, err := startPart("worker", sdk.Middleware(mux))
	if err != nil {
		return nil, errors.Join(err, sdk.Shutdown(ctx))
	}
	worker.sdk = sdk
	all := parts{worker}
	if withTraefik {
		traefik, err := startPart("traefik", http.HandlerFunc(traefikPage))
		if err != nil {
			return nil, errors.Join(err, all.stop(ctx))
		}
		all = append(all, traefik)
	}
	return all, nil
}

func startPart(name string, h http.Handler) (*part, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &part{name: name, addr: listener.Addr().String(), done: make(chan error, 1), server: &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}}
	go func() { p.done <- p.server.Serve(listener) }()
	return p, nil
}

// traefikPage stands in for Traefik's metrics at its entry point, as its documentation lists them.
func traefikPage(w http.ResponseWriter, req *http.Request) {
	if req.URL.Path != "/metrics" {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprint(w, "# HELP traefik_config_last_reload_success Last config reload success\n# TYPE traefik_config_last_reload_success gauge\ntraefik_config_last_reload_success 1\n"+
		"# HELP traefik_open_connections How many open connections exist, by entryPoint and protocol\n# TYPE traefik_open_connections gauge\n"+
		"traefik_open_connections{entrypoint=\"web\",protocol=\"TCP\"} 0\n")
}

// targets are the pages of the platform: that of the coordinator, which is at an address of its own, and those of the parts.
func (all parts) targets(coordinator string) []discovery.Target {
	out := []discovery.Target{{ID: "coordinator", Address: coordinator, Labels: map[string]string{"component": "coordinator"}}}
	for _, p := range all {
		out = append(out, discovery.Target{ID: p.name, Address: p.addr, Labels: map[string]string{"component": p.name}})
	}
	return out
}

// stop ends the parts, each with what it has to send.
func (all parts) stop(ctx context.Context) error {
	var errs []error
	for _, p := range all {
		errs = append(errs, p.server.Shutdown(ctx))
		if err := <-p.done; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
		if p.sdk != nil {
			errs = append(errs, p.sdk.Shutdown(ctx))
		}
	}
	return errors.Join(errs...)
}
