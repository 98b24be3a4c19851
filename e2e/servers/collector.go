package servers

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// CollectorConfig says how a Collector listens.
type CollectorConfig struct {
	// Token is the bearer token both receivers ask for; empty for none.
	Token string
	// Basic is the user:password both receivers ask for instead; empty for none.
	Basic string
	// Certificate and Key are PEM files for TLS at both receivers; empty for none.
	Certificate, Key string
	// Cumulative adds up deltas before they are shown.
	Cumulative bool

	addresses picker
}

// Collector is an OpenTelemetry Collector that shows what it received at a Prometheus exporter and appends it to a file.
type Collector struct {
	*Process
	// HTTP and GRPC are the receivers' endpoints, with scheme; HTTP has the path too.
	HTTP, GRPC string
	// Metrics is the URL of the Prometheus exporter.
	Metrics string
	// File has one OTLP message in JSON per line, of all of this Collector's lives.
	File string

	tb          testing.TB
	cfg         CollectorConfig
	dir         string
	health, yml string
}

// StartCollector starts a Collector.
func StartCollector(tb testing.TB, cfg CollectorConfig) *Collector {
	tb.Helper()
	dir := tb.TempDir()
	c := &Collector{tb: tb, cfg: cfg, dir: dir, File: filepath.Join(dir, "received.json")}
	c.Process = StartProcess(tb, "collector", build(tb, CollectorTool), func() Launch {
		c.configure()
		return c.launch()
	})
	return c
}

// Start starts the Collector again after Stop: at the same addresses, with no memory.
func (c *Collector) Start() {
	c.tb.Helper()
	c.Process = StartProcess(c.tb, "collector", build(c.tb, CollectorTool), c.launch)
}

// configure chooses the addresses.
func (c *Collector) configure() {
	c.tb.Helper()
	pick := func() string { return c.cfg.addresses.pick(c.tb) }
	at := addresses{http: pick(), grpc: pick(), metrics: pick(), health: pick(), file: c.File}
	scheme := "http://"
	if c.cfg.Certificate != "" {
		scheme = "https://"
	}
	c.HTTP, c.GRPC = scheme+at.http+"/v1/metrics", scheme+at.grpc
	c.Metrics, c.health = "http://"+at.metrics+"/metrics", "http://"+at.health
	c.yml = write(c.tb, c.dir, "collector.yml", c.cfg.yaml(at))
}

func (c *Collector) launch() Launch {
	return Launch{Ready: c.health, Args: []string{"--config=" + c.yml}}
}

type addresses struct{ http, grpc, metrics, health, file string }

// yaml is a configuration in JSON, which is YAML.
func (cfg CollectorConfig) yaml(at addresses) string {
	type m = map[string]any
	server := func(address string) m {
		s := m{"endpoint": address}
		switch {
		case cfg.Token != "":
			s["auth"] = m{"authenticator": "bearertokenauth"}
		case cfg.Basic != "":
			s["auth"] = m{"authenticator": "basicauth"}
		}
		if cfg.Certificate != "" {
			s["tls"] = m{"cert_file": cfg.Certificate, "key_file": cfg.Key}
		}
		return s
	}
	extensions, names := m{"health_check": m{"endpoint": at.health}}, []string{"health_check"}
	switch {
	case cfg.Token != "":
		extensions["bearertokenauth"], names = m{"token": cfg.Token}, append(names, "bearertokenauth")
	case cfg.Basic != "":
		extensions["basicauth"], names = m{"htpasswd": m{"inline": cfg.Basic}}, append(names, "basicauth")
	}
	processors := m{}
	shown := m{"receivers": []string{"otlp"}, "exporters": []string{"prometheus"}}
	if cfg.Cumulative {
		processors["deltatocumulative"], shown["processors"] = m{}, []string{"deltatocumulative"}
	}
	kept := m{"receivers": []string{"otlp"}, "exporters": []string{"file"}}
	content, err := json.MarshalIndent(m{
		"extensions": extensions,
		"receivers":  m{"otlp": m{"protocols": m{"http": server(at.http), "grpc": server(at.grpc)}}},
		"processors": processors,
		"exporters": m{
			"prometheus": m{"endpoint": at.metrics},
			"file":       m{"path": at.file, "append": true, "flush_interval": "100ms"},
		},
		"service": m{
			"extensions": names,
			"telemetry":  m{"metrics": m{"level": "none"}, "logs": m{"level": "warn"}},
			"pipelines":  m{"metrics": shown, "metrics/kept": kept},
		},
	}, "", "  ")
	if err != nil {
		panic(err) // maps and strings
	}
	return string(content)
}

// Received stops the Collector and returns all that its lives received.
func (c *Collector) Received() []byte {
	c.tb.Helper()
	c.stop()
	content, err := os.ReadFile(c.File)
	if err != nil {
		c.tb.Fatal(err)
	}
	return content
}
