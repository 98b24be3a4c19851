package telemetry

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
)

// The exporter-toolkit, which reads web configuration files, needs a package that does not build for Plan 9.

func validateWebConfig(string) error {
	return errors.New("web configuration files are not read on Plan 9")
}

func serve(l net.Listener, server *http.Server, _ string, _ *slog.Logger) error {
	return server.Serve(l)
}

func servesTLS(string) (bool, error) { return false, nil }
