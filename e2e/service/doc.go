// Package service is the service under test: every kind of instrument, client_golang collectors, and an HTTP server with
// routes that succeed, fail, panic and receive. It can be made of Duotel, or of the usual parts: two readers,
// promhttp and otelhttp.
package service
