// Package oracletest holds the pull exit's text against the official exporter's, both as Prometheus's own
// parser reads them. It is a module of its own, so that nobody who imports Duotel depends on Prometheus.
package oracletest_test

import (
	"testing"

	"go.opentelemetry.io/otel"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The official exporter reports every exemplar it loses to the global handler, which prints.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	goleak.VerifyTestMain(m)
}
