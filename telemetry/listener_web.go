//go:build !plan9

package telemetry

import (
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v2"
)

// validateWebConfig reads a web configuration file and returns what is wrong with it.
func validateWebConfig(file string) error { return web.Validate(file) }

// serve answers requests, as a web configuration file asks for if there is one, until the server is shut down.
func serve(l net.Listener, server *http.Server, webConfigFile string, logger *slog.Logger) error {
	return web.Serve(l, server, &web.FlagConfig{WebConfigFile: &webConfigFile}, logger)
}

// servesTLS says whether a valid web configuration file asks for TLS.
func servesTLS(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	text, err := readSmall(file)
	if err != nil {
		return false, err
	}
	var cfg web.Config
	if err := yaml.Unmarshal(text, &cfg); err != nil {
		return false, err
	}
	return cfg.TLSConfig.IsEnabled(), nil
}
