package exporter_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/duotel/duotel/exporter"
)

// TestF51Nil wants every constructor to refuse nil where something live is needed, and to name it.
func TestF51Nil(t *testing.T) {
	source := exporter.NewSource(exporter.SourceConfig{})
	good := prometheus.NewRegistry()
	var (
		registry *prometheus.Registry
		buffer   *bytes.Buffer
	)
	pull := func(c exporter.PullConfig) error {
		_, err := exporter.NewPull(c)
		return err
	}
	console := func(w *bytes.Buffer, producers ...sdkmetric.Producer) error {
		c, err := exporter.NewConsole(w, nil, producers, 0, 0, nil)
		if err == nil {
			_ = c.Shutdown(t.Context())
		}
		return err
	}
	_, push := exporter.NewPush(t.Context(), exporter.PushConfig{Endpoint: "http://127.0.0.1:1", Producers: []sdkmetric.Producer{nil}})
	for want, err := range map[string]error{
		"Source is nil":              pull(exporter.PullConfig{}),
		"Gatherers[1] is nil":        pull(exporter.PullConfig{Source: source, Gatherers: []prometheus.Gatherer{good, nil}}),
		"Gatherers[0] is nil":        pull(exporter.PullConfig{Source: source, Gatherers: []prometheus.Gatherer{registry}}),
		"Fallback is a nil pointer":  pull(exporter.PullConfig{Source: source, Fallback: registry}),
		"the writer is nil":          console(buffer),
		"producers[0] is nil":        console(new(bytes.Buffer), nil),
		`push: Producers[0]="<nil>"`: push,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
