// Package servers builds the programs of others that the end-to-end tests need, and runs them: Prometheus, promtool and
// the OpenTelemetry Collector, each pinned in a module of its own under tools/. VictoriaMetrics is run where it is installed.
//
// A program is built on first use into .cache/e2e at the repository's root and again only when its pins change. A
// server listens on a free port of the loopback interface, or on another one where somebody else was quicker. It is ready
// when its Start function returns, and is stopped, by its process id, when the test ends. Its log stays in
// .cache/e2e/logs when the test failed.
package servers
