// Package e2e holds the tests against the servers that people run: Prometheus, the OpenTelemetry Collector, and where
// they are installed VictoriaMetrics and the Python client's OpenMetrics parser. `make e2e` in the repository's root
// builds what is missing, runs them all and ends with a table.
package e2e
